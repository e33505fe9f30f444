-- Backfill: a request may use what is reserved for waiters before it, if it is
-- expected to give it back before each of them could start anyway, that is, before
-- their shadow time (shadow.lua), or what they were promised.

-- How many waiters of a class are expected to hold for a known time.
function M.known(line)
  if not line.known then
    if line.newcomer then
      line.known = M.expectation(line.newcomer) and 1 or 0 -- no difference: M.expected knows it, too; this only spares the look
    else
      line.known = call('ZCARD', BASE .. 'e:' .. line.c)
    end
  end
  return line.known
end

function M.any_known(lines)
  for _, line in ipairs(lines) do
    if M.known(line) > 0 then return true end -- no difference: the walk would find nobody to let past
  end
  return false
end

-- How long the waiter at which a line stands, or one that has claims, is expected
-- to hold; nil if nobody knows.
function M.expected(who)
  if who.newcomer then return M.expectation(who.newcomer) end
  if not who.length then
    local score = call('ZSCORE', BASE .. 'e:' .. who.c, ranked(who.rank, who.member))
    who.length = score and score + 0 or nil -- some interpreters' tonumber does not read 6e+8
  end
  return who.length
end

-- The moment before which whoever uses what is reserved for a waiter has to be back;
-- false if nobody may use it. It is the later one of its shadow time and its promise,
-- unless that is too far away: within a part of the time until its shadow time, or of
-- its patience, whoever hangs is back about when that is over.
function M.bound(who)
  if who.bound == nil then
    local s = M.impatient(who) and math.huge or M.shadow(who)
    who.bound = s < math.huge and NOW + M.room(who, s - NOW)
  end
  return who.bound
end

-- The same from now on, for a waiter that can start in so long; in whole microseconds,
-- as the scheduler has it.
function M.room(who, ahead)
  local w = who.newcomer or M.get(who.id)
  local near = math.max(ahead / SHADOW_SHARE, (M.patience_end(w) - NOW) / PATIENCE_SHARE)
  local latest = math.max(ahead, w.promise - NOW)
  -- When its patience has grown, there may be one to be let past.
  if near < latest and w.delayed == 0 then T.look = math.min(T.look, w.since + 2 * near) end -- no difference: a look now or in a moment
  return math.floor(math.min(latest, near))
end

-- Makes a promise to every waiter with a claim on what a line lists, unless it has one
-- or nobody knows when it could start: by when that will be at the latest, as long as
-- its patience lasts. It is called when somebody of the line is looked at that could be
-- let past others.
function M.promise(line)
  for i = (line.promised or 0) + 1, #T.claims do -- no difference: who has a promise keeps it
    local _, _, k, who = unpack(T.claims[i])
    local w = who.newcomer or M.get(who.id)
    local lists = false
    for _, req in ipairs(w.promise == 0 and line.reqs or {}) do lists = lists or M.lists(req, k) end
    local ahead = lists and M.shadow(who) - NOW or math.huge
    if ahead < math.huge then
      local delay = (NOW + ahead - w.since) / PROMISE_PART - NOT_DELAYED
      w.promise = math.min(NOW + math.floor(ahead + math.max(0, delay)), FOR_EVER) -- no difference: for ever is for ever
      if not who.newcomer then T.changed[who.id] = true end
    end
  end
  line.promised = #T.claims
end

-- The reservations that count against who is expected back at the moment, or, with
-- before, at any moment before it.
function M.against(back, before)
  local units = {}
  for _, c in ipairs(T.claims) do
    local b = M.bound(c[4])
    if not b or b < back or b == back and not before then M.plus(units, c[3], c[2].mode) end
  end
  return units
end

-- Whether the requirements can be met beside holdings and some reservations.
function M.fits(reqs, reserved)
  local _, complete = M.match(reqs, true, reserved)
  return complete
end

