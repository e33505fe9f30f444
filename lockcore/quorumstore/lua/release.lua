-- release ends a lease and publishes that, or keeps its keys aside for a while.
--
-- ARGV: id, attempt, keep, channel, life of a tombstone, refuse, how the use ended
-- ("" if there was none), then what release_first is for
-- Reply: 1 if the lease was there, else 0; plus 2 for each subscriber
--
-- release leaves a tombstone in two cases: the take that it undoes has not arrived,
-- or refuse is "1", because a renewal may still be on its way.
local id, attempt, keep = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local l = lease(id)
if not l or ARGV[6] == '1' then tombstone(id, attempt, 'it was given back', tonumber(ARGV[5])) end
if not l or l.state == '1' or l.attempt > attempt then return 0 end
local live = l.ends > now
-- The word of the holder counts, though the lease may have expired here: a renewal
-- that revived it on other servers may come later than this.
if ARGV[7] ~= '' then end_use(id, l, ARGV[7]) end
if keep > 0 and live then
  l.state, l.ends = '1', now + keep
  store(id, l)
  return 1
end
drop(id, l)
local listeners = redis.call('PUBLISH', ARGV[4], digits(l.attempt) .. ' ' .. id)
return 2 * listeners + (live and 1 or 0)
