-- Disable: takes resources out of service.
-- ARGV: a name for this call; for how long, or 0; why it is taken from those who have
-- it, or nothing if they keep it; info; and the resources.
-- Reply: id, record and deadline of those who have them; the same again if the call is
-- repeated.

local call_name, length, why, info = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local keys = { unpack(ARGV, 5) }
M.begin({}, keys)
local out = M.answered(call_name)
if not out then
  out = {}
  for _, k in ipairs(keys) do
    if length == 0 then
      M.disable(k, info, FOR_EVER)
    elseif not M.outages()[k] then
      M.disable(k, info, M.next_outage(k, length))
    end
  end
  for _, k in ipairs(keys) do M.wake_all(k) end
  if why ~= '' then
    M.take_away(keys, why, out)
  else
    M.list_holders(keys, out)
  end
  for _, k in ipairs(keys) do
    for p in string.gmatch(M.at(k).pools, '(%d+):') do T.freed[p] = true end
  end
  M.answer(call_name, out)
end
M.serve_freed()
M.finish()
return out
