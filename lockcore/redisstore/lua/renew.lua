-- Renew: extends and confirms leases. ARGV: seed, then id and ttl of each.
-- Reply, of each: empty, or T why, or M when there is no such lease: then its
-- holder may state its case (assert.lua).

local ids, out = {}, {}
for i = 2, #ARGV, 2 do ids[#ids + 1] = ARGV[i] end
open(ids)
reap()
for i, id in ipairs(ids) do
  local e, ttl = E[id], tonumber(ARGV[2 * i + 1])
  if e and (e.state == 'h' or e.state == 'g') then
    if extend_outside(id, e, ttl) then
      if e.state == 'g' then
        e.state = 'h'
        keep(id, e)
      end
      deadline[id] = NOW + ttl
      out[i] = ''
    else
      drop(id, e)
      out[i] = 'T O'
    end
  elseif e and e.state == 'k' then
    out[i] = 'T R'
  else
    local why = not e and call('GET', BASE .. 't:' .. id)
    out[i] = why and 'T ' .. why or 'M'
  end
end
serve_freed()
finish()
return out
