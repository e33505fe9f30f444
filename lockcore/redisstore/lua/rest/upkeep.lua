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
      elseif e.delay > 0 and (e.state == STATE_HELD or e.state == STATE_GRANTED) then
        M.set_aside('!delay:' .. string.sub(id, 2), e)
      end
    end
  end
  if next(looks) or next(T.freed) then M.serve_domains(looks) end
end

function M.set_aside(id, e)
  local aside = { kind = 'L', state = STATE_SET_ASIDE, token = e.token, since = e.since, ttl = e.delay, delay = 0, parents = '',
    got = e.got, plan = e.plan, past = e.past, info = e.info }
  M.settle_in(id, aside)
  M.put(id, aside, NOW + e.delay)
end

-- Makes room for the history of another test. Looking for the one that has not
-- run for longest would mean to look at all; the oldest of some will do.
function M.forget_one()
  local cursor, oldest, at, n, rounds = M.counter('sweep'), nil, math.huge, 0, 0 -- no difference: where the scan begins and how many rounds it makes only says which of the oldest goes
  repeat
    local found = call('HSCAN', ALL, cursor, 'MATCH', '#* *', 'COUNT', 256) -- no difference: a page of about that size
    cursor = found[1]
    for i = 1, #found[2], 2 do
      local last = tonumber(string.match(found[2][i + 1], '^%d+'))
      n = n + 1
      if last < at then oldest, at = found[2][i], last end
    end
    if cursor == '0' then rounds = rounds + 1 end -- the first one began somewhere
  until n >= 16 or rounds == 2
  call('HDEL', ALL, oldest)
  T.counters.tests = T.counters.tests - 1
  call('HSET', ALL, '#tests', M.int(T.counters.tests))
end

-- One operation in SWEEP_EVERY sweeps a little: it takes out tombstones that nobody needs
-- any more, histories that say nothing any more, and resources that were used long
-- ago. A token is the time of its grant; no lease that could come back is as old
-- as that.
function M.sweep()
  local found, forget, tests = call('HSCAN', ALL, M.counter('sweep'), 'COUNT', 128), {}, 0
  for i = 1, #found[2], 2 do
    local field, v = found[2][i], found[2][i + 1]
    local till = string.match(v, '^T (%d+) ')
    if string.match(field, '^#.* ') then
      if not recent(v, NOW) then
        forget[#forget + 1] = field
        tests = tests + 1
      end
    elseif till and tonumber(till) <= NOW or string.match(v, '^%d+$') and string.sub(field, 1, 1) ~= '#' and tonumber(v) < NOW - TOKEN_KEPT then
      forget[#forget + 1] = field
    end
  end
  M.write('HDEL', ALL, forget)
  call('HSET', ALL, '#sweep', found[1], '#tests', M.int(math.max(0, M.counter('tests') - tests)))
end
