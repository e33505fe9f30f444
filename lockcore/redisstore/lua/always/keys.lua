-- Who has which resource. A record is "token|holds|pools": the token of the last
-- grant, holds as "id mode units" each, with a "*" behind the units of one that
-- was let past earlier waiters, and "pool:place" for every registered pool that
-- lists the resource; and, behind another "|", how its last use ended if that was not
-- in order (endings.lua); just "token" when all that is empty. The
-- token stays when nobody holds the resource: it is how a lease that comes back
-- late finds out whether something was granted in between.
--
-- Modes: x exclusive, s shared, nN one of N seats.

function M.count(u)
  u.x, u.s, u.n, u.m = 0, 0, 0, 0
  for i = 1, #u.holds do
    local h = u.holds[i]
    if h.mode == 'x' then
      u.x = u.x + h.units
    elseif h.mode == 's' then
      u.s = u.s + h.units
    else
      local seats = M.seats_of(h.mode)
      u.n = u.n + h.units
      u.m = u.m == 0 and seats or math.min(u.m, seats)
    end
  end
end

function M.at(k)
  local u = T.key[k]
  if u then return u end
  local v = M.field(k)
  -- Most are held by one alone, which is read faster like this. -- no difference: a shortcut to what follows
  local token, id, past, pools = string.match(v or '', '^(%d+)|(%S+) x 1(%*?)|([^|]*)$')
  if token then
    u = { token = token + 0, holds = { { id = id, mode = 'x', units = 1, past = past ~= '' } }, pools = pools,
      x = 1, s = 0, n = 0, m = 0 } -- no difference: that somebody has it alone is all that counts
    T.key[k] = u
    M.outsider(k, u)
    return u
  end
  u = { token = 0, x = 0, s = 0, n = 0, m = 0, holds = {}, pools = '' }
  T.key[k] = u
  if v then
    local holds, trouble
    token, holds, pools, trouble = string.match(v, '^(%d+)|([^|]*)|([^|]*)|?(.*)$')
    u.token = (token or v) + 0
    if pools then
      u.pools = pools
      if trouble ~= '' then u.trouble = trouble end
      for id, mode, units, past in string.gmatch(holds, '(%S+) (%S+) (%d+)(%*?)') do
        u.holds[#u.holds + 1] = { id = id, mode = mode, units = units + 0, past = past ~= '' }
      end
      M.count(u)
    end
  end
  M.outsider(k, u)
  return u
end

-- What is held (u) and reserved (v, or nil) together.
function M.beside(u, v)
  if not v then return u.x, u.s, u.n, u.m end
  local m = u.m
  if m == 0 then m = v.m elseif v.m ~= 0 then m = math.min(m, v.m) end
  return u.x + v.x, u.s + v.s, u.n + v.n, m
end

-- How many units of a resource a requirement could take. The one place that
-- knows which modes go together.
function M.free(req, u, v)
  local x, s, n, m = M.beside(u, v)
  if x > 0 or u.outside then return 0 end
  if req.seats ~= 0 then
    if s ~= 0 then return 0 end
    m = m == 0 and req.seats or math.min(m, req.seats)
    return math.max(0, m - n)
  end
  if n > 0 or s > 0 and req.mode ~= 's' then return 0 end
  return 1
end

-- Whether somebody could join those who have the resource, and so keep it from
-- ever being free.
function M.joinable(u, v)
  local x, s, n, m = M.beside(u, v)
  return x == 0 and (s > 0 or n < m) -- where nobody has a seat, both are 0
end

-- The list of a pool in which the resource stands.
function M.place(u)
  if u.x == 0 and u.s == 0 and u.n == 0 then return 'av:' end
  if M.joinable(u) then return 'so:' end
end

-- Counts the holds of a resource anew, and notes that it may stand elsewhere in the
-- lists of its pools.
function M.recount(k, u)
  T.moved[k] = true
  if u.pools == '' then return M.count(u) end
  local before = M.place(u)
  M.count(u)
  M.move(k, u, before)
end

function M.occupy(k, id, mode, units, token, past)
  local u = M.at(k)
  u.holds[#u.holds + 1] = { id = id, mode = mode, units = units, past = past }
  u.token = math.max(u.token, token)
  M.recount(k, u)
end

function M.vacate(k, id)
  local u = M.at(k)
  for i = #u.holds, 1, -1 do
    if u.holds[i].id == id then table.remove(u.holds, i) end
  end
  M.recount(k, u)
  if u.pools ~= '' then
    for p in string.gmatch(u.pools, '(%d+):') do T.freed[p] = true end
  end
end

function M.flush_keys(set, del)
  for k in pairs(T.moved) do
    local u = T.key[k]
    local v = M.int(u.token)
    if u.pools ~= '' or #u.holds > 0 or u.trouble then
      local holds = {}
      for i, h in ipairs(u.holds) do holds[i] = h.id .. ' ' .. h.mode .. ' ' .. M.int(h.units) .. (h.past and '*' or '') end
      v = v .. '|' .. M.glue(holds, ' ') .. '|' .. u.pools .. (u.trouble and '|' .. u.trouble or '')
    end
    if v == '0' then
      del[#del + 1] = k
    else
      set[#set + 1] = k
      set[#set + 1] = v
    end
  end
end