-- The moment before which a request of this line has to be back to be let past. The
-- line remembers it; further reservations can only make it earlier.
function M.limit(line)
  if line.claims == #T.claims then return line.limit end -- no difference: a shortcut to what follows
  line.claims, line.limit = #T.claims, -math.huge
  if not M.fits(line.reqs, {}) then return line.limit end
  local bounds, seen = {}, {}
  for _, c in ipairs(T.claims) do
    for _, req in ipairs(line.reqs) do
      local b = M.lists(req, c[3]) and M.bound(c[4])
      if b and not seen[b] then
        seen[b] = true
        bounds[#bounds + 1] = b
      end
    end
  end
  table.sort(bounds, function(a, b) return a > b end) -- no difference: no two are equal
  local i = M.first_true(#bounds, function(i)
    local units = M.against(bounds[i], true)
    return not next(units) or M.fits(line.reqs, units) -- no difference: that it fits beside nothing is known by now
  end)
  line.limit = bounds[i] or -math.huge
  return line.limit
end

-- Whether a request of this line that is expected back at the moment can be let past.
function M.may_pass(line, back)
  if line.limit and back >= line.limit then return false end -- no difference: a shortcut to what follows
  return back < M.limit(line) -- no difference: M.against counts a bound that is equal
end

-- The time for which a waiter keeps resources from others, as a share of the time that
-- it has stood in line, times the root of how many: who has the least is let past first.
function M.score(line, length, rank)
  local wait = math.max(0, NOW - rank) -- no difference: a microsecond is nothing beside FRESH_WAIT
  return length * math.sqrt(M.units_of(line)) / (wait + FRESH_WAIT)
end

function M.units_of(line)
  if not line.units then
    line.units = 0
    for _, req in ipairs(line.reqs) do line.units = line.units + req.need end
  end
  return line.units
end

-- Whether nobody as good is known yet. In Go, the first of equals in line wins, and so
-- it does here: see M.consider_rest.
function M.better(line, who, length)
  local score, best = M.score(line, length, who.rank), T.best
  return not best or score < best.score or score == best.score and M.is_before(who, best)
end

-- Notes a waiter of this line, or the newcomer, as the one to be let past others.
function M.propose(line, who, length)
  local score = M.score(line, length, who.rank)
  T.best = { score = score, claims = #T.claims, length = length, line = line, id = who.id, rank = who.rank, seq = who.seq }
end

-- Considers the waiter at which a line stands.
function M.consider(line)
  if line.known == 0 then return end -- no difference: M.expected knows it, too
  local length = M.expected(line)
  if not length then
    M.known(line) -- no difference: it spares the look at who stands behind it
    return
  end
  M.promise(line)
  if M.better(line, line, length) and M.may_pass(line, NOW + length) then M.propose(line, line, length) end
end

-- Considers all who stand behind that one, once nothing is left for their line. Of
-- those who are expected to hold for the same time, the first in line has waited
-- longest. The longer they hold, the worse they are, and none has waited for longer
-- than the one at which the line stands: so most need no look.
function M.consider_rest(line)
  if line.i >= #line.page and not line.page.full then return end -- no difference: a shortcut: nobody stands behind it
  if line.known == 0 then return end -- no difference: a shortcut: nobody would be found
  local e, from, skip, size = BASE .. 'e:' .. line.c, '-inf', 0, nil
  while true do
    size = M.larger(size)
    local page = call('ZRANGEBYSCORE', e, from, '+inf', 'WITHSCORES', 'LIMIT', skip, size)
    local seen, length
    for i = 1, #page, 2 do
      length = page[i + 1] + 0 -- as in M.expected
      if length ~= seen then
        local m = page[i]
        local seq = tonumber(string.sub(m, 17, 28)) -- no difference: the first of the twelve digits is 0
        local w = { rank = tonumber(string.sub(m, 1, 16)) - RANK_SHIFT, seq = seq, id = string.sub(m, 29) }
        if M.is_before(line, w) then
          M.promise(line)
          if T.best and M.score(line, length, line.rank) > T.best.score then return end -- no difference: a shortcut: nobody better would be found
          if M.better(line, w, length) then
            if not M.may_pass(line, NOW + length) then return end
            M.propose(line, w, length)
          end
          seen = length
        end
      end
    end
    if #page < 2 * size then return end
    if seen == length then
      -- All others hold for a microsecond more at least.
      if T.best and M.score(line, length + 1, line.rank) > T.best.score then return end -- no difference: a shortcut: nobody better would be found
      from, skip = '(' .. M.int(length), 0
    else
      skip = skip + size
    end
  end
end

-- What the one to be let past gets out of what is reserved for those before it; nil
-- if that is not enough. Those behind it have no claim against it.
function M.past_others(best)
  local all, before = T.claims, {}
  for i = 1, best.claims do before[i] = all[i] end
  T.claims = before
  -- As much as it can of what nobody has reserved, so that nobody is passed
  -- without need.
  local unclaimed = M.match(best.line.reqs, false, M.against(math.huge))
  local picks, complete = M.match_with(best.line.reqs, unclaimed, M.against(NOW + best.length))
  T.claims = all
  return complete and picks
end

-- Lets the best of those past who could be. Returns whether there is one, and who it
-- is if it stood in line.
function M.let_one_past()
  local best = T.best
  local picks = best and M.past_others(best)
  if not picks then return false end
  local rank = best.line.newcomer and best.rank or M.get(best.id).rank
  local w = M.promote({ id = best.id, rank = rank, seq = best.seq, reqs = best.line.reqs, newcomer = best.line.newcomer }, picks, true)
  if w then M.leave(best.id, w) end
  return true
end

-- A matching that looks first at what each requirement has.
function M.match_with(reqs, has, reserved)
  local want, lists, caps = 0, {}, {} -- no difference: it looks at one candidate more
  for _, req in ipairs(reqs) do want = want + req.need end
  for r, req in ipairs(reqs) do
    local mine, first, rest, cap, sum, left = {}, {}, {}, {}, 0, 0 -- no difference: it looks at more candidates than it needs
    for _, k in ipairs(has[r]) do
      if not mine[k] then
        mine[k] = true
        left = left + 1 -- no difference: it looks at more candidates than it needs
      end
    end
    M.visit(req, false, function(k)
      local c = M.free(req, M.at(k), reserved[k])
      if c > 0 and not cap[k] then -- no difference: a candidate without units is never picked, and none is listed twice
        local list = mine[k] and first or rest
        list[#list + 1] = k
        cap[k] = c
        sum = sum + c
        if mine[k] then left = left - 1 end -- no difference: it looks at more candidates than it needs
      end
      return sum >= want and left == 0 -- no difference: it looks at more candidates than it needs
    end, want)
    for _, k in ipairs(rest) do first[#first + 1] = k end
    lists[r], caps[r] = first, cap
  end
  return M.assign(reqs, lists, caps)
end
