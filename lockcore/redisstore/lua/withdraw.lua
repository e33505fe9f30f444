-- Withdraw: forgets a ticket, waiting or granted. The tombstone stops an Ask that
-- was sent before and comes later. ARGV: id.

local id = ARGV[1]
M.begin({ id })
local e = T.entity[id]
if e and e.kind == 'W' then
  M.dismiss(id, e)
elseif e and (e.state == 'h' or e.state == 'g') then
  M.drop(id, e)
end
if not e or e.state ~= 'k' then M.bury(id, 'D', 60000000) end
M.serve_freed()
M.finish()
return 1
