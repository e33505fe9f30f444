-- Enable: puts resources back into service.
-- ARGV: a name for this call, and the resources.
-- Reply: id, record and deadline of what kept them out; the same again if the call is
-- repeated.

local keys = { unpack(ARGV, 2) }
M.begin({}, keys)
local out = M.answered(ARGV[1])
if not out then
  out = {}
  for _, k in ipairs(keys) do
    local id = M.disabled_id(k)
    if M.get(id) then
      M.tell_of(id, out)
      M.enable(k)
      M.forget_outages(k)
    end
  end
  M.answer(ARGV[1], out)
end
M.serve_freed()
M.finish()
return out
