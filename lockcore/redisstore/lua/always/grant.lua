-- Gives leases and takes them back.

-- Enters what a lease got, "mode key key|mode key" by requirement, into the
-- holdings of the resources.
function M.settle_in(id, e)
  for mode, rest in string.gmatch(e.got, '([^ |]+) ([^|]*)') do
    local units, order = {}, {}
    for k in string.gmatch(rest, '%S+') do
      if not units[k] then order[#order + 1] = k end
      units[k] = (units[k] or 0) + 1
    end
    for _, k in ipairs(order) do
      M.occupy(k, id, mode, units[k], e.token, e.past)
      M.lock_outside(k, id, e.ttl)
    end
  end
  if e.past then M.count_past(1) end
end

function M.keys_of(got)
  local keys, seen = {}, {}
  for rest in string.gmatch(got, '[^ |]+ ([^|]*)') do
    for k in string.gmatch(rest, '%S+') do
      if not seen[k] then
        seen[k] = true
        keys[#keys + 1] = k
      end
    end
  end
  return keys
end

-- Makes id, a waiter or a new ticket t, the holder of picks; past is its rank and
-- its seq if it is let past earlier waiters.
function M.grant(id, t, reqs, picks, state, past)
  local parts, used = {}, {}
  for r, req in ipairs(reqs) do
    parts[r] = req.mode .. ' ' .. M.glue(picks[r], ' ')
    if req.choice == CHOICE_LEAST_USE then
      for _, k in ipairs(picks[r]) do
        used[#used + 1] = k
        used[#used + 1] = M.int(NOW)
      end
    end
  end
  local e = { kind = 'L', state = state, token = M.next_token(), since = NOW, ttl = t.ttl, delay = t.delay,
    parents = t.parents, got = table.concat(parts, '|'), plan = M.plan_of(t), past = past, info = t.info }
  M.settle_in(id, e)
  if used[1] then M.write('HSET', BASE .. 'used', used) end -- no difference: it is a list of pairs
  M.put(id, e, NOW + (state == STATE_GRANTED and math.min(PROVISIONAL, t.ttl) or t.ttl))
  return e
end

-- What its owner is told of a lease: "id token got", and a star behind the token if
-- it was let past earlier waiters; and on a second line "ending resource" of those
-- whose last use did not end in order.
function M.told(id, e)
  local last = ''
  for _, k in ipairs(M.keys_of(e.got)) do
    local ending = string.match(M.at(k).trouble or '', '^[1-9]%d*')
    if ending then last = last .. (last == '' and '\n' or ' ') .. ending .. ' ' .. k end
  end
  return id .. ' ' .. M.int(e.token) .. (e.past and '* ' or ' ') .. e.got .. last
end

-- A lease is taken up by whoever asked for it. From here on a program has a full TTL,
-- and a person the full time of the reservation.
function M.take_up(id, e, ttl)
  e.state = STATE_HELD
  if M.is_reservation(e) then
    e.state, ttl = STATE_RESERVED, e.said
    M.extend_outside(id, e, ttl)
  end
  M.put(id, e, NOW + ttl)
end

-- Notes how the use of what a lease holds has ended, if it was used.
function M.end_use(id, e, how)
  if e.state ~= STATE_HELD and e.state ~= STATE_RESERVED then return end
  M.end_use_of(id, e, how, M.keys_of(e.got))
end

function M.end_use_of(id, e, how, keys)
  M.load(keys)
  for _, k in ipairs(keys) do
    if how ~= ENDING_RELEASED or M.at(k).trouble then M.note_ending(id, e, how, k) end
  end
end

function M.leave_key(k, id)
  M.vacate(k, id)
  M.unlock_outside(k, id, T.key[k].holds[1])
end

-- Takes a lease out, so that others can have its resources.
function M.drop(id, e)
  -- A server that is full lets a script go on that has begun with a write that
  -- needs no memory: so it takes leases back, and hands them over.
  call('HDEL', ALL, '#nothing')
  local keys = M.keys_of(e.got)
  M.load(keys)
  for _, k in ipairs(keys) do M.leave_key(k, id) end
  if e.past then M.count_past(-1) end
  M.put(id, false, false)
end
