-- Renew: extends and confirms leases. ARGV: id, ttl and token of each.
-- Reply, of each: empty, or T why, or M when there is no such lease: then its
-- holder may state its case (assert.lua); and the generation of the data.
--
-- The token tells apart two grants to one request: a holder that slept may have
-- lost its lease, and an Ask of its own that was long on the way have got it
-- another one, of other resources, which it knows nothing of.

local ids, out = {}, {}
for i = 1, #ARGV, 3 do ids[#ids + 1] = ARGV[i] end
M.begin(ids)
for i, id in ipairs(ids) do
  local e, ttl, token = T.entity[id], tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  out[i] = ''
  if e and (e.state == 'h' or e.state == 'g') then
    if e.token ~= token then
      M.drop(id, e)
      M.bury(id, 'D', 60000000)
      out[i] = 'T L'
    elseif not M.extend_outside(id, e, ttl) then
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
out[#ids + 1] = M.generation()
M.serve_freed()
M.finish()
return out
