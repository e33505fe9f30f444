-- Extend: moves the end of a reservation to a time from now, unless it ends later
-- anyway. ARGV: id, time. Reply: the end, or nothing if there is no such reservation.

local id, length = ARGV[1], tonumber(ARGV[2])
M.begin({ id })
local e, at = T.entity[id], ''
if e and e.state == STATE_RESERVED then
  local ends = call('ZSCORE', DUE, id) or 0 -- no difference: what is reserved has an end
  at = math.max(tonumber(ends), NOW + length)
  T.deadline[id] = at
  M.extend_outside(id, e, at - NOW)
  at = M.int(at)
end
M.finish()
return at
