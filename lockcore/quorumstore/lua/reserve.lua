-- reserve makes a lease that the ticket has just been granted a reservation, which
-- stays until its end without renewal. Repeated, it moves no end.
--
-- ARGV: id, attempt, hold, end on the client's clock, delay, join, takes, info. With
-- join "1", a server that does not have the lease takes it in: while the lease
-- stands nobody else can have a majority.
-- Reply: 1 if it is reserved, else 0
local id, attempt, hold = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local l = lease(id)
if l and (not left(id, 0) or l.attempt ~= attempt) then l = nil end
if not l and ARGV[6] == '1' and (refused(id) or 0) < attempt then
  l = {attempt = attempt, since = now, ends = now + hold, state = '0', ttl = 0, takes = ARGV[7], info = ARGV[8]}
  if place(id, l, tonumber(ARGV[5])) then return 0 end
end
if not l then return 0 end
if l.state == '3' then return 1 end
if l.state == '1' then return 0 end
l.state, l.ends, l.ttl = '3', now + hold, tonumber(ARGV[4])
store(id, l)
return 1
