-- disable takes keys out of service, at once or after those who hold them.
--
-- ARGV: keys, attempt, "1" for at once, why, for how long or 0, channel, life of a
-- tombstone, then the info of each key
-- Reply: {those who hold the keys, or have lost them}
local attempt, at_once, why, hold, channel, life = tonumber(ARGV[2]), ARGV[3] == '1', ARGV[4], tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
local never, day = 8000000000000000, 86400 * 1000000

-- outage is for how long a key is out of service this time: twice as long as the
-- last time, unless it was used in order since; up to a day.
local function outage(key)
  local e = ending(key)
  local before = e and e.outages or 0
  remember(key, e and e.how or RELEASED, before + 1, e and e.id or '', now)
  local d = hold
  for _ = 1, before do
    if d >= day / 2 then return math.max(hold, day) end
    d = d * 2
  end
  return d
end

local out, seen, n = {{}}, {}, 7
for _, key in each(ARGV[1]) do
  n = n + 1
  local ended = {}
  for _, id in each(living(redis.call('HGET', HELD, 'k' .. key), 0, ended)) do
    local l = not seen[id] and lease(id)
    seen[id] = true
    if l and l.state ~= '4' then
      out[1][#out[1] + 1] = describe(id, l)
      if at_once then take_away(id, l, why, life, channel) end
    end
  end
  bury(ended)
  local id, l = disabled(key)
  if not l then
    id = 'disabled:' .. key
    l = {attempt = attempt, since = now, state = '4', ttl = 0, takes = entry('x', key)}
    redis.call('HSET', HELD, 'k' .. key, (redis.call('HGET', HELD, 'k' .. key) or '') .. entry('x', id))
    l.ends = hold > 0 and now + outage(key) or never
    l.info = ARGV[n]
  elseif hold == 0 then
    l.ends, l.info = never, ARGV[n]
  end
  store(id, l)
  records[id] = nil
  redis.call('PUBLISH', channel, 'disabled ' .. key)
end
return out
