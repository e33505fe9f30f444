-- take gives a lease a set of keys, all of them or none.
--
-- ARGV: id, attempt, void, ttl, delay, takes, look, lru, info, sweep, then what
-- take_first is for. Numbers that go into a record have 16 digits.
--
-- The attempts of a ticket have numbers. The client gave up those up to void: the
-- script drops what they left here. It refuses an attempt that the client undid
-- before it arrived.
--
-- Replies: 1 (given); {"given", endings} if the last use of a key ended otherwise
-- than as Released; {"no", leases in the way}; {"have", attempt, takes, info, endings}
-- if the ticket holds something else here.
local id, attempt, void, ttl, delay = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local takes, keys, lru, info = ARGV[6], ARGV[7], ARGV[8], ARGV[9]

if ARGV[10] ~= '' then sweep(ARGV[10]) end

local function given()
  local endings = last(takes)
  if #endings == 0 then return 1 end
  return {'given', endings}
end

local given_up = refused(id)
if given_up and given_up >= attempt then return {'no', {}} end

local mine = lease(id)
if mine then
  if mine.state == '1' then return {'no', look(keys, delay)} end
  if mine.attempt == attempt and left(id, 0) then
    if mine.state ~= '3' then mine.ends = now + ttl end
    store(id, mine)
    return given()
  end
  if mine.attempt > void and left(id, 0) then
    return {'have', digits(mine.attempt), mine.takes, mine.info, last(mine.takes)}
  end
  if mine.attempt > void then end_use(id, mine, expired(mine.state)) end
  drop(id, mine)
end

if place(id, {attempt = attempt, since = now, ends = now + ttl, state = '0', ttl = ttl, takes = takes, info = info}, delay) then
  return {'no', look(keys, delay)}
end
for _, key in each(lru) do
  redis.call('HSET', HELD, 'u' .. key, digits(now))
end
return given()
