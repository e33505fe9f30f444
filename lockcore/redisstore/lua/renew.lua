-- Renew: extends and confirms leases. ARGV: id and ttl of each.
-- Reply, of each: empty, or T why, or M when there is no such lease: then its
-- holder may state its case (assert.lua).

local ids, out = {}, {}
for i = 1, #ARGV, 2 do ids[#ids + 1] = ARGV[i] end
M.open(ids)
M.reap()
for i, id in ipairs(ids) do
  local e, ttl = T.entity[id], tonumber(ARGV[2 * i])
  out[i] = ''
  if e and (e.state == 'h' or e.state == 'g') then
    if not M.extend_outside(id, e, ttl) then
      M.drop(id, e)
      M.bury(id, 'O', 3600000000)
      out[i] = 'T O'
    elseif e.state == 'g' then
      e.state = 'h'
      M.put(id, e, NOW + ttl)
    else
      T.deadline[id] = NOW + ttl
    end
  elseif e and e.state == 'k' then
    out[i] = 'T R'
  else
    out[i] = T.buried[id] and 'T ' .. T.buried[id] or 'M'
  end
end
M.serve_freed()
M.finish()
return out
