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
  local said, test = M.about(t)
  local e = { kind = 'L', state = state, token = M.next_token(), since = NOW, ttl = t.ttl, delay = t.delay,
    parents = t.parents, got = table.concat(parts, '|'), plan = said == 0 and M.recall(test) or '', past = past, info = t.info }
  M.settle_in(id, e)
  if used[1] then M.write('HSET', BASE .. 'used', used) end
  M.put(id, e, NOW + (state == STATE_GRANTED and math.min(PROVISIONAL, t.ttl) or t.ttl))
  return e
end

-- What its owner is told of a lease: "id token got", and a star behind the token if
-- it was let past earlier waiters.
function M.told(id, e) return id .. ' ' .. M.int(e.token) .. (e.past and '* ' or ' ') .. e.got end

-- Takes a lease out, so that others can have its resources.
function M.drop(id, e)
  -- A server that is full lets a script go on that has begun with a write that
  -- needs no memory: so it takes leases back, and hands them over.
  call('HDEL', ALL, '#nothing')
  local keys = M.keys_of(e.got)
  M.load(keys)
  for _, k in ipairs(keys) do
    M.vacate(k, id)
    M.unlock_outside(k, id, T.key[k].holds[1])
  end
  if e.past then M.count_past(-1) end
  M.put(id, false, false)
end
