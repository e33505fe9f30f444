-- Ask: a new request, a poll, or a confirmation.
-- ARGV: id; requirements as "mode need choice n start stride" each, where n
-- is the number of candidates or "@" and the name of a registered pool, and a
-- random choice visits them from start by strides; "ttl delay" and, on a second
-- line, parents; info; "how waited priority revision channel", where how is HOW_WAIT
-- or another letter, and the policy, one of two letters; and then all candidates.
-- Reply: what M.told says of the lease; or REPLY_WAITS poll fence, or REPLY_BUSY, both
-- followed by the resources that are out of service;
-- REPLY_LISTS and the names of pools that are not registered; REPLY_ENDED why;
-- REPLY_POLICY and that of the namespace.

local id = ARGV[1]
local how, policy, waited, priority, revision, channel = string.match(ARGV[5], '^(%a)(%a) (%d+) (%-?%d+) (%d+) (%S+)$')
local wait = how == HOW_WAIT

local function done(...)
  M.finish()
  return { ... }
end

-- The resources that are out of service, for an answer.
local function outages()
  local out = {}
  for k in pairs(M.counter('outages') ~= 0 and M.outages() or {}) do out[#out + 1] = k end
  return unpack(out, 1, math.min(#out, FEW_ARGUMENTS))
end

local function requirements()
  local reqs, unknown, at = {}, {}, 6
  for mode, need, choice, n, start, stride in string.gmatch(ARGV[2], '(%S+) (%d+) (%a) (%S+) (%d+) (%d+)') do
    local req = { mode = mode, seats = M.seats_of(mode), need = tonumber(need), choice = choice, start = tonumber(start),
      stride = tonumber(stride) }
    if string.sub(n, 1, 1) == '@' then
      req.name = string.sub(n, 2)
      if M.find_pool(req) then M.in_use(req.pool) else unknown[#unknown + 1] = req.name end
    else
      req.keys = {}
      for i = 1, tonumber(n) do req.keys[i] = ARGV[at + i - 1] end
      at = at + #req.keys
    end
    reqs[#reqs + 1] = req
  end
  return reqs, unknown
end

-- The classes that may have a claim on the candidates.
local function rivals(reqs)
  local keys, pools = {}, {}
  for _, req in ipairs(reqs) do
    if req.pool then pools[req.pool] = true end
    for _, k in ipairs(req.keys or {}) do keys[#keys + 1] = k end
  end
  M.load(keys)
  for _, k in ipairs(keys) do
    local v = T.raw[k]
    -- Without a pool, a record has no "|", or it ends with one.
    if T.key[k] or v and string.find(v, '|.*[^|]$') then
      for p in string.gmatch(M.at(k).pools, '(%d+):') do pools[p] = true end
    end
  end
  local doms = {}
  if not next(pools) then return {}, doms end
  for p in pairs(pools) do
    if M.pool(p) then doms[M.pool(p).dom] = true end
  end
  return M.classes_in(doms), doms
end

-- Whether a client with this policy may use the namespace: if that is its policy,
-- or nobody holds or waits, so that it can become it.
local function agree()
  if M.rules() == policy then return true end
  local from = 0
  repeat
    local ids = call('ZRANGE', DUE, from, from + 99) -- no difference: one is looked at twice
    for _, other in ipairs(ids) do
      if string.sub(other, 1, 1) == '!' and string.sub(other, 1, #M.disabled_id('')) ~= M.disabled_id('') then return false end
    end
    from = from + 100
  until not ids[1] -- no difference: behind a page with one there is none
  M.set_policy(policy)
  return true
end

local function granted(e)
  T.published[id] = nil -- whoever asks is there to take it
  if e.state ~= STATE_RESERVED then M.take_up(id, e, e.ttl) end
  M.finish()
  return M.told(id, e)
end

local function waiting(w)
  M.finish()
  return { REPLY_WAITS, M.int(next_look(call('ZRANK', BASE .. 'q:' .. w.class, member_of(w.seq, id)), w.ttl)), M.int(M.counter('fence')), outages() }
end

local function poll(w)
  if tonumber(revision) > w.rev then
    local reqs, unknown = requirements()
    if unknown[1] then return done(REPLY_LISTS, unpack(unknown)) end
    M.leave(id, w)
    M.free_pools(w.class)
    w.rev, w.info, w.test, w.guess = tonumber(revision), ARGV[4], nil, M.counter('usual')
    M.stand(id, w, reqs)
  end
  M.heartbeat(id, w)
  local changed = next(T.freed) or T.interop
  if changed or call('ZRANK', BASE .. 'q:' .. w.class, member_of(w.seq, id)) == 0 then
    -- If nothing has changed, this only mends what may be wrong; there is a time to
    -- let anybody past others, and it is not whenever somebody asks.
    T.looking = not changed
    M.free_pools(w.class)
    M.serve_freed()
    T.looking = nil
  end
  local e = T.entity[id]
  if e.kind == 'L' then return granted(e) end
  return waiting(w)
end

-- A request stands in line from the start if nested ones are about: for the sake
-- of these, everybody in line has to be looked at.
local function in_line(t, reqs)
  M.enqueue(id, t, reqs)
  M.free_pools(t.class)
  M.serve_freed()
  local e = T.entity[id]
  if e.kind == 'L' then return granted(e) end
  if wait then return waiting(t) end
  M.leave(id, t)
  M.put(id, false, false)
  return done(REPLY_BUSY, outages())
end

local function request()
  local reqs, unknown = requirements()
  if unknown[1] then return done(REPLY_LISTS, unpack(unknown)) end
  local ttl, delay, parents = string.match(ARGV[3], '^(%d+) (%d+)\n(.*)$')
  local since = NOW - waited
  local t = { kind = 'W', id = id, ttl = tonumber(ttl), delay = tonumber(delay), since = since, prio = priority,
    rev = tonumber(revision), channel = channel, parents = parents, info = ARGV[4], reqs = reqs,
    rank = since - priority * LEVEL, seq = math.huge, fence = M.counter('fence'), delayed = 0,
    promise = 0, guess = M.counter('usual') }
  local classes, doms = rivals(reqs)
  if classes[1] then
    if t.parents ~= '' or M.nested() then return in_line(t, reqs) end
    M.pass(classes, t)
    if t.lease or not wait then M.look_again(doms) end
    if t.lease then return granted(t.lease) end
  else
    local picks, complete = M.match(reqs, false, {})
    if complete then return granted(M.grant(id, t, reqs, picks, STATE_HELD)) end
  end
  if not wait then return done(REPLY_BUSY, outages()) end
  M.enqueue(id, t, reqs)
  if reqs[1] then M.look_again({ [M.pool(reqs[1].pool).dom] = true }) end
  return waiting(t)
end

M.begin({ id })
local e = T.entity[id]
if not agree() then return done(REPLY_POLICY, T.policy) end
if e and e.kind == 'W' then return poll(e) end
if M.stands(e) then return granted(e) end
local why = e and ENDED_BUT_KEPT or T.buried[id]
if why == ENDED_RELEASED or why == ENDED_WITHDRAWN or why == ENDED_BUT_KEPT then return done(REPLY_ENDED, why) end
return request()
