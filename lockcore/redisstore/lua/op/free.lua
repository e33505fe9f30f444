-- Free: takes a resource from its holders, with everything else that they hold.
-- ARGV: resource, why, a name for this call.
-- Reply: id, record and deadline of each; the same again if the call is repeated.

local k, why, nonce = ARGV[1], ARGV[2], ARGV[3]
M.reap()
local out = call('LRANGE', BASE .. 'f:' .. nonce, 0, -1)
if not out[1] then
  for _, h in ipairs({ unpack(M.at(k).holds) }) do
    local e = M.get(h.id)
    if e then
      out[#out + 1] = h.id
      out[#out + 1] = M.encode(e)
      out[#out + 1] = call('ZSCORE', DUE, h.id) or '0'
      M.drop(h.id, e)
      M.bury('!' .. (string.match(h.id, '^!delay:(.*)$') or string.sub(h.id, 2)), ENDED_BY_HAND .. why, ENDED_KEPT)
    end
  end
  local outside = M.free_outside(k)
  if outside then
    out[#out + 1] = outside
    out[#out + 1] = ''
    out[#out + 1] = '0'
  end
  if out[1] then
    M.write('RPUSH', BASE .. 'f:' .. nonce, out)
    call('PEXPIRE', BASE .. 'f:' .. nonce, REPLY_KEPT_MS)
  end
end
M.serve_freed()
M.finish()
return out
