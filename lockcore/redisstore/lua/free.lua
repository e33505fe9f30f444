-- Free: takes a resource from its holders, with everything else that they hold.
-- ARGV: seed, resource, why, a name for this call.
-- Reply: id, record and deadline of each; the same again if the call is repeated.

local k, why, nonce = ARGV[2], ARGV[3], ARGV[4]
open({})
reap()
local again = call('LRANGE', BASE .. 'f:' .. nonce, 0, -1)
if again[1] then
  finish()
  return again
end
local out = {}
for _, h in ipairs({ unpack(at(k).holds) }) do
  local e = entity(h.id)
  if e then
    out[#out + 1] = h.id
    out[#out + 1] = encode(e)
    out[#out + 1] = call('ZSCORE', DUE, h.id) or '0'
    drop(h.id, e)
    bury(smatch(h.id, '^delay:(.*)$') or h.id, 'F' .. why, 3600000000)
  end
end
local outside = free_outside(k)
if outside then
  out[#out + 1] = outside
  out[#out + 1] = ''
  out[#out + 1] = '0'
end
if out[1] then
  write('RPUSH', BASE .. 'f:' .. nonce, out)
  call('PEXPIRE', BASE .. 'f:' .. nonce, 60000)
end
serve_freed()
finish()
return out
