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

-- Reads what is not known yet of a list, in one call.
local function look_up(letter, list, known, decode)
  local miss, fields = {}, {}
  for _, n in ipairs(list) do
    if known[n] == nil then
      known[n] = false -- no difference: one that stands there twice is read twice
      miss[#miss + 1], fields[#fields + 1] = n, letter .. n
    end
  end
  local got = M.read(REG, fields)
  for i, n in ipairs(miss) do known[n] = got[i] and decode(got[i]) end
end

local function decode_pool(record)
  local name, refs, size, dom = string.match(record, '^(%S+) (%d+) (%d+) (%d+)$')
  return name and { name = name, refs = tonumber(refs), size = tonumber(size), dom = dom } or false
end

local function decode_class(spec)
  local e = { spec = spec, reqs = {} }
  for mode, need, choice, p in string.gmatch(spec, '([^ |]+) (%d+) (%a) (%d+)') do
    e.reqs[#e.reqs + 1] = { mode = mode, seats = M.seats_of(mode), need = tonumber(need), choice = choice, pool = p }
  end
  return e
end

function M.load_pools(list) look_up('P', list, T.pool, decode_pool) end

function M.pool(p)
  if T.pool[p] == nil then M.load_pools({ p }) end
  return T.pool[p]
end

-- The pool of a requirement, or nil if its list is not registered.
function M.find_pool(req)
  if not req.pool then
    if not req.name then
      req.list = M.glue(req.keys, ' ')
      req.name = redis.sha1hex(req.list)
    end
    req.pool = call('HGET', REG, 'p/' .. req.name) or nil
  end
  return req.pool
end

function M.class(c)
  if T.class[c] == nil then look_up('C', { c }, T.class, decode_class) end
  return T.class[c]
end

-- The classes of some domains. They and their pools are read here, in two calls,
-- because all are looked at.
function M.classes_in(doms)
  local classes, pools = {}, {}
  for d in pairs(doms) do
    for _, m in ipairs(call('SMEMBERS', BASE .. 'dom:' .. d)) do
      if string.sub(m, 1, 1) == 'c' then classes[#classes + 1] = string.sub(m, 2) end
    end
  end
  look_up('C', classes, T.class, decode_class) -- no difference: what is not read here is read when it is wanted
  for _, c in ipairs(classes) do -- no difference: the same
    for _, req in ipairs(T.class[c] and T.class[c].reqs or {}) do pools[#pools + 1] = req.pool end -- no difference: the same
  end
  M.load_pools(pools) -- no difference: the same
  return classes
end

function M.all_classes()
  local out = {}
  for _, f in ipairs(call('HKEYS', REG)) do
    local c = string.match(f, '^C(%d+)$')
    if c then out[#out + 1] = c end
  end
  return out
end
