-- Who has which resource. A record is "token|holds|pools": the token of the last
-- grant, holds as "id mode units" each, and "pool:place" for every registered
-- pool that lists the resource; just "token" when the last two are empty. The
-- token stays when nobody holds the resource: it is how a lease that comes back
-- late finds out whether something was granted in between.
--
-- Modes: x exclusive, s shared, nN one of N seats.

local K, raw, moved = {}, {}, {}
local freed = {} -- pools with a resource that somebody left
local S = {}     -- pool -> the part of its lists that was read in this pass (match.lua)

local function load(keys)
  local miss = {}
  for i = 1, #keys do
    if raw[keys[i]] == nil then miss[#miss + 1] = keys[i] end
  end
  local got = read(KEY, miss)
  for i = 1, #miss do raw[miss[i]] = got[i] end
end

local function count(u)
  u.x, u.s, u.n, u.m = 0, 0, 0, 0
  for i = 1, #u.holds do
    local h = u.holds[i]
    if h.mode == 'x' then
      u.x = u.x + h.units
    elseif h.mode == 's' then
      u.s = u.s + h.units
    else
      local seats = tonumber(sub(h.mode, 2))
      u.n = u.n + h.units
      if u.m == 0 or seats < u.m then u.m = seats end
    end
  end
end

local function at(k)
  local u = K[k]
  if u then return u end
  if raw[k] == nil then load({ k }) end
  u = { token = 0, x = 0, s = 0, n = 0, m = 0, holds = {}, pools = '' }
  K[k] = u
  local v = raw[k]
  if v then
    local token, holds, pools = smatch(v, '^(%d+)|([^|]*)|(.*)$')
    u.token, u.pools = tonumber(token or v), pools or ''
    if holds and holds ~= '' then
      for id, mode, units in gmatch(holds, '(%S+) (%S+) (%d+)') do
        u.holds[#u.holds + 1] = { id = id, mode = mode, units = tonumber(units) }
      end
      count(u)
    end
  end
  outsider(k, u)
  return u
end

local function beside(u, v)
  if not v then return u.x, u.s, u.n, u.m end
  local m = u.m
  if m == 0 or v.m > 0 and v.m < m then m = v.m end
  return u.x + v.x, u.s + v.s, u.n + v.n, m
end

-- How many units of a resource a requirement could take beside what is held (u)
-- and reserved (v, or nil). The one place that knows which modes go together.
local function free(req, u, v)
  local x, s, n, m = beside(u, v)
  if x > 0 or u.outside then return 0 end
  if req.seats > 0 then
    if s > 0 then return 0 end
    if m == 0 or req.seats < m then m = req.seats end
    return math.max(0, m - n)
  end
  if n > 0 or s > 0 and req.mode ~= 's' then return 0 end
  return 1
end

-- Whether somebody could join those who have the resource, and so keep it from
-- ever being free.
local function joinable(u, v)
  local x, s, n, m = beside(u, v)
  return x == 0 and (s > 0 or n > 0 and n < m)
end

-- The list of a pool in which the resource stands.
local function place(u)
  if u.x == 0 and u.s == 0 and u.n == 0 then return 'av:' end
  if joinable(u) then return 'so:' end
end

local function move(k, u, before)
  moved[k] = true
  local after = place(u)
  if u.pools == '' or before == after then return end
  for p, i in gmatch(u.pools, '(%d+):(%d+)') do
    if before then call('ZREM', BASE .. before .. p, k) end
    if after then call('ZADD', BASE .. after .. p, i, k) end
    if S[p] and after == 'so:' then
      -- Its page of the vacant may not have been read yet.
      local s, j = S[p], 1
      while s.softplace[j] and s.softplace[j] < tonumber(i) do j = j + 1 end
      insert(s.soft, j, k)
      insert(s.softplace, j, tonumber(i))
    end
  end
end

local function occupy(k, id, mode, units, token)
  local u = at(k)
  local before = place(u)
  u.holds[#u.holds + 1] = { id = id, mode = mode, units = units }
  count(u)
  u.token = math.max(u.token, token)
  move(k, u, before)
end

local function vacate(k, id)
  local u = at(k)
  local before = place(u)
  for i = #u.holds, 1, -1 do
    if u.holds[i].id == id then table.remove(u.holds, i) end
  end
  count(u)
  move(k, u, before)
  for p in gmatch(u.pools, '(%d+):') do freed[p] = true end
end

local function flush_keys()
  local set, del = {}, {}
  for k in pairs(moved) do
    local u = K[k]
    local v = int(u.token)
    if u.pools ~= '' or #u.holds > 0 then
      local holds = {}
      for i, h in ipairs(u.holds) do holds[i] = h.id .. ' ' .. h.mode .. ' ' .. int(h.units) end
      v = v .. '|' .. glue(holds, ' ') .. '|' .. u.pools
    end
    if v == '0' then
      del[#del + 1] = k
    else
      set[#set + 1] = k
      set[#set + 1] = v
    end
  end
  write('HSET', KEY, set)
  write('HDEL', KEY, del)
end
