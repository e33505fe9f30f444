-- free ends every lease that holds a key, whoever holds it. It does not enable what
-- is disabled.
--
-- ARGV: key, why, channel, life of a tombstone
-- Reply: {the leases ended}
local out, seen = {}, {}
for _, id in each(redis.call('HGET', HELD, 'k' .. ARGV[1]) or '') do
  local l = not seen[id] and left(id, 0) and lease(id)
  seen[id] = true
  if l and l.state ~= '4' then
    out[#out + 1] = describe(id, l)
    take_away(id, l, ARGV[2], tonumber(ARGV[4]), ARGV[3])
  end
end
return {out}
