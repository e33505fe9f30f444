-- free ends every lease that holds a key, whoever holds it.
--
-- ARGV: key, why, channel, life of a tombstone
-- Reply: the leases ended, as in snapshot
local out, seen = {}, {}
for _, id in each(redis.call('HGET', HELD, 'k' .. ARGV[1]) or '') do
  local l = not seen[id] and left(id, 0) and lease(id)
  seen[id] = true
  if l then
    out[#out + 1] = {id, digits(l.ends - now), digits(now - l.since), l.kept and 1 or 0, l.takes, l.info}
    drop(id, l)
    tombstone(id, l.attempt, ARGV[2], tonumber(ARGV[4]))
    redis.call('PUBLISH', ARGV[3], digits(l.attempt) .. ' ' .. id)
  end
end
return out
