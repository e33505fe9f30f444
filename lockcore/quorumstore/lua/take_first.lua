-- The common case first, before the functions of common.lua are made: all keys are
-- exclusive and free, and this server knows nothing of the ticket. ARGV[11] is then
-- the ticket as an entry in a list of holders; the fields of the keys follow.
if #ARGV > 11 then
  local known = redis.call('HMGET', KEYS[1], 'l' .. ARGV[1], 'g' .. ARGV[1], unpack(ARGV, 12))
  local free = true
  for i = 1, #known do
    if known[i] then
      free = false
      break
    end
  end
  free = free and redis.call('EXISTS', KEYS[2]) == 0 -- else the reply may have to tell of endings
  if free then
    local t = redis.call('TIME')
    local at = t[1] * 1000000 + t[2]
    local set = {}
    for i = 12, #ARGV do
      set[#set + 1] = ARGV[i]
      set[#set + 1] = ARGV[11]
    end
    redis.call('HSET', KEYS[1], 'l' .. ARGV[1],
      string.format('%s0%016.0f%016.0f%s%d|', ARGV[2], at + ARGV[4], at, ARGV[4], #ARGV[6]) .. ARGV[6] .. ARGV[9], unpack(set))
    return 1
  end
end
