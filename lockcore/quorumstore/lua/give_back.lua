-- give_back gives back some keys of a reservation, as Released. The rest of it goes
-- on as another attempt: those who learn that the old one ended do not take the rest
-- for free.
--
-- ARGV: id, takes, new attempt, rest of the takes, info of the rest, channel, life of
-- a tombstone, age of the use
-- Reply: 1 if it is done, else 0
local id, takes, attempt, rest = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local l = left(id, 0) and lease(id)
local function end_rest(since)
  local stays = {}
  for _, key in each(rest) do stays[key] = true end
  for mode, key in each(takes) do
    if not stays[key] then note_ending(id, since, mode, key, RELEASED) end
  end
end
if not l then
  tombstone(id, attempt - 1, 'it was given back', tonumber(ARGV[7]))
  end_rest(now - tonumber(ARGV[8]))
  return 0
end
if l.state ~= '3' then return 0 end
if l.takes == rest then return 1 end
if l.takes ~= takes then return 0 end
end_rest(l.since)
local old = l.attempt
drop(id, l)
l.attempt, l.takes, l.info = attempt, rest, ARGV[5]
for mode, key in each(rest) do
  redis.call('HSET', HELD, 'k' .. key, (redis.call('HGET', HELD, 'k' .. key) or '') .. entry(mode, id))
end
store(id, l)
redis.call('PUBLISH', ARGV[6], digits(old) .. ' ' .. id)
return 1
