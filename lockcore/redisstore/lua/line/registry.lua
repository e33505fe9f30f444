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

function M.pool(p)
  local e = T.pool[p]
  if e == nil then
    local name, refs, size, dom = string.match(call('HGET', REG, 'P' .. p) or '', '^(%S+) (%d+) (%d+) (%d+)$')
    e = name and { name = name, refs = tonumber(refs), size = tonumber(size), dom = dom } or false
    T.pool[p] = e
  end
  return e
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
  local e = T.class[c]
  if e == nil then
    local spec = call('HGET', REG, 'C' .. c)
    e = false
    if spec then
      e = { spec = spec, reqs = {} }
      for mode, need, choice, p in string.gmatch(spec, '([^ |]+) (%d+) (%a) (%d+)') do
        e.reqs[#e.reqs + 1] = { mode = mode, seats = M.seats_of(mode), need = tonumber(need), choice = choice, pool = p }
      end
    end
    T.class[c] = e
  end
  return e
end

function M.classes_in(doms)
  local classes = {}
  for d in pairs(doms) do
    for _, m in ipairs(call('SMEMBERS', BASE .. 'dom:' .. d)) do
      if string.sub(m, 1, 1) == 'c' then classes[#classes + 1] = string.sub(m, 2) end
    end
  end
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
