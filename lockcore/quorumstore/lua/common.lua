-- What every script of a server begins with.
--
-- One hash and one sorted set hold a namespace:
--   KEYS[1]  hash: "k" .. key -> who holds the key, as a list of (mode, id)
--                  "l" .. id  -> the lease: attempt|since|kept|ttl|#takes|takes info
--   KEYS[2]  sorted set: id -> when the lease ends, in microseconds
--   KEYS[3]  prefix of the tombstones: prefix .. id -> "attempt why"
--   KEYS[4]  hash: key -> when it was last taken under LeastRecentlyUsed
--
-- A list is a string of "<mode>,<length>:<name>": safe for any bytes in a name,
-- and parsed here without a library. Modes are x (exclusive), s (shared) and
-- n<seats>.
--
-- A lease that ended stays where it is until somebody takes one of its keys, and
-- only counts for nothing. So ending costs nothing, and a late renewal finds its
-- lease if, and only if, nothing was granted on its keys in between.
--
-- Moments are microseconds on this server's clock, read once; durations come
-- from the client. They are formatted with %.0f, because tostring would round.
local HELD, ENDS, GONE, USED = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

local function digits(n) return string.format('%.0f', n) end

local function entry(mode, name) return mode .. ',' .. #name .. ':' .. name end

-- each walks a list.
local function each(list)
  local at = 1
  return function()
    if at > #list then return nil end
    local _, colon, mode, n = string.find(list, '^(%a%d*),(%d+):', at)
    at = colon + n + 1
    return mode, string.sub(list, colon + 1, at - 1)
  end
end

local function lease(id)
  local rec = redis.call('HGET', HELD, 'l' .. id)
  if not rec then return nil end
  local _, e, attempt, since, kept, ttl, n = string.find(rec, '^(%d+)|(%d+)|([01])|(%d+)|(%d+)|')
  return {
    attempt = tonumber(attempt), since = tonumber(since), kept = kept == '1', ttl = tonumber(ttl),
    takes = string.sub(rec, e + 1, e + n), info = string.sub(rec, e + n + 1),
  }
end

local function record(l)
  return digits(l.attempt) .. '|' .. digits(l.since) .. '|' .. (l.kept and '1' or '0') .. '|' .. digits(l.ttl) .. '|' .. #l.takes .. '|' .. l.takes .. l.info
end

-- left is how long a lease still blocks others, or nil; delay keeps the keys of
-- one that ended aside for a while.
local ends = {}
local function left(id, delay)
  local at = ends[id]
  if at == nil then
    at = tonumber(redis.call('ZSCORE', ENDS, id) or 0)
    ends[id] = at
  end
  if at + delay > now then return at + delay - now end
end

-- living is a list of holders without those whose lease ended; these are noted
-- in ended, if given.
local function living(list, delay, ended)
  if not list then return '' end
  local out = ''
  for mode, id in each(list) do
    if left(id, delay) then
      out = out .. entry(mode, id)
    elseif ended then
      ended[id] = true
    end
  end
  return out
end

-- fits says whether one more unit in the mode goes beside the holders.
local function fits(mode, holders)
  if holders == '' then return true end
  local shared, seats, least = 0, 0, nil
  for m in each(holders) do
    if m == 'x' then return false end
    if m == 's' then
      shared = shared + 1
    else
      local n = tonumber(string.sub(m, 2))
      seats = seats + 1
      if not least or n < least then least = n end
    end
  end
  if mode == 's' then return seats == 0 end
  if mode == 'x' or shared > 0 then return false end
  return seats < math.min(least, tonumber(string.sub(mode, 2)))
end

-- drop takes a lease out, whatever its state.
local function drop(id, l)
  local seen = {}
  for _, key in each(l.takes) do
    if not seen[key] then
      seen[key] = true
      local field, rest = 'k' .. key, ''
      for mode, holder in each(redis.call('HGET', HELD, field) or '') do
        if holder ~= id then rest = rest .. entry(mode, holder) end
      end
      if rest == '' then
        redis.call('HDEL', HELD, field)
      else
        redis.call('HSET', HELD, field, rest)
      end
    end
  end
  redis.call('HDEL', HELD, 'l' .. id)
  redis.call('ZREM', ENDS, id)
  ends[id] = 0
end

-- tombstone refuses, for a while, what may still be on its way: a question that
-- the client has given up may arrive after its undoing.
local function tombstone(id, attempt, why, ms)
  redis.call('SET', GONE .. id, digits(attempt) .. ' ' .. why, 'PX', digits(ms))
end

local function buried(id)
  local stone = redis.call('GET', GONE .. id)
  if not stone then return nil end
  local attempt, why = string.match(stone, '^(%d+) (.*)$')
  return tonumber(attempt), why
end

-- place looks whether all takes of a lease fit, and enters them if they do;
-- else it returns the key that does not, and its holders.
local function place(id, l, delay, ended)
  local holders = {}
  for mode, key in each(l.takes) do
    local list = holders[key] or living(redis.call('HGET', HELD, 'k' .. key), delay, ended)
    if not fits(mode, list) then return key, list end
    holders[key] = list .. entry(mode, id)
  end
  for other in pairs(ended) do
    local o = lease(other)
    if o then drop(other, o) end
  end
  for key, list in pairs(holders) do
    redis.call('HSET', HELD, 'k' .. key, list)
  end
  redis.call('HSET', HELD, 'l' .. id, record(l))
  redis.call('ZADD', ENDS, digits(now + l.ttl), id)
end

-- look reports leases as a flat list of id, attempt, time left, takes: those on
-- the keys of the list, or all of the namespace for "*".
local function look(keys, delay)
  local ids, out = {}, {}
  if keys == '*' then
    ids = redis.call('ZRANGEBYSCORE', ENDS, '(' .. digits(now - delay), '+inf')
  else
    local seen = {}
    for _, key in each(keys) do
      for _, id in each(redis.call('HGET', HELD, 'k' .. key) or '') do
        if not seen[id] and left(id, delay) then
          seen[id] = true
          ids[#ids + 1] = id
        end
      end
    end
  end
  for _, id in ipairs(ids) do
    local l = lease(id)
    if l then
      out[#out + 1] = id
      out[#out + 1] = digits(l.attempt)
      out[#out + 1] = digits(left(id, delay))
      out[#out + 1] = l.takes
    end
  end
  return out
end
