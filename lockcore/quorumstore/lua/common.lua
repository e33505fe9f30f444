-- What every script of a server shares.
--
-- Two hashes hold a namespace. KEYS[1]:
--   "k" .. key  who holds the key, as a list of (mode, id)
--   "l" .. id   a lease: a head of fixed width, then #takes|takes info
--   "g" .. id   a tombstone: attempt, when it may go, why
--   "u" .. key  when the key was last taken under LeastRecentlyUsed
-- KEYS[2], by key: how its last use ended, if not as Released, see note_ending.
--
-- A key that is disabled is held, exclusively, by a lease "disabled:" .. key. That
-- lease is entered beside those who hold the key already, and stays when they go.
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
local HELD, ENDINGS = KEYS[1], KEYS[2]
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
--   3  reserved: it stays until its end without renewal. Its ttl is that end on the
--      clock of the client, for people to read
--   4  disabled: it keeps a key out of service
local function record(l)
  return digits(l.attempt) .. l.state .. digits(l.ends) .. digits(l.since) .. digits(l.ttl) .. #l.takes .. '|' .. l.takes .. l.info
end

local function parse(rec)
  local _, bar, n = string.find(rec, '^(%d+)|', 66)
  return {
    attempt = tonumber(string.sub(rec, 1, 16)), state = string.sub(rec, 17, 17),
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
-- that expired blocks them for delay more, unless its end was chosen (1, 3, 4).
local function remains(rec, delay)
  local over = tonumber(string.sub(rec, 18, 33))
  local state = string.sub(rec, 17, 17)
  if state == '0' or state == '2' then over = over + delay end
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

-- How the use of a key ended, as the digits of lockcore.Ending.
local RELEASED, DIED, UNKNOWN = '0', '2', '3'

-- An ending is: how, how many outages in a row (4 digits), when, the lease.
local function ending(key)
  local rec = redis.call('HGET', ENDINGS, key)
  if rec then
    return { how = string.sub(rec, 1, 1), outages = tonumber(string.sub(rec, 2, 5)), at = tonumber(string.sub(rec, 6, 21)), id = string.sub(rec, 22) }
  end
end

-- remember stores an ending, as of a moment. About 1,000 keys are remembered: one of the older
-- endings makes room.
local function remember(key, how, outages, id, at)
  if redis.call('HLEN', ENDINGS) >= 1000 and redis.call('HEXISTS', ENDINGS, key) == 0 then
    local some = redis.call('HSCAN', ENDINGS, 0, 'COUNT', 20)[2]
    local oldest, since = nil, nil
    for i = 1, #some, 2 do
      local when = string.sub(some[i + 1], 6, 21)
      if not since or when < since then oldest, since = some[i], when end
    end
    redis.call('HDEL', ENDINGS, oldest)
  end
  redis.call('HSET', ENDINGS, key, how .. string.format('%04d', math.min(outages, 9999)) .. digits(at) .. id)
end

-- note_ending remembers how the use of a key by a lease ended. A clean ending makes
-- up for what was known when that use began, and for what the lease itself did: it
-- may have expired and come back. It does not make up for what another holder of the
-- key did meanwhile. The take that found a holder dead noted that at the moment at
-- which the use began.
--
-- An exclusive use was over before any other that began later, though this server may
-- hear of its end last. So its ending is remembered as of its beginning:
--   lease A, which fails, is given back; the release is slow here
--   lease B is granted by the other servers, and used in order
--   here:    A's release arrives, then that of B, which makes up for it
local function note_ending(id, since, mode, key, how)
  local before = ending(key)
  if how ~= RELEASED then
    remember(key, how, before and before.outages or 0, id, mode == 'x' and since or now)
  elseif before and (before.at <= since or before.id == id) then
    redis.call('HDEL', ENDINGS, key)
  end
end

-- end_use notes how the use of all keys of a lease ended. The use of a kept lease
-- ended when it was kept, and that of a disabled key is none.
local function end_use(id, l, how)
  if l.state == '1' or l.state == '4' then return end
  for mode, key in each(l.takes) do note_ending(id, l.since, mode, key, how) end
end

-- end_missed notes how the use of keys ended by a lease that this server does not have:
-- the take has not arrived, or was refused. A holder that the keys have here beside
-- whom that use has no place came after it, and says how its own use ended.
local function end_missed(id, takes, since, how)
  for mode, key in each(takes) do
    if how == RELEASED or fits(mode, living(redis.call('HGET', HELD, 'k' .. key), 0)) then
      note_ending(id, since, mode, key, how)
    end
  end
end

-- expired is how the use of a lease ended whose time is over.
local function expired(state)
  if state == '3' then return UNKNOWN end
  return DIED
end

-- last lists how the last use of keys ended: key, how, key, how...
local function last(takes)
  local out = {}
  if redis.call('EXISTS', ENDINGS) == 0 then return out end
  for _, key in each(takes) do
    local e = ending(key)
    if e and e.how ~= RELEASED then
      out[#out + 1] = key
      out[#out + 1] = e.how
    end
  end
  return out
end

-- describe is a lease as snapshot and others report it: id, time left, age, state,
-- takes, info, ttl, attempt.
local function describe(id, l)
  return {id, digits(l.ends - now), digits(now - l.since), tonumber(l.state), l.takes, l.info, digits(l.ttl), digits(l.attempt)}
end

-- disabled is the lease that keeps a key out of service, or nil.
local function disabled(key)
  local id = 'disabled:' .. key
  local l = left(id, 0) and lease(id)
  if l and l.state == '4' then return id, l end
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

-- bury drops leases whose time is over.
local function bury(ended)
  for other in pairs(ended) do
    local o = lease(other)
    if o then
      end_use(other, o, expired(o.state))
      drop(other, o)
    end
  end
end

-- take_away ends a lease that somebody holds, and tells the holder why at its next
-- renewal.
local function take_away(id, l, why, life, channel)
  end_use(id, l, UNKNOWN)
  drop(id, l)
  tombstone(id, l.attempt, why, life)
  redis.call('PUBLISH', channel, digits(l.attempt) .. ' ' .. id)
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
  bury(ended)
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
      bury({[name] = true})
    elseif kind == 'g' and tonumber(string.sub(value, 17, 32)) < now then
      redis.call('HDEL', HELD, some[i])
    elseif kind == 'u' and tonumber(value) + 720 * hour < now then
      redis.call('HDEL', HELD, some[i])
    end
  end
end
