-- What every script of a server shares.
--
-- One hash holds a namespace, KEYS[1]:
--   "k" .. key  who holds the key, as a list of (mode, id)
--   "l" .. id   a lease: a head of fixed width, then #takes|takes info
--   "g" .. id   a tombstone: attempt, when it may go, why
--   "u" .. key  when the key was last taken under LeastRecentlyUsed
--
-- A list is a string of "<mode>,<length>:<name>": safe for any bytes in a name,
-- and parsed here without a library. Modes are x (exclusive), s (shared) and
-- n<seats>.
--
-- The record of a lease that expired stays until somebody takes one of its keys;
-- until then it blocks nobody. So expiry costs nothing, and a late renewal finds
-- the record exactly when nothing was granted on its keys in between:
--   12:00:00  lease A on key k expires; its record stays
--   12:00:01  A's renewal arrives: the record is there, so A goes on
--   or: lease B takes k, which drops A's record; A's renewal learns that A is lost
--
-- Moments are microseconds on this server's clock, read once; durations come
-- from the client. All numbers in a record have 16 digits, so that taking it
-- apart needs no pattern: most of the time of a script goes into strings.
local HELD = KEYS[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

local function digits(n) return string.format('%016.0f', n) end

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

-- A record is attempt, state, ends, since, ttl, #takes|takes info. The states:
--   0  the server granted the lease, or took it in with a renewal that succeeded
--   1  kept: the lease was given back, its keys stay aside for a chosen time
--   2  provisional: the server took the lease in with a renewal, and does not know
--      yet whether a majority confirmed that renewal
local function record(l)
  return digits(l.attempt) .. (l.kept and '1' or l.provisional and '2' or '0') .. digits(l.ends) .. digits(l.since) .. digits(l.ttl) .. #l.takes .. '|' .. l.takes .. l.info
end

local function parse(rec)
  local _, bar, n = string.find(rec, '^(%d+)|', 66)
  return {
    attempt = tonumber(string.sub(rec, 1, 16)), kept = string.sub(rec, 17, 17) == '1', provisional = string.sub(rec, 17, 17) == '2',
    ends = tonumber(string.sub(rec, 18, 33)), since = tonumber(string.sub(rec, 34, 49)), ttl = tonumber(string.sub(rec, 50, 65)),
    takes = string.sub(rec, bar + 1, bar + n), info = string.sub(rec, bar + n + 1),
  }
end

local function lease(id)
  local rec = redis.call('HGET', HELD, 'l' .. id)
  return rec and parse(rec) or nil
end

local function store(id, l)
  redis.call('HSET', HELD, 'l' .. id, record(l))
end

-- remains is how long a lease still blocks others, or nil if it does not. A lease
-- that expired, and was not kept for a chosen time, blocks them for delay more.
local function remains(rec, delay)
  local over = tonumber(string.sub(rec, 18, 33))
  if string.sub(rec, 17, 17) ~= '1' then over = over + delay end
  if over > now then return over - now end
end

-- left is the same, for the lease with an id.
local records = {}
local function left(id, delay)
  if records[id] == nil then records[id] = redis.call('HGET', HELD, 'l' .. id) end
  return records[id] and remains(records[id], delay)
end

-- living is a list of holders without those whose lease ended. It enters these in
-- the table ended, if there is one.
local function living(list, delay, ended)
  if not list then return '' end
  local out = {}
  for mode, id in each(list) do
    if left(id, delay) then
      out[#out + 1] = entry(mode, id)
    elseif ended then
      ended[id] = true
    end
  end
  return table.concat(out)
end

-- fits says whether one more unit in the mode goes beside the holders: the rule of
-- lockcore/internal/modes, which a test compares it to.
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
      local field, rest = 'k' .. key, {}
      for mode, holder in each(redis.call('HGET', HELD, field) or '') do
        if holder ~= id then rest[#rest + 1] = entry(mode, holder) end
      end
      if #rest == 0 then
        redis.call('HDEL', HELD, field)
      else
        redis.call('HSET', HELD, field, table.concat(rest))
      end
    end
  end
  redis.call('HDEL', HELD, 'l' .. id)
  records[id] = false
end

-- tombstone has the server refuse a lease for a while. A request that the client
-- gave up can arrive after the client undid it:
--   client: take lease A       (slow, still in the network)
--   client: release lease A    (arrives first, and leaves a tombstone)
--   server: take lease A       (arrives now, and is refused)
local function tombstone(id, attempt, why, life)
  local old = redis.call('HGET', HELD, 'g' .. id)
  if old and tonumber(string.sub(old, 1, 16)) > attempt then return end
  redis.call('HSET', HELD, 'g' .. id, digits(attempt) .. digits(now + life) .. why)
end

-- refused returns up to which attempt a lease is refused, and why, or nil.
local function refused(id)
  local stone = redis.call('HGET', HELD, 'g' .. id)
  if stone and tonumber(string.sub(stone, 17, 32)) > now then
    return tonumber(string.sub(stone, 1, 16)), string.sub(stone, 33)
  end
end

-- place enters a lease if all its takes fit. If one does not, it changes nothing
-- and returns that key and its holders.
local function place(id, l, delay)
  local holders, ended = {}, {}
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
  store(id, l)
end

-- leases walks the ids and records of all that have not ended.
local function leases(delay)
  local all = redis.call('HGETALL', HELD)
  local i = -1
  return function()
    repeat
      i = i + 2
      if i > #all then return nil end
    until string.sub(all[i], 1, 1) == 'l' and remains(all[i + 1], delay)
    return string.sub(all[i], 2), all[i + 1]
  end
end

-- look reports leases as a flat list of id, attempt, time left, takes. It reports
-- those on the keys of the list, or for "*" all leases of the namespace.
local function look(keys, delay)
  local out, seen = {}, {}
  local function report(id, rec)
    local l, n = parse(rec), #out
    out[n + 1], out[n + 2], out[n + 3], out[n + 4] = id, digits(l.attempt), digits(remains(rec, delay)), l.takes
  end
  if keys == '*' then
    for id, rec in leases(delay) do report(id, rec) end
    return out
  end
  for _, key in each(keys) do
    for _, id in each(redis.call('HGET', HELD, 'k' .. key) or '') do
      if not seen[id] and left(id, delay) then
        seen[id] = true
        report(id, records[id])
      end
    end
  end
  return out
end

-- sweep drops some records that are of no use any more: leases that expired over an
-- hour ago, tombstones that are over, and last uses older than a month. It starts at
-- a random cursor, so that it comes to every record in time.
local function sweep(cursor)
  local hour = 3600 * 1000000
  local some = redis.call('HSCAN', HELD, cursor, 'COUNT', 10)[2]
  for i = 1, #some, 2 do
    local kind, name, value = string.sub(some[i], 1, 1), string.sub(some[i], 2), some[i + 1]
    if kind == 'l' and tonumber(string.sub(value, 18, 33)) + hour < now then
      drop(name, parse(value))
    elseif kind == 'g' and tonumber(string.sub(value, 17, 32)) < now then
      redis.call('HDEL', HELD, some[i])
    elseif kind == 'u' and tonumber(value) + 720 * hour < now then
      redis.call('HDEL', HELD, some[i])
    end
  end
end
