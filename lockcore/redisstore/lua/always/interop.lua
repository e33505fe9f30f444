-- Interop with programs that use python-redis-lock: a resource is locked for
-- them, and by them, by a key "lock:RESOURCE". Ours hold the id of a lease.
-- Somebody else's is a holder that we know nothing of but the time it ends.

T.interop = true

function M.name_of(k)
  return (string.gsub(k, '%%(%x%x)', function(h) return string.char(tonumber(h, 16)) end))
end

-- The start of the value, or nil if there is no such key. A key of another type
-- is somebody's lock all the same.
function M.outside_value(name)
  local v = redis.pcall('GETRANGE', 'lock:' .. name, 0, 255)
  if type(v) ~= 'string' then return '(not a string)' end
  if v == '' and call('EXISTS', 'lock:' .. name) == 0 then return nil end
  return v
end

function M.outsider(k, u)
  local v = M.outside_value(M.name_of(k))
  u.outside = v ~= nil
  for i = 1, #u.holds do
    if string.sub(u.holds[i].id, 1, 256) == v then u.outside = false end
  end
end

-- The first of several holders takes the lock for all of them.
function M.lock_outside(k, id, ttl)
  local name, ms = 'lock:' .. M.name_of(k), math.ceil(ttl / 1000)
  if call('SET', name, id, 'NX', 'PX', M.int(ms)) then return end
  if call('PTTL', name) < ms then -- no difference: an equal time is set again, or not
    call('PEXPIRE', name, M.int(ms))
  end
end

-- Python's waiters sleep on a list that the release fills.
function M.signal(name)
  call('DEL', 'lock-signal:' .. name)
  call('LPUSH', 'lock-signal:' .. name, 1)
  call('PEXPIRE', 'lock-signal:' .. name, 1000)
end

-- other is another holder of the resource, if there is one.
function M.unlock_outside(k, id, other)
  local name = M.name_of(k)
  if M.outside_value(name) ~= string.sub(id, 1, 256) then return end
  if other then
    call('SET', 'lock:' .. name, other.id, 'KEEPTTL')
  else
    call('DEL', 'lock:' .. name)
    M.signal(name)
  end
end

-- Keeps the locks of a lease alive for other programs; false if one of them has
-- taken one.
function M.extend_outside(id, e, ttl)
  local keys = M.keys_of(e.got)
  M.load(keys)
  for _, k in ipairs(keys) do
    if M.at(k).outside then return false end
  end
  for _, k in ipairs(keys) do M.lock_outside(k, id, ttl) end
  return true
end

function M.free_outside(k)
  if not M.at(k).outside then return end
  local name = M.name_of(k)
  local v = M.outside_value(name)
  if v then
    call('DEL', 'lock:' .. name)
    M.signal(name)
  end
  return v
end
