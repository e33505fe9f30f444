-- Resources that are out of service. A lease of its own holds each of them, beside the
-- lease that had it before: exclusively, so that nobody else gets it.
--
--   t has k. Disable k: t has k still, and !disabled:k has it, too
--   t gives k back: !disabled:k has it, so nobody is given k
--   Enable k: !disabled:k ends, and k goes to the next waiter
--
-- BASE .. 'out' has their names, and the counter outages how many they are.

-- The resources that are out of service, as a set.
function M.outages()
  if not T.outages then
    T.outages = {}
    for _, k in ipairs(M.counter('outages') > 0 and call('SMEMBERS', BASE .. 'out') or {}) do T.outages[k] = true end -- no difference: a set that is empty is read as an empty one
  end
  return T.outages
end

-- A lease that has expired by now may not come back: so what keeps the resource out of
-- service has a later token. The lease that has the resource now may come back if it
-- should expire later; then the token is its own.
function M.token_of_outage(k)
  local u = M.at(k)
  for _, h in ipairs(u.holds) do
    local e = M.get(h.id)
    if e and e.token == u.token then return u.token end
  end
  return M.next_token()
end

-- Takes a resource out of service until the moment, or changes the words if it is out
-- already.
function M.disable(k, info, at)
  local id = M.disabled_id(k)
  local e = M.get(id)
  if not e then
    e = { kind = 'L', state = STATE_DISABLED, token = M.token_of_outage(k), since = NOW, ttl = 0, delay = 0, parents = '', got = 'x ' .. k, info = info } -- no difference: it is never renewed: its ttl and delay are not used
    local outside = M.at(k).outside
    M.occupy(k, id, 'x', 1, e.token) -- no difference: an exclusive holder is alone, whatever its units
    if not outside then M.lock_outside(k, id, FOR_EVER) end
    M.outages()[k] = true
    call('SADD', BASE .. 'out', k)
    T.counters.outages = M.counter('outages') + 1
  end
  e.info = info
  M.put(id, e, at)
end

-- Puts a resource back into service.
function M.enable(k)
  local id = M.disabled_id(k)
  M.drop(id, M.get(id))
  M.outages()[k] = nil
  call('SREM', BASE .. 'out', k)
  T.counters.outages = M.counter('outages') - 1
end

-- The moment at which a resource comes back that a program found unfit: after twice as
-- long as the last time, unless it was used in order since.
function M.next_outage(k, base)
  local t, length = M.trouble_of(k), base
  for _ = 1, t.outages do
    if length >= LONGEST_OUTAGE / 2 then -- no difference: the doubled length is the longest just then
      length = math.max(base, LONGEST_OUTAGE)
      break
    end
    length = length * 2
  end
  t.outages, t.fence = t.outages + 1, M.counter('fence')
  M.remember_trouble(k, t)
  return NOW + length
end

-- Somebody has seen to the resource: the doubling starts anew.
function M.forget_outages(k)
  if not M.at(k).trouble then return end
  local t = M.trouble_of(k)
  if t.ending == ENDING_RELEASED then return M.forget_trouble(k) end
  t.outages = 0
  M.remember_trouble(k, t)
end

-- Tells all who wait for a resource that something has changed: with their names
-- alone, so that they ask.
function M.wake_all(k)
  local doms = {}
  for p in string.gmatch(M.at(k).pools, '(%d+):') do doms[M.pool(p).dom] = true end
  for _, c in ipairs(M.classes_in(doms)) do
    local lists = false
    for _, req in ipairs(M.class(c).reqs) do lists = lists or M.lists(req, k) end
    for _, member in ipairs(lists and call('ZRANGE', BASE .. 'q:' .. c, 0, -1) or {}) do
      local id = string.sub(member, 13)
      local w = M.get(id)
      if w then T.published[id] = { w.channel, id } end
    end
  end
end

-- Whether requirements cannot be met before a resource is enabled, even if all others
-- were free. Such a waiter reserves nothing: an outage can last for days, and what it
-- would keep aside can serve all others meanwhile.
function M.waits_for_outage(reqs)
  local out, lists, caps, want = M.outages(), {}, {}, 0 -- no difference: one candidate more is looked at
  for _, req in ipairs(reqs) do want = want + req.need end
  for r, req in ipairs(reqs) do
    lists[r], caps[r] = {}, {}
    for _, k in ipairs(M.candidates(req)) do
      if #lists[r] >= want then break end -- no difference: of a long list only a part can matter
      if not out[k] then
        table.insert(lists[r], k)
        caps[r][k] = math.max(1, req.seats)
      end
    end
  end
  local _, complete = M.assign(reqs, lists, caps)
  return not complete
end
