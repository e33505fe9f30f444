-- take gives a lease a set of keys, all of them or none.
--
-- ARGV: id, attempt, void, ttl, delay, takes, look, lru, info
--
-- Attempts of one ticket are numbered: those up to void were given up, so what
-- is left of them here goes first, and one that was undone while it was still on
-- its way is refused. Replies: {"yes"}; {"no", leases in the way}; {"have",
-- attempt, takes, info} when the ticket holds something else here.
local id, attempt, void, ttl, delay = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local takes, keys, lru, info = ARGV[6], ARGV[7], ARGV[8], ARGV[9]

local given_up = buried(id)
if given_up and given_up >= attempt then return {'no', {}} end

local mine = lease(id)
if mine then
  if mine.kept then return {'no', look(keys, delay)} end
  if mine.attempt == attempt and left(id, 0) then
    redis.call('ZADD', ENDS, digits(now + ttl), id)
    return {'yes'}
  end
  if mine.attempt > void and left(id, 0) then
    return {'have', digits(mine.attempt), mine.takes, mine.info}
  end
  drop(id, mine)
end

local ended = {}
if place(id, {attempt = attempt, since = now, kept = false, ttl = ttl, takes = takes, info = info}, delay, ended) then
  return {'no', look(keys, delay)}
end
for _, key in each(lru) do
  redis.call('HSET', USED, key, digits(now))
end

-- Leases that nobody renewed and whose keys nobody wants would stay for ever.
local hour = 3600 * 1000000
for _, old in ipairs(redis.call('ZRANGEBYSCORE', ENDS, '-inf', digits(now - delay - hour), 'LIMIT', 0, 5)) do
  local l = lease(old)
  if l then drop(old, l) else redis.call('ZREM', ENDS, old) end
end
return {'yes'}
