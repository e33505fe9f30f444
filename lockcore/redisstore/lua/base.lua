-- Names, the clock, and calls with many arguments.
--
-- Every key of a namespace carries one hash tag and so lives in one slot:
--   ent   hash   id -> lease or waiter; "#" -> counters      (records.lua)
--   key   hash   resource -> who has it, which pools list it (keys.lua)
--   due   zset   id -> moment at which the lease or waiter is over
--   reg   hash   pools and classes of waiters                (registry.lua)
--   list  hash   pool -> its candidates
--   av:N  zset   vacant resources of pool N, by place in its list
--   so:N  zset   taken resources of pool N that somebody could still join
--   q:N   zset   waiters of class N, by rank
--   dom:N set    classes and pools that compete with each other
--   used  hash   resource -> last use under the choice "least recently used"
--   nest  hash   waiter that holds leases meanwhile -> its class
--   u:N   string marks that the long pool N is in use; expires by itself
--   f:ID  list   reply of a Free, for a repeated call; expires by itself
--   t:ID  string why the lease or ticket ID is no more; expires by itself
-- Moments and durations are microseconds: exact in a double until 2255.

local ENT, KEY, DUE = KEYS[1], KEYS[2], KEYS[3]
local BASE = string.sub(ENT, 1, -4)
local call, fmt, sub = redis.call, string.format, string.sub
local smatch, gmatch, insert, concat = string.match, string.gmatch, table.insert, table.concat

-- Read once: in Redis 7.0 the clock advances while a script runs.
local TIME = call('TIME')
local NOW = TIME[1] * 1000000 + TIME[2]

local SEED = tonumber(ARGV[1]) -- of the choice among free resources

local PROVISIONAL = 5000000 -- how long a grant made to a waiter stands unconfirmed
local LEVEL = 60000000      -- what a level of priority is worth in waiting

-- tostring would round what has more than 14 digits.
local function int(n) return fmt('%.0f', n) end

-- unpack fails at some thousands of values. Even, so that pairs stay together.
local CHUNK = 1000

local function read(hash, fields)
  local n = #fields
  if n == 0 then return {} end
  if n <= CHUNK then return call('HMGET', hash, unpack(fields)) end
  local out = {}
  for i = 1, n, CHUNK do
    local part = call('HMGET', hash, unpack(fields, i, math.min(i + CHUNK - 1, n)))
    for j = 1, #part do out[i + j - 1] = part[j] end
  end
  return out
end

local function write(cmd, key, args)
  for i = 1, #args, CHUNK do
    call(cmd, key, unpack(args, i, math.min(i + CHUNK - 1, #args)))
  end
end

local function words(s)
  local out = {}
  for w in gmatch(s, '%S+') do out[#out + 1] = w end
  return out
end

local function seats_of(mode) return tonumber(smatch(mode, '^n(%d+)') or 0) end

-- concat of any number of strings; some interpreters push them all at once.
local function glue(list, sep)
  if #list <= CHUNK then return concat(list, sep) end
  local parts = {}
  for i = 1, #list, CHUNK do
    parts[#parts + 1] = concat(list, sep, i, math.min(i + CHUNK - 1, #list))
  end
  return concat(parts, sep)
end
