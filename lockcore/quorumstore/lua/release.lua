-- release ends a lease and publishes that, or keeps its keys aside for a while.
--
-- ARGV: id, attempt, keep, channel, life of a tombstone, refuse, how the use ended
-- ("" if there was none), why, takes, age of the use, then what release_first is for.
-- takes and age are "" where the client does not know since when the lease is held.
-- Reply: 1 if the lease was there, else 0; plus 2 for each subscriber
--
-- release leaves a tombstone if the take that it undoes has not arrived, or if refuse
-- is "1", because a renewal may still be on its way. If refuse is "2" it does nothing
-- else, and that only where the lease is not there. If refuse is "3", the client does
-- not know the attempt, and a lease that is there is the one that it means. A use that did not end as Released
-- leaves one too: the release may be repeated, and the key be used again meanwhile.
local id, attempt, keep, refuse, how, takes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[6], ARGV[7], ARGV[9]
local age = tonumber(ARGV[10])
local l = lease(id)
local told = (refused(id) or 0) >= attempt
local missed = not l or l.attempt < attempt and refuse ~= '3'
if l and refuse == '2' then return 0 end
if missed or refuse == '1' or keep == 0 and age and how ~= RELEASED then
  tombstone(id, attempt, ARGV[8], tonumber(ARGV[5]))
end
if l and (l.state == '1' or l.attempt > attempt) then return 0 end
local live = l and l.ends > now
local other = l and takes ~= '' and l.takes ~= takes -- an earlier attempt, whose undoing has not arrived
if not l or other then
  if l then drop(id, l) end
  if age and not told then end_missed(id, takes, now - age, how) end
  if not l then return 0 end
  return 2 * redis.call('PUBLISH', ARGV[4], digits(l.attempt) .. ' ' .. id)
end
-- The word of the holder counts, though the lease may have expired here: a renewal
-- that revived it on other servers may come later than this.
if how ~= '' then end_use(id, l, how) end
if keep > 0 and live then
  l.state, l.ends = '1', now + keep
  store(id, l)
  return 1
end
drop(id, l)
local listeners = redis.call('PUBLISH', ARGV[4], digits(l.attempt) .. ' ' .. id)
return 2 * listeners + (live and 1 or 0)
