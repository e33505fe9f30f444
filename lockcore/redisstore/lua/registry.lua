-- Pools, classes and domains: what waiters have in common is stored once.
--
-- A pool is a list of candidates. It is registered when somebody waits for it,
-- or when it is long; then av:N and so:N say which of its resources can be had,
-- without a look at each. A class is a list of requirements on pools, with the
-- waiters that have just these. A domain is a set of pools that overlap, or that
-- a class connects: what happens in one domain is of no concern to another.
--
-- In reg: "p/NAME" -> N and "P" N -> "name refs size domain" for pools, where
-- the name is the SHA-1 of the list; "c/SPEC" -> N and "C" N -> spec for classes.

local REG, LIST = BASE .. 'reg', BASE .. 'list'
local P, C = {}, {}
local LONG = 64 -- longer pools stay registered when nobody waits for them

local function pool(p)
  local e = P[p]
  if e == nil then
    local name, refs, size, dom = smatch(call('HGET', REG, 'P' .. p) or '', '^(%S+) (%d+) (%d+) (%d+)$')
    e = name and { name = name, refs = tonumber(refs), size = tonumber(size), dom = dom } or false
    P[p] = e
  end
  return e
end

local function put_pool(p)
  local e = P[p]
  call('HSET', REG, 'P' .. p, e.name .. ' ' .. int(e.refs) .. ' ' .. int(e.size) .. ' ' .. e.dom)
end

-- Makes one domain of two.
local function join(into, dom)
  if into == dom then return end
  local members = call('SMEMBERS', BASE .. 'dom:' .. dom)
  for _, m in ipairs(members) do
    if sub(m, 1, 1) == 'p' then
      local p = sub(m, 2)
      pool(p).dom = into
      put_pool(p)
    end
  end
  write('SADD', BASE .. 'dom:' .. into, members)
  call('DEL', BASE .. 'dom:' .. dom)
end

local function new_pool(name, list)
  local p, keys = next_number(), words(list)
  local e = { name = name, refs = 0, size = #keys, dom = p }
  P[p] = e
  load(keys)
  local others, lists = {}, { ['av:'] = {}, ['so:'] = {} }
  for i, k in ipairs(keys) do
    local u = at(k)
    for o in gmatch(u.pools, '(%d+):') do others[o] = true end
    u.pools = (u.pools == '' and '' or u.pools .. ' ') .. p .. ':' .. int(i)
    moved[k] = true
    local l = lists[place(u)]
    if l then
      l[#l + 1] = int(i)
      l[#l + 1] = k
    end
  end
  call('SADD', BASE .. 'dom:' .. p, 'p' .. p)
  for o in pairs(others) do join(pool(o).dom, pool(p).dom) end
  write('ZADD', BASE .. 'av:' .. p, lists['av:'])
  write('ZADD', BASE .. 'so:' .. p, lists['so:'])
  call('HSET', LIST, p, list)
  call('HSET', REG, 'p/' .. name, p)
  put_pool(p)
  return p
end

local function drop_pool(p)
  local e, keys = pool(p), words(call('HGET', LIST, p) or '')
  load(keys)
  for i, k in ipairs(keys) do
    local u, rest = at(k), {}
    for w in gmatch(u.pools, '%S+') do
      if smatch(w, '^%d+') ~= p then rest[#rest + 1] = w end
    end
    u.pools = concat(rest, ' ')
    moved[k] = true
  end
  call('DEL', BASE .. 'av:' .. p, BASE .. 'so:' .. p)
  call('HDEL', REG, 'P' .. p, 'p/' .. e.name)
  call('HDEL', LIST, p)
  call('SREM', BASE .. 'dom:' .. e.dom, 'p' .. p)
  P[p] = false
end

-- The pool of a requirement, or nil if it names one that is not registered.
local function find_pool(req)
  if not req.pool then
    req.name = req.name or redis.sha1hex(req.list)
    req.pool = call('HGET', REG, 'p/' .. req.name) or nil
  end
  return req.pool
end

-- A long pool outlives its waiters, but not by much.
local function in_use(p) call('SET', BASE .. 'u:' .. p, 1, 'PX', 3600000) end

local function class(c)
  local e = C[c]
  if e == nil then
    local spec = call('HGET', REG, 'C' .. c)
    e = false
    if spec then
      e = { spec = spec, reqs = {} }
      for mode, need, choice, p in gmatch(spec, '([^ |]+) (%d+) (%a) (%d+)') do
        e.reqs[#e.reqs + 1] = { mode = mode, seats = seats_of(mode), need = tonumber(need),
          choice = choice, pool = p }
      end
    end
    C[c] = e
  end
  return e
end

-- The class of requirements, registered with their pools if it is new.
local function class_of(reqs)
  local parts = {}
  for i, req in ipairs(reqs) do
    local p = find_pool(req) or new_pool(req.name, req.list)
    req.pool = p
    parts[i] = req.mode .. ' ' .. int(req.need) .. ' ' .. req.choice .. ' ' .. p
  end
  local spec = concat(parts, '|')
  local c = call('HGET', REG, 'c/' .. spec)
  if c then return c end
  c = next_number()
  call('HSET', REG, 'c/' .. spec, c, 'C' .. c, spec)
  C[c] = nil
  local dom = pool(reqs[1].pool).dom
  for _, req in ipairs(reqs) do
    local e = pool(req.pool)
    e.refs = e.refs + 1
    put_pool(req.pool)
    join(dom, e.dom)
  end
  call('SADD', BASE .. 'dom:' .. dom, 'c' .. c)
  return c
end

local function drop_class(c)
  local e = class(c)
  if not e then return end
  call('HDEL', REG, 'C' .. c, 'c/' .. e.spec)
  for _, req in ipairs(e.reqs) do
    local p = pool(req.pool)
    if p then
      call('SREM', BASE .. 'dom:' .. p.dom, 'c' .. c)
      p.refs = p.refs - 1
      put_pool(req.pool)
      if p.refs == 0 and p.size <= LONG then drop_pool(req.pool) end
    end
  end
  C[c] = false
end
