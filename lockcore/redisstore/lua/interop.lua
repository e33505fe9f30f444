-- Interop with programs that use python-redis-lock: a resource is locked for
-- them, and by them, by a key "lock:RESOURCE". Ours hold the id of a lease.
-- Somebody else's is a holder that we know nothing of but the time it ends.

local INTEROP = true

local function name_of(k)
  return (string.gsub(k, '%%(%x%x)', function(h) return string.char(tonumber(h, 16)) end))
end

-- The start of the value, or nil if there is no such key. A key of another type
-- is somebody's lock all the same.
local function outside_value(k)
  local v = redis.pcall('GETRANGE', 'lock:' .. k, 0, 255)
  if type(v) ~= 'string' then return '(not a string)' end
  if v == '' and call('EXISTS', 'lock:' .. k) == 0 then return nil end
  return v
end

local function outsider(k, u)
  local v = outside_value(name_of(k))
  u.outside = v ~= nil
  for i = 1, #u.holds do
    if sub(u.holds[i].id, 1, 256) == v then u.outside = false end
  end
end

-- The first of several holders takes the lock for all of them.
local function lock_outside(k, id, ttl)
  local name, ms = 'lock:' .. name_of(k), int(math.ceil(ttl / 1000))
  if not call('SET', name, id, 'NX', 'PX', ms) and call('PTTL', name) < tonumber(ms) then
    call('PEXPIRE', name, ms)
  end
end

-- Python's waiters sleep on a list that the release fills.
local function signal(name)
  call('DEL', 'lock-signal:' .. name)
  call('LPUSH', 'lock-signal:' .. name, 1)
  call('PEXPIRE', 'lock-signal:' .. name, 1000)
end

local function unlock_outside(k, id, heir)
  local name = name_of(k)
  if outside_value(name) ~= sub(id, 1, 256) then return end
  if heir then
    call('SET', 'lock:' .. name, heir, 'KEEPTTL')
  else
    call('DEL', 'lock:' .. name)
    signal(name)
  end
end

local function free_outside(k)
  local name = name_of(k)
  local v = outside_value(name)
  if v then
    call('DEL', 'lock:' .. name)
    signal(name)
  end
  return v
end
