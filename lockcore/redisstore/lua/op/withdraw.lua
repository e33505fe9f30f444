-- Withdraw: forgets a ticket, waiting or granted. The tombstone stops an Ask that
-- was sent before and comes later. ARGV: id.

local id = ARGV[1]
M.begin({ id })
local e = T.entity[id]
if e and e.kind == 'W' then
  M.dismiss(id, e)
elseif M.stands(e) then
  M.drop(id, e)
end
if not e or e.state ~= STATE_KEPT then M.bury(id, ENDED_WITHDRAWN, WITHDRAWAL_KEPT) end
M.serve_freed()
M.finish()
return 1 -- no difference: nobody reads it
