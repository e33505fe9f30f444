-- What people do to leases of others; and calls that must not be done twice, although
-- they have no lease that tells that they were done: their answers are kept a while.

function M.answered(name)
  local out = call('LRANGE', BASE .. 'f:' .. name, 0, -1)
  return out[1] and out
end

function M.answer(name, out)
  if not out[1] then return end
  M.write('RPUSH', BASE .. 'f:' .. name, out)
  call('PEXPIRE', BASE .. 'f:' .. name, REPLY_KEPT_MS)
end

-- Appends id, record and deadline of a lease.
function M.tell_of(id, out)
  out[#out + 1] = id
  out[#out + 1] = M.encode(M.get(id))
  out[#out + 1] = M.int((T.deadline[id] or call('ZSCORE', DUE, id)) + 0) -- as in M.expected
end

-- Those who have some resources, each once; what keeps one out of service is nobody.
function M.holders_of(keys)
  local ids, seen = {}, {}
  M.load(keys)
  for _, k in ipairs(keys) do
    for _, h in ipairs(M.at(k).holds) do
      local e = not seen[h.id] and M.get(h.id)
      if e and e.state ~= STATE_DISABLED then
        seen[h.id] = true
        ids[#ids + 1] = h.id
      end
    end
  end
  return ids
end

function M.list_holders(keys, out)
  for _, id in ipairs(M.holders_of(keys)) do M.tell_of(id, out) end
end

-- Ends the leases on some resources against the will of their holders, and tells of
-- them.
function M.take_away(keys, why, out)
  for _, id in ipairs(M.holders_of(keys)) do
    local e = M.get(id)
    M.tell_of(id, out)
    M.end_use(id, e, ENDING_UNKNOWN)
    M.drop(id, e)
    M.bury('!' .. (string.match(id, '^!delay:(.*)$') or string.sub(id, 2)), ENDED_BY_FREE .. why, ENDED_KEPT)
  end
end
