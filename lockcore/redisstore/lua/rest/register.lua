-- Makes and removes what registry.lua looks up. Long pools stay registered when nobody
-- waits for them.

function M.put_pool(p)
  local e = T.pool[p]
  call('HSET', REG, 'P' .. p, e.name .. ' ' .. M.int(e.refs) .. ' ' .. M.int(e.size) .. ' ' .. e.dom)
end

-- Makes one domain of two.
function M.join(into, dom)
  if into == dom then return end
  local members = call('SMEMBERS', BASE .. 'dom:' .. dom)
  for _, m in ipairs(members) do
    if string.sub(m, 1, 1) == 'p' then
      local p = string.sub(m, 2)
      M.pool(p).dom = into
      M.put_pool(p)
    end
  end
  M.write('SADD', BASE .. 'dom:' .. into, members)
  call('DEL', BASE .. 'dom:' .. dom)
  T.deadline['#' .. dom] = false
end

function M.new_pool(name, list)
  if T.moves then M.flush_moves() end
  local p, keys = M.int(M.count_up('num')), M.words(list)
  local e = { name = name, refs = 0, size = #keys, dom = p }
  T.pool[p] = e
  M.load(keys)
  local others, lists = {}, { ['av:'] = {}, ['so:'] = {} }
  for i, k in ipairs(keys) do
    local u = M.at(k)
    for o in string.gmatch(u.pools, '(%d+):') do others[o] = true end
    u.pools = (u.pools == '' and '' or u.pools .. ' ') .. p .. ':' .. M.int(i)
    T.moved[k] = true
    local l = lists[M.place(u)]
    if l then
      l[#l + 1] = M.int(i)
      l[#l + 1] = k
    end
  end
  call('SADD', BASE .. 'dom:' .. p, 'p' .. p)
  for o in pairs(others) do M.join(M.pool(o).dom, e.dom) end
  M.write('ZADD', BASE .. 'av:' .. p, lists['av:'])
  M.write('ZADD', BASE .. 'so:' .. p, lists['so:'])
  call('HSET', LIST, p, list)
  call('HSET', REG, 'p/' .. name, p)
  M.put_pool(p)
  return p
end

function M.drop_pool(p)
  local e, keys = M.pool(p), M.words(call('HGET', LIST, p) or '')
  M.load(keys)
  for _, k in ipairs(keys) do
    local u, rest = M.at(k), {}
    for w in string.gmatch(u.pools, '%S+') do
      if string.match(w, '^%d+') ~= p then rest[#rest + 1] = w end
    end
    u.pools = table.concat(rest, ' ')
    T.moved[k] = true
  end
  call('DEL', BASE .. 'av:' .. p, BASE .. 'so:' .. p)
  call('HDEL', REG, 'P' .. p, 'p/' .. e.name)
  call('HDEL', LIST, p)
  call('SREM', BASE .. 'dom:' .. e.dom, 'p' .. p)
  T.pool[p] = false
end

-- A long pool outlives its waiters, but not by much.
function M.in_use(p) call('SET', BASE .. 'u:' .. p, 1, 'PX', LIST_KEPT_MS) end -- no difference: what it says is not read

-- The class of requirements, registered with their pools if it is new.
function M.class_of(reqs)
  local parts = {}
  for i, req in ipairs(reqs) do
    req.pool = M.find_pool(req) or M.new_pool(req.name, req.list)
    parts[i] = req.mode .. ' ' .. M.int(req.need) .. ' ' .. req.choice .. ' ' .. req.pool
  end
  local spec = table.concat(parts, '|')
  local c = call('HGET', REG, 'c/' .. spec)
  if c then return c end
  c = M.int(M.count_up('num'))
  call('HSET', REG, 'c/' .. spec, c, 'C' .. c, spec)
  T.class[c] = nil
  local dom = M.pool(reqs[1].pool).dom
  for _, req in ipairs(reqs) do
    local e = M.pool(req.pool)
    e.refs = e.refs + 1
    M.put_pool(req.pool)
    M.join(dom, e.dom)
  end
  call('SADD', BASE .. 'dom:' .. dom, 'c' .. c)
  return c
end

function M.drop_class(c)
  local e = M.class(c)
  if not e then return end
  call('HDEL', REG, 'C' .. c, 'c/' .. e.spec)
  for _, req in ipairs(e.reqs) do
    local p = M.pool(req.pool)
    if p then
      call('SREM', BASE .. 'dom:' .. p.dom, 'c' .. c)
      p.refs = p.refs - 1
      M.put_pool(req.pool)
      if p.refs == 0 and p.size <= LONG_LIST then M.drop_pool(req.pool) end
    end
  end
  T.class[c] = false
end
