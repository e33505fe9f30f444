-- look says who is in the way, and when keys were last used.
--
-- ARGV: delay, keys ("*" for all), lru
-- Reply: {leases, last uses in the order of lru}
local used = {}
for _, key in each(ARGV[3]) do
  used[#used + 1] = redis.call('HGET', HELD, 'u' .. key) or '0'
end
return {look(ARGV[2], tonumber(ARGV[1])), used}
