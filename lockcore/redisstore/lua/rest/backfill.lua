-- Backfill: a request may use what is reserved for waiters before it, if it is
-- expected to give it back before each of them could start anyway, that is, before
-- their shadow time (shadow.lua). Of whom nothing is known is never let past.

local FEW = 32 -- waiters that are sorted rather than found by walking -- no difference: only how fast the same waiter is found

-- How many waiters of a class are expected to hold for a known time.
function M.known(line)
  if not line.known then
    if line.newcomer then
      line.known = M.length(line.newcomer) and 1 or 0 -- no difference: M.expected knows it, too; this only spares the look
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
  if who.newcomer then return M.length(who.newcomer) end
  if not who.length then who.length = tonumber(call('ZSCORE', BASE .. 'e:' .. who.c, who.member) or nil) end
  return who.length
end

-- The moment before which whoever uses what is reserved for a waiter has to be
-- back; nil if nobody may use it.
function M.bound(who)
  if who.bound == nil then
    local at = not M.impatient(who) and M.shadow(who)
    who.bound = at and at < math.huge and at
  end
  return who.bound
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

-- Whether a request of this line that is expected back at the moment can be let
-- past. The line remembers up to when one has to be back for that; further
-- reservations can only make it earlier.
function M.may_pass(line, back)
  if line.limit and (back >= line.limit or line.claims == #T.claims) then return back < line.limit end -- no difference: a shortcut to what follows
  line.claims, line.limit = #T.claims, -math.huge
  if not M.fits(line.reqs, {}) then return false end
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
  local i = M.first_true(#bounds, function(i) return M.fits(line.reqs, M.against(bounds[i], true)) end)
  line.limit = bounds[i] or -math.huge
  return back < line.limit -- no difference: M.against counts a bound that is equal
end

-- What the waiter gets out of what is reserved for others; nil if that is not
-- enough.
function M.backfill(line)
  if M.known(line) == 0 then return end -- no difference: M.expected knows it, too
  local length = M.expected(line)
  if not length or not M.may_pass(line, NOW + length) then return end
  -- As much as it can of what nobody has reserved, so that nobody is passed
  -- without need.
  local unclaimed = M.match(line.reqs, false, T.reserved)
  local picks, complete = M.match_with(line.reqs, unclaimed, M.against(NOW + length))
  return complete and picks
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

-- Moves a line for which nothing is left to the next waiter that may be short
-- enough to be let past others; false if there is none.
function M.advance_short(line)
  if M.known(line) == 0 then return false end -- no difference: a shortcut: nobody would be found
  local e, most = BASE .. 'e:' .. line.c, '+inf'
  if line.limit then
    if line.limit <= NOW then return false end -- no difference: nothing takes less than no time
    most = string.format('(%.1f', line.limit - NOW)
  end
  if not line.short then
    local n = line.limit and call('ZCOUNT', e, '-inf', most) or line.known
    if n == 0 then return false end -- no difference: a shortcut: the list would be empty
    if n > FEW then return M.walk_short(line) end -- no difference: two ways to the same waiter
    line.short = M.in_rank(line, call('ZRANGEBYSCORE', e, '-inf', most, 'WITHSCORES'))
  end
  while line.short[1] do
    local w = table.remove(line.short, 1)
    if not line.limit or NOW + w.length < line.limit then
      line.member, line.id, line.rank, line.seq, line.length = w.member, string.sub(w.member, 13), w.rank, w.seq, w.length
      return true
    end
  end
  return false
end

function M.walk_short(line)
  while M.advance(line) do
    local length = M.expected(line)
    if length and (not line.limit or NOW + length < line.limit) then return true end
  end
  return false
end

-- Those of some waiters that stand behind the one at which the line stands.
function M.in_rank(line, list)
  local out = {}
  for i = 1, #list, 2 do
    local w = { member = list[i], length = tonumber(list[i + 1]), seq = tonumber(string.sub(list[i], 1, 12)) }
    w.rank = tonumber(call('ZSCORE', BASE .. 'q:' .. line.c, w.member))
    if w.rank and M.is_before(line, w) then out[#out + 1] = w end
  end
  table.sort(out, M.is_before)
  return out
end
