-- The shadow time of a blocked waiter: the earliest moment at which, by the
-- expected ends, everything that it asks for could be had at once. Never, which is
-- math.huge, if that hangs on a holder of whom nothing is known.

local TAKEN_IN = 1000 -- candidates; nobody is let past who has more -- no difference: a bound on the time that it takes, about a thousand

local NOBODY = { x = 0, s = 0, n = 0, m = 0 }

-- The candidates of a requirement, in its order.
function M.candidates(req)
  if req.keys then return req.keys end
  local keys = T.candidates[req.pool]
  if not keys then
    keys = M.words(call('HGET', LIST, req.pool) or '')
    T.candidates[req.pool] = keys
  end
  return keys
end

function M.too_many(reqs)
  local n = 0 -- no difference: about a thousand
  for _, req in ipairs(reqs) do n = n + (req.keys and #req.keys or M.pool(req.pool).size) end
  return n > TAKEN_IN -- no difference: about a thousand
end

-- What a shadow, or whoever was let past others, asks of a lease: of most of them nothing
-- else is looked at in a step, and the whole record takes several times as long to read.
function M.glance(id)
  local e = T.entity[id]
  if e == nil then e = T.glances[id] end -- no difference: a step changes none of this of a lease that it leaves where it is
  if e ~= nil then return e end
  local state, token, since, plan, rank, seq, said = string.match(M.field(id) or '', -- no difference of or: M.get reads the whole of it
    '^L (%a) (%d+) (%d+) [^\n]*\n[^\n]*\n[^\n]*\n([^|\n]*)|?(%-?%d*) ?(%d*)\n(%d+)')
  if not said then return M.get(id) end
  e = { state = state, token = token, since = since + 0, plan = plan, said = said + 0 }
  if seq ~= '' then
    e.past = true
    e.place = { rank = rank + 0,
      seq = seq + 0 } -- no difference: no two arrive at once
  end
  T.glances[id] = e
  return e
end

-- Reads the leases, or what M.glance takes of them, in one call.
function M.load_leases(ids)
  local miss = {}
  for _, id in ipairs(ids) do
    if T.entity[id] == nil then miss[#miss + 1] = id end -- no difference: they are only read in one call; M.glance reads the rest
  end
  M.load(miss)
end

-- A holder that has overrun is expected to take half as long again as it has taken:
-- whatever hangs has always taken longest already.
function M.expected_end(id)
  if T.ends[id] then return T.ends[id] end
  local e, at = M.glance(id), math.huge
  if e and (e.state == STATE_KEPT or e.state == STATE_SET_ASIDE or e.state == STATE_RESERVED or e.state == STATE_DISABLED) then
    at = tonumber(T.deadline[id] or call('ZSCORE', DUE, id) or NOW)
    if at >= FOR_EVER then at = math.huge end -- no difference: the same for ever: nobody is back by then
  elseif e then
    local length = M.length_of_lease(id, e)
    if length then
      at = e.since + length
      if at <= NOW then at = NOW + (NOW - e.since) / 2 end
    end
  end
  T.ends[id] = at
  return at
end

-- Who is in the way of a waiter, by candidate: holders until their expected ends,
-- and earlier waiters with what they reserve, until they have come and gone.
function M.takers(who)
  local out, keys, ids = {}, {}, {}
  for _, req in ipairs(who.reqs) do
    for _, k in ipairs(M.candidates(req)) do
      if not out[k] then
        out[k] = {}
        keys[#keys + 1] = k
      end
    end
  end
  M.load(keys)
  for _, k in ipairs(keys) do
    for _, h in ipairs(M.at(k).holds) do ids[#ids + 1] = h.id end -- no difference: they are only read in one call; M.glance reads the rest
  end
  M.load_leases(ids)
  for _, k in ipairs(keys) do
    local list = out[k]
    for _, h in ipairs(T.key[k].holds) do list[#list + 1] = { mode = h.mode, units = h.units, at = M.expected_end(h.id) } end
  end
  for i = 1, who.first - 1 do
    local _, req, k, other = unpack(T.claims[i])
    if out[k] then
      local length = M.expected(other) or
        0 -- no difference: a microsecond
      table.insert(out[k], { mode = req.mode, units = 1, at = M.shadow(other) + length })
    end
  end
  return out
end

-- The moments at which one unit more of a resource can be had, at most so many:
-- as many as all requirements need, for they take from the same ones.
function M.openings(req, k, takers, most)
  local out = {}
  if M.at(k).outside then return out end -- nobody knows until when
  local steps, seen = { NOW }, { [NOW] = true }
  for _, t in ipairs(takers) do
    if not seen[t.at] and t.at > NOW and t.at < math.huge then -- no difference: a moment twice, or over, or never, is skipped later
      seen[t.at] = true
      steps[#steps + 1] = t.at
    end
  end
  table.sort(steps)
  for _, at in ipairs(steps) do
    local units = {}
    for _, t in ipairs(takers) do
      if t.at > at then
        for _ = 1, t.units do M.plus(units, 1, t.mode) end
      end
    end
    for _ = #out + 1, math.min(M.free(req, units[1] or NOBODY), most) do out[#out + 1] = at end
    if #out >= most then break end -- no difference: more than most are not counted
  end
  return out
end

-- The moments at which nobody has one of these any more.
function M.ends_of(keys)
  local ids, all = {}, {}
  M.load(keys)
  for _, k in ipairs(keys) do
    for _, h in ipairs(M.at(k).holds) do ids[#ids + 1] = h.id end -- no difference: as in M.takers
  end
  M.load_leases(ids) -- no difference: as in M.takers
  for _, k in ipairs(keys) do
    local last = T.key[k].outside and math.huge or NOW -- nobody knows until when
    for _, h in ipairs(T.key[k].holds) do last = math.max(last, M.expected_end(h.id)) end
    if last < math.huge then all[#all + 1] = last end -- no difference of <: never at the end says the same as nothing there
  end
  return all
end

-- The moments at which one unit more can be had of what a waiter asks for, and these by
-- requirement and resource.
function M.openings_for(who)
  local takers, opens, all, want = M.takers(who), {}, {}, 0 -- no difference: one opening more is not needed
  for _, req in ipairs(who.reqs) do want = want + req.need end
  for r, req in ipairs(who.reqs) do
    opens[r] = {}
    for _, k in ipairs(M.candidates(req)) do
      opens[r][k] = M.openings(req, k, takers[k], want)
      for _, at in ipairs(opens[r][k]) do all[#all + 1] = at end
    end
  end
  return all, opens
end

function M.shadow(who)
  if who.shadow then return who.shadow end
  who.shadow = math.huge
  if M.too_many(who.reqs) then return who.shadow end
  local all, opens
  if #who.reqs == 1 and who.reqs[1].mode == 'x' and who.first == 1 then -- no difference of ==, 1: a shortcut to what follows
    all = M.ends_of(M.candidates(who.reqs[1]))
  else
    all, opens = M.openings_for(who)
  end
  table.sort(all)
  if #who.reqs == 1 then
    who.shadow = all[who.reqs[1].need] or math.huge
  else
    local i = M.first_true(#all, function(i) return M.startable_at(who.reqs, opens, all[i]) end)
    who.shadow = all[i] or math.huge
  end
  if who.shadow > NOW then T.look = math.min(T.look, who.shadow) end -- no difference: a look now or in a moment
  return who.shadow
end

-- The least i from 1 to n for which f holds, if it holds for all above; else n + 1.
function M.first_true(n, f)
  local lo, hi = 1, n + 1
  while lo < hi do
    local mid = math.floor((lo + hi) / 2)
    if f(mid) then hi = mid else lo = mid + 1 end
  end
  return lo
end

function M.startable_at(reqs, opens, at)
  local lists, caps = {}, {}
  for r, req in ipairs(reqs) do
    lists[r], caps[r] = {}, {}
    for _, k in ipairs(M.candidates(req)) do
      local c = 0
      while opens[r][k][c + 1] and opens[r][k][c + 1] <= at do c = c + 1 end
      if c > 0 then -- no difference of >: none is none, in the list or not
        table.insert(lists[r], k)
        caps[r][k] = c
      end
    end
  end
  local _, complete = M.assign(reqs, lists, caps)
  return complete
end
