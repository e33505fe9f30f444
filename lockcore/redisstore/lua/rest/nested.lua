-- A nested request is one of a program that holds other leases meanwhile. Reservations
-- alone can keep it waiting for ever:
--
--   a suite holds the rack
--   A waits for rack and board, and has the board reserved
--   a test of the suite asks for the board: it waits for A, and A for the suite
--
-- So the claims of waiters that are stuck in such a circle do not count against a
-- nested waiter in it. That costs nobody a start: none of them can start before
-- one of the circle does.

-- The whole line, by rank.
function M.everybody()
  local line = {}
  for _, c in ipairs(M.all_classes()) do
    local q = call('ZRANGE', BASE .. 'q:' .. c, 0, -1, 'WITHSCORES')
    for i = 1, #q, 2 do
      local seq = string.sub(q[i], 1, 12) -- no difference: the first of twelve digits is 0 for a hundred billion requests
      line[#line + 1] = { id = string.sub(q[i], 13), seq = tonumber(seq), rank = tonumber(q[i + 1]), c = c, claims = {} }
    end
  end
  table.sort(line, M.is_before)
  return line
end

-- Whether a look at the whole line can be worth its cost: reservations alone must keep
-- a nested waiter waiting, and a resource that a nested waiter holds must be waited
-- for.
function M.tangled(nest)
  local ids, parents, blocked, watched = {}, {}, false, false
  for i = 1, #nest, 2 do table.insert(ids, nest[i]) end
  M.open(ids)
  T.source = {}
  for i = 1, #nest, 2 do
    for _, p in ipairs(M.words(T.entity[nest[i]].parents)) do parents[#parents + 1] = p end
    if not blocked then
      local _, complete = M.match(M.class(nest[i + 1]).reqs, true, {})
      blocked = complete
    end
  end
  if not blocked then return false end
  M.open(parents)
  for _, p in ipairs(parents) do
    if T.entity[p] and T.entity[p].kind == 'L' then
      local keys = M.keys_of(T.entity[p].got)
      M.load(keys)
      for _, k in ipairs(keys) do watched = watched or M.at(k).pools ~= '' end
    end
  end
  return watched
end

-- How the resources are taken that stuck waiters hold while they wait.
function M.pinned_by(line, stuck)
  local units, seen = {}, {}
  for _, w in ipairs(line) do
    local e = stuck[w.id] and w.nested and T.entity[w.id]
    for _, p in ipairs(e and M.words(e.parents) or {}) do
      if not seen[p] and M.get(p) and T.entity[p].kind == 'L' then
        seen[p] = true
        for mode, rest in string.gmatch(T.entity[p].got, '([^ |]+) ([^|]*)') do
          for k in string.gmatch(rest, '%S+') do M.plus(units, k, mode) end
        end
      end
    end
  end
  return units
end

-- Whether the requirements could be met if nothing were taken but what the units
-- say. Of a long list only a part can matter.
function M.startable(reqs, pinned, claimed, special)
  local want, list, cap = special, {}, {}
  for _, req in ipairs(reqs) do want = want + req.need end
  for r, req in ipairs(reqs) do
    list[r], cap[r] = {}, {}
    for _, k in ipairs(M.candidates(req)) do
      if #list[r] >= want then break end -- no difference: more than that cannot matter
      local c = M.free(req, pinned[k] or { x = 0, s = 0, n = 0, m = 0 }, claimed[k])
      if c > 0 then -- no difference: a candidate without units is never picked
        table.insert(list[r], k)
        cap[r][k] = c
      end
    end
  end
  local _, complete = M.assign(reqs, list, cap)
  return complete
end

-- The waiters that are stuck. All are taken to be, until it is shown that they are
-- not: a waiter will be served sooner or later if it could be when all leases were
-- given back but those of stuck waiters, and stuck waiters alone kept their claims.
function M.stuck_of(line)
  local stuck = {}
  for _, w in ipairs(line) do stuck[w.id] = true end
  local go_on = true
  while go_on do
    go_on = false
    local pinned, claimed, special = M.pinned_by(line, stuck), {}, #T.claims
    for _ in pairs(pinned) do special = special + 1 end -- no difference: of a long list, more is looked at than can matter
    for _, w in ipairs(line) do
      if stuck[w.id] then
        if M.startable(M.class(w.c).reqs, pinned, claimed, special) then
          stuck[w.id] = nil
          go_on = true
        else
          for _, c in ipairs(w.claims) do M.plus(claimed, c[3], c[2].mode) end
        end
      end
    end
  end
  return stuck
end

-- Serves the first nested waiter that is stuck and can be served beside the
-- claims of those who are not. The last pass must have been one over all classes.
function M.untangle(nest)
  local line, byid = M.everybody(), {}
  for _, w in ipairs(line) do byid[w.id] = w end
  for _, c in ipairs(T.claims) do table.insert(byid[c[1]].claims, c) end
  for i = 1, #nest, 2 do
    if byid[nest[i]] then byid[nest[i]].nested = true end
  end
  local stuck, reserved = M.stuck_of(line), {}
  for _, w in ipairs(line) do
    if not stuck[w.id] then
      for _, c in ipairs(w.claims) do M.plus(reserved, c[3], c[2].mode) end
    elseif w.nested then
      T.source = {}
      local reqs, e = M.class(w.c).reqs, T.entity[w.id]
      local picks, complete = M.match(reqs, false, reserved)
      if complete then
        M.promote({ id = w.id, reqs = reqs }, picks)
        M.leave(w.id, e)
        return true
      end
    end
  end
  return false
end
