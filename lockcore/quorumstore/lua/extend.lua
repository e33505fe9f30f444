-- extend moves the end of a reservation to a later moment.
--
-- ARGV: id, time from now, the new end on the client's clock
-- Reply: {reservations}: one, or none
local id, hold = ARGV[1], tonumber(ARGV[2])
local l = left(id, 0) and lease(id)
if not l or l.state ~= '3' then return {{}} end
if now + hold > l.ends then
  l.ends, l.ttl = now + hold, tonumber(ARGV[3])
  store(id, l)
end
return {{describe(id, l)}}
