-- Gives leases and takes them back.

local function add(units, mode)
  if mode == 'x' then
    units.x = units.x + 1
  elseif mode == 's' then
    units.s = units.s + 1
  else
    local seats = tonumber(sub(mode, 2))
    units.n = units.n + 1
    if units.m == 0 or seats < units.m then units.m = seats end
  end
end

-- Enters what a lease got, "mode key key|mode key" by requirement, into the
-- holdings of the resources.
local function settle_in(id, e)
  for part in gmatch(e.got, '[^|]+') do
    local mode, rest = smatch(part, '^(%S+) (.*)$')
    local units, order = {}, {}
    for k in gmatch(rest, '%S+') do
      if not units[k] then order[#order + 1] = k end
      units[k] = (units[k] or 0) + 1
    end
    for _, k in ipairs(order) do
      occupy(k, id, mode, units[k], e.token)
      lock_outside(k, id, e.ttl)
    end
  end
end

local function keys_of(got)
  local keys, seen = {}, {}
  for part in gmatch(got, '[^|]+') do
    for k in gmatch(smatch(part, '^%S+ (.*)$'), '%S+') do
      if not seen[k] then
        seen[k] = true
        keys[#keys + 1] = k
      end
    end
  end
  return keys
end

-- Makes id, a waiter or a new ticket t, the holder of picks.
local function grant(id, t, reqs, picks, state)
  local parts, used = {}, {}
  for r, req in ipairs(reqs) do
    parts[r] = req.mode .. ' ' .. glue(picks[r], ' ')
    if req.choice == 'l' then
      for _, k in ipairs(picks[r]) do
        used[#used + 1] = k
        used[#used + 1] = int(NOW)
      end
    end
  end
  local e = { kind = 'L', state = state, token = next_token(), since = NOW, ttl = t.ttl, delay = t.delay, parents = t.parents,
    got = concat(parts, '|'), info = t.info }
  settle_in(id, e)
  write('HSET', BASE .. 'used', used)
  keep(id, e)
  deadline[id] = NOW + (state == 'g' and math.min(PROVISIONAL, t.ttl) or t.ttl)
  return e
end

-- Takes a lease out, so that others can have its resources.
local function drop(id, e)
  local keys = keys_of(e.got)
  load(keys)
  for _, k in ipairs(keys) do
    vacate(k, id)
    unlock_outside(k, id, at(k).holds[1] and at(k).holds[1].id)
  end
  keep(id, false)
  deadline[id] = false
end

-- Keeps the locks of a lease on its resources alive for other programs; false if
-- one of them has taken one.
local function extend_outside(id, e, ttl)
  if not INTEROP then return true end
  local keys = keys_of(e.got)
  load(keys)
  for _, k in ipairs(keys) do
    if at(k).outside then return false end
  end
  for _, k in ipairs(keys) do lock_outside(k, id, ttl) end
  return true
end
