-- Release: gives a lease back, or keeps it for a while without its holder.
-- ARGV: seed, id, keep, "q" if it shall be as if it had never been.
-- Reply: 1, or 0 when there is no such lease.

local id, keep_for = ARGV[2], tonumber(ARGV[3])
open({ id })
reap()
local e, done = E[id], 0
if e and (e.state == 'h' or e.state == 'g') then
  done = 1
  if keep_for > 0 then
    e.state = 'k'
    keep(id, e)
    deadline[id] = NOW + keep_for
    extend_outside(id, e, keep_for)
  else
    drop(id, e)
    if ARGV[4] ~= 'q' then bury(id, 'R', e.ttl + 10000000) end
    serve_freed()
  end
elseif e then
  -- A keep whose reply was lost is asked for again.
  if e.state == 'k' and keep_for > 0 then done = 1 end
elseif call('GET', BASE .. 't:' .. id) == 'R' then
  done = 1
end
finish()
return done
