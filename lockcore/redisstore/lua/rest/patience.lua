-- Expectations are guesses and may be lies, so letting others past a waiter needs
-- a limit that does not depend on them: its patience. From the moment at which it
-- would be served if nobody had been let past it, it bears with that for PATIENCE
-- times as long as it has waited until then, and for LEAST_PATIENCE at least. After
-- that nobody is let past it any more.
--
--   0 s    a waiter comes, and a liar is let past it
--   30 s   but for the liar it could start: it is delayed from here on
--   120 s  its patience is over: 30 s + 3 times 30 s

-- When its patience ends: if it is not yet delayed, as if it were from now on.
function M.patience_end(w)
  local at = w.delayed > 0 and w.delayed or NOW -- no difference of 0: no moment is the first microsecond
  return at + math.max(LEAST_PATIENCE, PATIENCE * (at - w.since))
end

function M.impatient(who)
  if who.newcomer then return false end
  local w = M.get(who.id)
  if w.delayed == 0 then return false end -- no difference of 0: its patience ends later than now
  return NOW > M.patience_end(w)
end

-- The place in line of a lease that was let past earlier waiters.
function M.place_of(e)
  if not e.place then
    local rank, seq = string.match(e.past, '^(%-?%d+) (%d+)$')
    e.place = { rank = rank + 0,
      seq = seq + 0 } -- no difference: no two arrive at once
  end
  return e.place
end

-- Whether somebody who was let past others may stand behind a waiter in line, as far as the
-- looks at those before it in this pass tell.
function M.may_be_passed(line)
  for _, req in ipairs(line.reqs) do
    local latest = T.latest[req.pool]
    if not latest or M.is_before(line, latest) then return true end
  end
  return false
end

-- Somebody who stands there in line has what these pools list, and was let past others.
function M.note_place(place)
  for p, latest in pairs(T.latest) do
    if M.is_before(latest, place) then T.latest[p] = place end
  end
end

-- How a resource is taken without those let past a waiter; nil if none was.
function M.without_past(k, passed)
  local rest = { holds = {}, outside = M.at(k).outside }
  for _, h in ipairs(T.key[k].holds) do
    if not passed[h.id] then rest.holds[#rest.holds + 1] = h end
  end
  if #rest.holds == #T.key[k].holds then return end
  M.count(rest)
  return rest
end

-- The leases that were let past the waiter at which a line stands, among those that have
-- what it could use, as a set; nil if there are none, or if all who were let past anybody
-- have too little for it: then nobody looks at their leases.
function M.passed(line)
  if not M.may_be_passed(line) then return end -- no difference: a shortcut to what follows
  local ids, seen, units, seats = {}, {}, 0, 1 -- no difference: how much they have only spares a look
  for _, req in ipairs(line.reqs) do
    local keys = M.candidates(req)
    M.load(keys)
    seats = math.max(seats, req.seats) -- no difference: as above
    for _, k in ipairs(keys) do
      local u = M.at(k)
      if u.x == 0 then units = units + 1 end -- no difference: as above
      if not seen[k] then -- no difference: a lease is looked at twice
        seen[k] = true
        for _, h in ipairs(u.holds) do
          if h.past then ids[#ids + 1], units = h.id, units + h.units end
        end
      end
    end
  end
  if not ids[1] or units * seats < M.units_of(line) then return end -- no difference of or: as above
  M.load_leases(ids) -- no difference: they are only read in one call; M.glance reads the rest
  local passed
  local latest = { rank = -math.huge, seq = 0 } -- no difference: nobody stands before that
  for _, id in ipairs(ids) do
    local e = M.glance(id)
    if e and e.past then -- no difference: only those with a mark at the resource are asked about
      local place = M.place_of(e)
      if M.is_before(latest, place) then latest = place end
      -- It went to a request that came after the waiter, and out of what was reserved.
      if M.is_before(line, place) and e.token + 0 > M.get(line.id).fence then
        passed = passed or {}
        passed[id] = true
      end
    end
  end
  for _, req in ipairs(line.reqs) do T.latest[req.pool] = latest end
  return passed
end

-- Notes the moment from which a blocked waiter is kept waiting by nothing but
-- those who were let past it. It is called before the waiter reserves anything,
-- whenever a walk comes to it: so at the very step that gives back the last of
-- what it had to wait for anyway.
function M.note_delay(line)
  if line.newcomer or M.too_many(line.reqs) then return end
  local w = T.entity[line.id]
  if w and w.delayed > 0 then return end -- no difference of >, 0: no moment is the first microsecond
  -- A walk takes resources from nobody, and whoever it lets past has what a waiter would
  -- have: for one whom no reservation keeps from anything, the next walk of a pass finds
  -- what the one before found.
  if not next(T.reserved) then
    if T.noted[line.id] then return end -- no difference: a shortcut to what follows
    T.noted[line.id] = true -- no difference: the same
  end
  local passed = M.passed(line)
  if not passed then return end -- no difference: a shortcut: it could not be served before either
  w = M.get(line.id)
  if w.delayed > 0 then return end -- no difference of 0: no moment is the first microsecond
  local lists, caps, rest = {}, {}, {}
  for r, req in ipairs(line.reqs) do
    lists[r], caps[r] = M.candidates(req), {}
    for _, k in ipairs(lists[r]) do
      if rest[k] == nil then rest[k] = M.without_past(k, passed) or false end
      caps[r][k] = M.free(req, rest[k] or T.key[k], T.reserved[k])
    end
  end
  local _, complete = M.assign(line.reqs, lists, caps)
  if complete then
    w.delayed = NOW
    T.changed[line.id] = true
  end
end
