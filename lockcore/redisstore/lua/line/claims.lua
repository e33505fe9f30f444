-- What a blocked waiter keeps aside for itself: free resources that it could use,
-- and such as it waits to have without those who share them now.

-- Adds a unit of a resource to a table of units.
function M.plus(units, k, mode)
  local u = units[k] or { x = 0, s = 0, n = 0, m = 0 }
  units[k] = u
  if mode == 'x' then
    u.x = u.x + 1 -- no difference: that anybody has it alone is all that counts
  elseif mode == 's' then
    u.s = u.s + 1 -- no difference: that anybody shares it is all that counts
  else
    local seats = M.seats_of(mode)
    u.n = u.n + 1
    if u.m == 0 or seats < u.m then u.m = seats end -- no difference of <: of two equal numbers either is the smaller one
  end
end

function M.lists(req, k)
  if req.keys then return M.position(req.keys, k) end
  return string.match(' ' .. M.at(k).pools, ' ' .. req.pool .. ':')
end

-- Reserves a unit for requirement r, or for one that lists the resource too and
-- wants it for itself: which of them gets it is open until all are met, and
-- readers must not slip in meanwhile.
function M.claim(who, r, k)
  local reqs = who.reqs
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
  T.claims[#T.claims + 1] = { who.id, req, k, who }
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
  table.sort(order, function(a, b) return places[a] < places[b] end) -- no difference: no two have the same place
  for _, k in ipairs(order) do look(k) end
  return out
end

-- Extends a matching over the free resources by such that are to be drained: kept
-- from newcomers until they are free. Each requirement looks at what it has
-- first, then at those, so that every free resource that was matched stays so.
function M.with_drained(reqs, picks)
  local any, drains, want = false, {}, 0 -- no difference: some candidates more are looked at
  for r, req in ipairs(reqs) do
    drains[r] = M.drains_of(req)
    any = any or #drains[r] > 0 -- no difference of >: without drains the matching stays what it is
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
    for _, k in ipairs(picks[r]) do take(k, drained[k] or M.free(req, M.at(k), T.reserved[k])) end -- no difference: what has no units here gets them from the last loop
    for _, k in ipairs(drains[r]) do take(k, drained[k]) end
    local rest, units = M.available(req, true, want, T.reserved)
    for _, k in ipairs(rest) do take(k, units[k]) end
    lists[r], caps[r] = list, cap
  end
  return (M.assign(reqs, lists, caps))
end

function M.reserve(line)
  local who = { id = line.id, c = line.c, member = line.member, rank = line.rank, seq = line.seq, reqs = line.reqs,
    newcomer = line.newcomer, first = #T.claims + 1 }
  for r, list in ipairs(M.with_drained(line.reqs, M.match(line.reqs, true, T.reserved))) do
    for _, k in ipairs(list) do M.claim(who, r, k) end
  end
end
