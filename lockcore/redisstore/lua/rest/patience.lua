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
  local at = w.delayed > 0 and w.delayed or NOW -- no difference: no moment is the first microsecond
  return at + math.max(LEAST_PATIENCE, PATIENCE * (at - w.since))
end

function M.impatient(who)
  if who.newcomer then return false end
  local w = M.get(who.id)
  if w.delayed == 0 then return false end -- no difference: its patience ends later than now
  return NOW > M.patience_end(w)
end

-- Whether a lease went to a request that came after the waiter in line, and out of
-- what was reserved.
function M.let_past(id, w)
  local e = M.get(id)
  if not e or not e.past then return false end -- no difference: only those with a mark at the resource are asked about
  if e.token <= w.fence then return false end
  local rank, seq = string.match(e.past, '^(%-?%d+) (%d+)$')
  return M.is_before(w, { rank = tonumber(rank), seq = tonumber(seq) })
end

-- How a resource is taken without those let past the waiter; nil if none was.
function M.without_past(k, w)
  local rest = { holds = {}, outside = M.at(k).outside }
  for _, h in ipairs(T.key[k].holds) do
    if not h.past or not M.let_past(h.id, w) then rest.holds[#rest.holds + 1] = h end
  end
  if #rest.holds == #T.key[k].holds then return end
  M.count(rest)
  return rest
end

-- Notes the moment from which a blocked waiter is kept waiting by nothing but
-- those who were let past it. It is called before the waiter reserves anything,
-- whenever a walk comes to it: so at the very step that gives back the last of
-- what it had to wait for anyway.
function M.note_delay(line)
  if line.newcomer or M.too_many(line.reqs) then return end
  local w = M.get(line.id)
  if w.delayed > 0 then return end -- no difference: no moment is the first microsecond
  -- Most wait for more than those have who were let past anybody: that is found out
  -- without a look at their leases.
  local lists, caps, could, past, ids, seen = {}, {}, 0, 0, {}, {} -- no difference: these only spare a look
  for r, req in ipairs(line.reqs) do
    lists[r], caps[r] = M.candidates(req), {}
    M.load(lists[r])
    for _, k in ipairs(lists[r]) do
      could = could + M.free(req, M.at(k), T.reserved[k])
      for _, h in ipairs(not seen[k] and T.key[k].holds or {}) do
        if h.past then
          past, ids[#ids + 1] = past + h.units, h.id -- no difference: as above
        end
      end
      seen[k] = true
    end
  end
  local seats = 1 -- no difference: as above
  for _, req in ipairs(line.reqs) do seats = math.max(seats, req.seats) end
  if past == 0 or could + past * seats < M.units_of(line) then return end -- no difference: a shortcut to what follows
  M.open(ids) -- no difference: they are only read in one call; M.get reads the rest
  local rest, any = {}, false
  for r, req in ipairs(line.reqs) do
    for _, k in ipairs(lists[r]) do
      if rest[k] == nil then rest[k] = M.without_past(k, w) or false end
      any = any or rest[k]
      caps[r][k] = M.free(req, rest[k] or T.key[k], T.reserved[k])
    end
  end
  if not any then return end
  local _, complete = M.assign(line.reqs, lists, caps)
  if complete then
    w.delayed = NOW
    T.changed[line.id] = true
  end
end
