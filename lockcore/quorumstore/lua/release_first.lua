-- The common case first, before the functions of common.lua are made: all keys are
-- exclusive, this attempt holds all of them, and there are no endings to change.
-- ARGV[11] is the ticket as an entry in a list of holders; the fields of the keys
-- follow.
if #ARGV > 11 then
  local known = redis.call('HMGET', KEYS[1], 'l' .. ARGV[1], unpack(ARGV, 12))
  local mine = known[1] and string.sub(known[1], 1, 17) == ARGV[2] .. '0'
  for i = 2, #known do
    if known[i] ~= ARGV[11] then
      mine = false
      break
    end
  end
  local t = redis.call('TIME')
  mine = mine and tonumber(string.sub(known[1], 18, 33)) > t[1] * 1000000 + t[2] and redis.call('EXISTS', KEYS[2]) == 0
  if mine then
    redis.call('HDEL', KEYS[1], 'l' .. ARGV[1], unpack(ARGV, 12))
    local listeners = redis.call('PUBLISH', ARGV[4], ARGV[2] .. ' ' .. ARGV[1])
    return 2 * listeners + 1
  end
end
