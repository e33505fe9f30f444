-- Free: takes a resource from its holders, with everything else that they hold.
-- ARGV: resource, why, a name for this call.
-- Reply: id, record and deadline of each; the same again if the call is repeated.

local k, why = ARGV[1], ARGV[2]
M.begin({})
local out = M.answered(ARGV[3]) or {}
if not out[1] then -- no difference: of each holder there are three
  M.take_away({ k }, why, out)
  local outside = M.free_outside(k)
  if outside then
    out[#out + 1] = outside
    out[#out + 1] = ''
    out[#out + 1] = '0'
  end
  M.answer(ARGV[3], out)
end
M.serve_freed()
M.finish()
return out
