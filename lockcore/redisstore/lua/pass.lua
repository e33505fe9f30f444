-- Serves the waiters of some classes in the order of their rank: each gets
-- everything it asks for out of what is free and not reserved by those before
-- it, or reserves what it could use. Reservations are worked out anew in every
-- pass and stored nowhere, so they cannot be stale.
--
-- Once nothing is left for a class, the rest of its waiters are not looked at: a
-- thousand waiters for one pool cost what ten cost.

-- T.claims: of the last pass, as { id, requirement, resource }
-- T.sharing: resources that this pass reserved or gave away, but not to one alone

function M.is_before(a, b)
  if a.rank ~= b.rank then return a.rank < b.rank end
  return a.seq < b.seq
end

-- Moves a class to its next waiter; false at the end.
function M.advance(line)
  if not line.page or line.i >= #line.page and #line.page == 2 * PAGE then
    line.page = call('ZRANGE', BASE .. 'q:' .. line.c, line.n, line.n + PAGE - 1, 'WITHSCORES')
    line.n, line.i = line.n + PAGE, 0
  end
  local m = line.page[line.i + 1]
  if not m then return false end
  line.rank, line.seq, line.id = tonumber(line.page[line.i + 2]), tonumber(string.sub(m, 1, 12)), string.sub(m, 13)
  line.i = line.i + 2
  return true
end

-- Puts a class back at its place among the others.
function M.enter(lines, line)
  local lo, hi = 1, #lines + 1
  while lo < hi do
    local mid = math.floor((lo + hi) / 2)
    if M.is_before(lines[mid], line) then lo = mid + 1 else hi = mid end
  end
  table.insert(lines, lo, line)
end

-- Whether a later waiter with these requirements could get or reserve anything.
function M.any_left(reqs)
  local left = false
  for _, req in ipairs(reqs) do
    local function look(k)
      local u = M.at(k)
      left = M.free(req, u, T.reserved[k]) > 0 or M.joinable(u, T.reserved[k])
      return left
    end
    if req.keys then
      M.visit(req, true, look)
    else
      M.in_place(req.pool, true, look)
    end
    if left then return true end
  end
  return false
end

-- Adds a unit of a resource to a table of units.
function M.plus(units, k, mode)
  local u = units[k] or { x = 0, s = 0, n = 0, m = 0 }
  units[k] = u
  if mode == 'x' then
    u.x = u.x + 1
  elseif mode == 's' then
    u.s = u.s + 1
  else
    local seats = M.seats_of(mode)
    u.n = u.n + 1
    if u.m == 0 or seats < u.m then u.m = seats end
  end
end

function M.lists(req, k)
  if req.keys then return M.position(req.keys, k) end
  return string.match(' ' .. M.at(k).pools, ' ' .. req.pool .. ':')
end

