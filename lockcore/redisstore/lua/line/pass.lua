-- Serves the waiters of some classes in the order of their rank: each gets
-- everything it asks for out of what is free and not reserved by those before
-- it, or reserves what it could use. Reservations are worked out anew in every
-- pass and stored nowhere, so they cannot be stale.
--
-- Once nothing is left for a class, the rest of its waiters are not looked at, but
-- for those that could be let past others (backfill.lua): a thousand waiters for one
-- pool cost what ten cost.

function M.is_before(a, b)
  if a.rank ~= b.rank then return a.rank < b.rank end -- no difference of <: the ranks differ
  return a.seq < b.seq -- no difference: no two arrive at once
end

-- The size of the page after one of the size, or of the first.
function M.larger(size) return math.min(4 * (size or 1), PAGE) end -- no difference of 4, 1: a page more or less

-- Moves a class to its next waiter; false at the end. It reads a few at first, for a
-- step that serves more than one or two of a class is rare, and each time more. The next
-- walk of the pass need not read the first page again.
function M.advance(line)
  if not line.page then
    line.page, line.i = T.heads[line.c] or M.page_of(line), 0
    T.heads[line.c], line.n = line.page, #line.page / 2
  end
  while line.i >= #line.page and line.page.full do
    line.page, line.i = M.page_of(line), 0
    line.n = line.n + #line.page / 2
  end
  local m = line.page[line.i + 1]
  if not m then return false end
  line.member, line.id = m, string.sub(m, 13)
  line.rank, line.seq = tonumber(line.page[line.i + 2]), tonumber(string.sub(m, 1, 12)) -- no difference of 1: the first of the twelve digits is 0
  line.i, line.length = line.i + 2, nil
  return true
end

-- The next page of a class.
function M.page_of(line)
  line.size = M.larger(line.size)
  local page = call('ZRANGE', BASE .. 'q:' .. line.c, line.n, line.n + line.size - 1, 'WITHSCORES')
  page.full = #page == 2 * line.size
  return page
end

-- Takes who was served out of the first page of a class.
function M.strike(c, member)
  local page = T.heads[c]
  local i = page and M.position(page, member)
  if i then
    table.remove(page, i)
    table.remove(page, i)
  end
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

-- Whether a later waiter of a class could get or reserve anything.
function M.any_left(reqs)
  for _, req in ipairs(reqs) do
    local left = false
    M.in_place(req.pool, true, function(k)
      local u = M.at(k)
      left = M.free(req, u, T.reserved[k]) > 0 or M.joinable(u, T.reserved[k]) -- no difference of >: a look at more of the line finds nothing left
      return left
    end)
    if left then return true end
    T.exhausted[req.pool] = true
  end
  return false
end

-- Whether a walk has found that nothing is left of what a line lists. What is left for
-- nobody of one class is left for nobody of another, in whatever mode that takes it.
function M.exhausted(line)
  for _, req in ipairs(line.reqs) do
    if not T.exhausted[req.pool] then return false end
  end
  return true
end

-- Makes a waiter the holder and has its process told. It has a few seconds to
-- confirm that it is still there. A newcomer is there.
function M.promote(line, picks, past)
  if past then
    local place = { rank = line.rank, seq = line.newcomer and M.count_up('seq') or line.seq }
    M.note_place(place)
    past = M.int(place.rank) .. ' ' .. M.int(place.seq)
  end
  for r, req in ipairs(line.reqs) do
    for _, k in ipairs(req.mode ~= 'x' and picks[r] or {}) do T.sharing[k] = true end -- no difference of ~=: M.move puts it among those that can be shared, too
  end
  if line.newcomer then
    line.newcomer.lease = M.grant(line.id, line.newcomer, line.reqs, picks, STATE_HELD, past)
    return
  end
  local w = M.get(line.id)
  local e = M.grant(line.id, w, line.reqs, picks, STATE_GRANTED, past)
  T.published[line.id] = { w.channel, M.told(line.id, e) }
  return w
end

