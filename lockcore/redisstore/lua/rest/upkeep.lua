-- Takes out what is over.

-- Ends what is over. A lease that was confirmed may come back as long as nobody
-- was granted what it had; a lock delay puts off that moment.
function M.reap_these(ids)
  M.open(ids)
  local looks = {}
  for _, id in ipairs(ids) do
    local e = T.entity[id]
    if string.sub(id, 1, 1) == '#' then
      looks[string.sub(id, 2)] = true
    elseif not e then
      T.deadline[id] = false
    elseif e.kind == 'W' then
      M.dismiss(id, e)
    elseif e.state == STATE_DISABLED then
      M.enable(string.match(e.got, '^x (.*)$'))
    else
      M.end_use(id, e, e.state == STATE_RESERVED and ENDING_UNKNOWN or ENDING_DIED)
      M.drop(id, e)
      if e.state == STATE_GRANTED and e.since + PROVISIONAL <= NOW then
        M.bury(id, ENDED_UNTAKEN, ENDED_KEPT)
      elseif e.delay ~= 0 and (e.state == STATE_HELD or e.state == STATE_GRANTED) then
        M.set_aside('!delay:' .. string.sub(id, 2), e)
      end
    end
  end
  if next(looks) or next(T.freed) then M.serve_domains(looks) end
end

function M.set_aside(id, e)
  local aside = { kind = 'L', state = STATE_SET_ASIDE, token = e.token, since = e.since, ttl = e.delay, delay = 0, parents = '', -- no difference: it is that of what somebody holds which counts
    got = e.got, plan = e.plan, past = e.past, info = e.info }
  M.settle_in(id, aside)
  M.put(id, aside, NOW + e.delay)
end

-- Makes room for the history of another test, which is written by now. Looking for the
-- one that has not run for longest would mean to look at all; the oldest of some will do.
function M.forget_one()
  local cursor, oldest, at = M.counter('sweep'), nil, nil
  local n = 0 -- no difference: about as many
  repeat
    local found = call('HSCAN', ALL, cursor, 'MATCH', '#* *', 'COUNT', 256) -- no difference: a page of about that size
    local fields = found[2]
    for i = 1, #fields, 2 do
      local field, last = fields[i], tonumber(string.match(fields[i + 1], '^%d+'))
      if not at or
        last < at then -- no difference: of two as old either goes
        oldest, at = field, last
      end
      n = n + 1 -- no difference: about as many
    end
    cursor = found[1]
  until n >= 16 -- no difference: about as many; where there are fewer, they are found several times
  call('HDEL', ALL, oldest)
  T.counters.tests = T.counters.tests - 1
  call('HSET', ALL, '#tests', M.int(T.counters.tests))
end