-- Reserves a unit for requirement r, or for one that lists the resource too and
-- wants it for itself: which of them gets it is open until all are met, and
-- readers must not slip in meanwhile.
function M.claim(id, reqs, r, k)
  local req = reqs[r]
  if req.mode == 's' then
    for _, other in ipairs(reqs) do
      if other.mode ~= 's' and M.lists(other, k) then
        req = other
        break
      end
    end
  end
  M.plus(T.reserved, k, req.mode)
  if req.mode ~= 'x' then T.sharing[k] = true end
  T.claims[#T.claims + 1] = { id, req, k }
end

-- The candidates that others could join and the requirement could not, in order.
-- One that was vacant when the pass began is among them only if it was reserved
-- or given away since, for sharing.
function M.drains_of(req)
  local out = {}
  local function look(k)
    local u = M.at(k)
    if M.joinable(u, T.reserved[k]) and M.free(req, u, T.reserved[k]) == 0 then out[#out + 1] = k end
  end
  if req.keys then
    M.visit(req, true, look)
    return out
  end
  local s, order, places = M.source(req.pool), {}, {}
  for i, k in ipairs(s.soft) do
    order[i], places[k] = k, s.softplace[i]
  end
  for k in pairs(T.sharing) do
    local i = string.match(' ' .. M.at(k).pools, ' ' .. req.pool .. ':(%d+)')
    if i and not places[k] then
      order[#order + 1], places[k] = k, tonumber(i)
    end
  end
  table.sort(order, function(a, b) return places[a] < places[b] end)
  for _, k in ipairs(order) do look(k) end
  return out
end

-- Extends a matching over the free resources by such that are to be drained: kept
-- from newcomers until they are free. Each requirement looks at what it has
-- first, then at those, so that every free resource that was matched stays so.
function M.with_drained(reqs, picks)
  local any, drains, want = false, {}, 0
  for r, req in ipairs(reqs) do
    drains[r] = M.drains_of(req)
    any = any or #drains[r] > 0
    want = want + req.need
  end
  if not any then return picks end
  local lists, caps = {}, {}
  for r, req in ipairs(reqs) do
    local list, cap = {}, {}
    local function take(k, c)
      if not cap[k] then
        list[#list + 1] = k
        cap[k] = c
      end
    end
    for _, k in ipairs(drains[r]) do cap[k] = math.max(1, req.seats) end
    local drained = cap
    cap = {}
    for _, k in ipairs(picks[r]) do take(k, drained[k] or M.free(req, M.at(k), T.reserved[k])) end
    for _, k in ipairs(drains[r]) do take(k, drained[k]) end
    local rest, units = M.available(req, true, want)
    for _, k in ipairs(rest) do take(k, units[k]) end
    lists[r], caps[r] = list, cap
  end
  return (M.assign(reqs, lists, caps))
end

-- What somebody gets, or nil after reserving what they could use.
function M.serve(id, reqs)
  local picks, complete = M.match(reqs, false)
  if complete then return picks end
  picks = M.match(reqs, true)
  for r, list in ipairs(M.with_drained(reqs, picks)) do
    for _, k in ipairs(list) do M.claim(id, reqs, r, k) end
  end
end

-- Makes a waiter the holder and has its process told. It has a few seconds to
-- confirm that it is still there.
function M.promote(id, reqs, picks)
  local w = M.get(id)
  local e = M.grant(id, w, reqs, picks, 'g')
  for r, req in ipairs(reqs) do
    for _, k in ipairs(req.mode ~= 'x' and picks[r] or {}) do T.sharing[k] = true end
  end
  T.published[id] = { w.channel, id .. ' ' .. M.int(e.token) .. ' ' .. e.got }
end

-- One walk along the line of the classes. With a newcomer, who is not in line
-- yet, it ends when they have been looked at, and returns what they get.
function M.pass(classes, newcomer)
  if T.moves then M.flush_moves() end
  T.reserved, T.source, T.claims, T.sharing = {}, {}, {}, {}
  local lines, served, given = {}, {}, nil
  for _, c in ipairs(classes) do
    local e = M.class(c)
    for _, req in ipairs(e and e.reqs or {}) do
      if M.any_listed(req.pool) then
        local line = { c = c, n = 0, reqs = e.reqs }
        if M.advance(line) then lines[#lines + 1] = line end
        break
      end
    end
  end
  table.sort(lines, M.is_before)
  while lines[1] or newcomer do
    local line = lines[1]
    if newcomer and (not line or M.is_before(newcomer, line)) then
      given = M.serve(newcomer.id, newcomer.reqs)
      break
    end
    table.remove(lines, 1)
    local picks = M.serve(line.id, line.reqs)
    if picks then
      served[#served + 1] = { line.id, M.get(line.id) }
      M.promote(line.id, line.reqs, picks)
    end
    if (picks or M.any_left(line.reqs)) and M.advance(line) then M.enter(lines, line) end
  end
  -- Only now, for the walk counts by rank.
  for _, s in ipairs(served) do M.leave(s[1], s[2]) end
  return given
end