-- The classes that may get or reserve something, each at its first waiter, and
-- the newcomer. While there are leases that were let past others, everybody's first
-- is looked at: it may be waiting for nothing but these.
function M.lines(classes, newcomer)
  local lines, all = {}, M.guarded()
  for _, c in ipairs(classes) do
    local e = M.class(c)
    for _, req in ipairs(e and e.reqs or {}) do
      if all or M.any_listed(req.pool) then
        local line = { c = c, n = 0, reqs = e.reqs }
        if M.advance(line) then lines[#lines + 1] = line end
        break
      end
    end
  end
  table.sort(lines, M.is_before)
  if newcomer and not newcomer.lease then
    M.enter(lines, { id = newcomer.id, rank = newcomer.rank, seq = newcomer.seq, reqs = newcomer.reqs, newcomer = newcomer })
  end
  return lines
end

-- Whether this is a walk in which anybody may be let past others; whether there is
-- anybody with something reserved; and whether there are leases of such as were let
-- past.
function M.lenient() return not T.looking and M.rules() == POLICY_BACKFILL end

function M.backfills() return T.claims[1] and M.lenient() end

function M.guarded()
  return M.lenient() and M.counter('past') ~= 0 -- no difference of and: without such leases a look for them finds none
end

-- Whether the lists of a line were empty when the walk began: then nobody of it can get
-- or reserve anything, or be let past others.
function M.in_vain(line)
  if line.in_vain == nil then -- no difference: a shortcut: a look at the lists finds nothing either
    line.in_vain = not line.newcomer -- no difference: a shortcut: a newcomer may use lists that nobody waits for
    for _, req in ipairs(line.reqs) do line.in_vain = line.in_vain and not M.any_listed(req.pool) end
  end
  return line.in_vain
end

-- Serves the waiter at which a line stands, or has it reserve what it could use.
-- Returns who was served if it stood in line.
function M.serve(line)
  if M.counter('outages') > 0 and M.waits_for_outage(line.reqs) then -- no difference of >: without outages nobody waits for one
    line.spent = true
    return
  end
  if M.in_vain(line) then
    if M.guarded() then M.note_delay(line) end
    line.spent = true
    return
  end
  local exhausted = M.exhausted(line)
  local picks, complete
  if not exhausted then picks, complete = M.match(line.reqs, false, T.reserved) end
  if complete then return M.promote(line, picks) end
  if M.backfills() then M.consider(line) end
  if M.guarded() then M.note_delay(line) end
  if exhausted then
    line.spent = true
    return
  end
  M.reserve(line)
  line.spent = line.newcomer or not M.any_left(line.reqs)
end

-- One walk along the lines. It ends with the one that it lets past others, because
-- those have to reserve anew before anybody else looks at what is left. Who that is,
-- is chosen among all who could be.
function M.walk(classes, newcomer)
  T.reserved, T.claims, T.sharing, T.ends, T.exhausted, T.look, T.best = {}, {}, {}, {}, {}, math.huge, nil
  M.keep_sources()
  local lines, left, stay = M.lines(classes, newcomer), {}, {}
  while lines[1] do
    local line = table.remove(lines, 1)
    local w = M.serve(line)
    if w then left[#left + 1] = { line.id, w } else stay[line.c or ''] = true end
    if line.newcomer then
      -- Those behind it get nothing by what it does, unless they may be let past.
      if not lines[1] or not M.lenient() or not M.any_known(lines) then break end -- no difference: a longer walk gives nothing
    elseif not line.spent then
      if M.advance(line) then M.enter(lines, line) end
    elseif M.backfills() and not line.in_vain then -- no difference: a shortcut: nobody of it would be let past
      M.consider_rest(line)
    end
  end
  -- Only now, for the walk counts by rank.
  for _, w in ipairs(left) do M.leave(w[1], w[2]) end
  for c in pairs(stay) do -- somebody still stands there
    if T.touched then T.touched[c] = nil end
  end
  return T.best and M.let_one_past()
end

-- Walks until nobody was let past others. A newcomer, who is not in line yet, gets
-- a lease if it is served.
function M.pass(classes, newcomer)
  T.noted, T.latest, T.source, T.heads = {}, {}, {}, {}
  repeat until not M.walk(classes, newcomer)
end
