-- Ask: a new request, a poll, or a confirmation.
-- ARGV: seed, id, "w" to wait in line or "t" to try, ttl, delay, waited,
-- priority, revision, channel, parents, info, and a requirement each:
-- "mode need choice candidates", where "@name" stands for a registered pool.
-- Reply: G token got; W poll; B (would have to wait); P name (of a pool that is
-- not registered); T why (the ticket is over).

local id, wait = ARGV[2], ARGV[3] == 'w'

local function requirements()
  local reqs, names = {}, {}
  for i = 12, #ARGV do
    local mode, need, choice, rest = smatch(ARGV[i], '^(%S+) (%d+) (%a) (.*)$')
    local req = { mode = mode, seats = seats_of(mode), need = tonumber(need), choice = choice }
    if sub(rest, 1, 1) == '@' then
      req.name = sub(rest, 2)
      if find_pool(req) then in_use(req.pool) else names[#names + 1] = req.name end
    else
      req.list, req.keys = rest, words(rest)
    end
    reqs[#reqs + 1] = req
  end
  return reqs, names
end

-- The domains of the candidates: where somebody may have a claim on them.
local function domains(reqs)
  local keys, pools, doms = {}, {}, {}
  for _, req in ipairs(reqs) do
    if req.pool then pools[req.pool] = true end
    for _, k in ipairs(req.keys or {}) do keys[#keys + 1] = k end
  end
  load(keys)
  for _, k in ipairs(keys) do
    local v = raw[k]
    -- Without a pool, a record has no "|", or it ends with one.
    if K[k] or v and smatch(v, '|[^|]+$') then
      for p in gmatch(at(k).pools, '(%d+):') do pools[p] = true end
    end
  end
  for p in pairs(pools) do
    if pool(p) then doms[pool(p).dom] = true end
  end
  return doms
end

local function granted(e)
  published[id] = nil -- whoever asks is there to take it
  e.state = 'h'
  keep(id, e)
  deadline[id] = NOW + e.ttl
  finish()
  return { 'G', int(e.token), e.got }
end

-- The first ones of a class are told the moment at which something expires: they
-- are who it may come free for, and nobody else would tell them.
local function waiting(w)
  finish()
  local poll, rank = poll_of(w), call('ZRANK', BASE .. 'q:' .. w.class, member(id, w))
  if rank and rank <= 1 then
    local first = call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
    if first[2] then poll = math.min(poll, math.max(first[2] - NOW, 1000)) end
  end
  return { 'W', int(poll) }
end

local function poll(w)
  local revision = tonumber(ARGV[8])
  if revision > w.rev then
    local reqs, unknown = requirements()
    if unknown[1] then
      finish()
      return { 'P', unpack(unknown) }
    end
    leave(id, w)
    free_pools(w.class)
    w.rev = revision
    stand(id, w, reqs)
  end
  heartbeat(id, w)
  local first = call('ZRANGE', BASE .. 'q:' .. w.class, 0, 0)
  if next(freed) or INTEROP or first[1] == member(id, w) then
    free_pools(w.class)
    serve_freed()
  end
  if E[id].kind == 'L' then return granted(E[id]) end
  return waiting(w)
end

local function request()
  local reqs, unknown = requirements()
  if unknown[1] then
    finish()
    return { 'P', unpack(unknown) }
  end
  local waited = tonumber(ARGV[6])
  local t = { kind = 'W', id = id, ttl = tonumber(ARGV[4]), delay = tonumber(ARGV[5]), since = NOW - waited, prio = ARGV[7],
    rev = tonumber(ARGV[8]), channel = ARGV[9], parents = ARGV[10], info = ARGV[11], reqs = reqs,
    rank = NOW - waited - ARGV[7] * LEVEL, seq = SEQ + 1 }
  local classes = classes_in(domains(reqs))
  local picks, complete
  if #classes == 0 then
    V, S = {}, {}
    picks, complete = match(reqs, false)
    if not complete then picks = nil end
  elseif t.parents == '' and call('EXISTS', BASE .. 'nest') == 0 then
    picks = pass(classes, t)
  end
  if picks then return granted(grant(id, t, reqs, picks, 'h')) end
  local nested = #classes > 0 and (t.parents ~= '' or call('EXISTS', BASE .. 'nest') == 1)
  if not wait and not nested then
    finish()
    return { 'B' }
  end
  enqueue(id, t, reqs)
  if nested then
    free_pools(t.class)
    serve_freed()
    if E[id].kind == 'L' then return granted(E[id]) end
    if not wait then
      leave(id, t)
      keep(id, false)
      deadline[id] = false
      finish()
      return { 'B' }
    end
  end
  return waiting(t)
end

open({ id })
reap()
local e = E[id]
if e and e.kind == 'W' then return poll(e) end
if e and (e.state == 'h' or e.state == 'g') then return granted(e) end
local why = e and 'K' or call('GET', BASE .. 't:' .. id)
if why and smatch(why, '^[RDK]') then
  finish()
  return { 'T', why }
end
return request()
