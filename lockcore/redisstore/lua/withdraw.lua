-- Withdraw: forgets a ticket, waiting or granted. The tombstone stops an Ask that
-- was sent before and comes later. ARGV: seed, id.

local id = ARGV[2]
open({ id })
reap()
local e = E[id]
if e and e.kind == 'W' then
  dismiss(id, e)
elseif e and (e.state == 'h' or e.state == 'g') then
  drop(id, e)
end
if not e or e.state ~= 'k' then bury(id, 'D', 60000000) end
serve_freed()
finish()
return 1
