-- Requests of those who hold other leases meanwhile can be kept waiting by
-- reservations alone: a suite holds the rack, and its test wants the board;
-- somebody before it in line wants both, and has the board reserved. He will not
-- get the rack before the test is done, and the test not the board.
--
-- So claims of waiters that are stuck in such a circle do not count against a
-- nested waiter in it. That costs nobody a start: none of them can start before
-- one of the circle does.

local function all_classes()
  local out = {}
  for _, f in ipairs(call('HKEYS', REG)) do
    local c = smatch(f, '^C(%d+)$')
    if c then out[#out + 1] = c end
  end
  return out
end

-- The whole line, by rank.
local function everybody()
  local line = {}
  for _, c in ipairs(all_classes()) do
    local q = call('ZRANGE', BASE .. 'q:' .. c, 0, -1, 'WITHSCORES')
    for i = 1, #q, 2 do
      line[#line + 1] = { id = sub(q[i], 13), seq = tonumber(sub(q[i], 1, 12)), rank = tonumber(q[i + 1]), c = c, claims = {} }
    end
  end
  table.sort(line, is_before)
  return line
end

-- Whether a look at everybody can be worth its cost: there must be a nested
-- waiter that only reservations keep waiting, and somebody must wait for a
-- resource that a nested waiter sits on.
local function tangled(nest)
  local ids, parents, blocked, watched = {}, {}, false, false
  for i = 1, #nest, 2 do ids[#ids + 1] = nest[i] end
  open(ids)
  V, S = {}, {}
  for i = 1, #nest, 2 do
    for _, p in ipairs(words(E[nest[i]].parents)) do parents[#parents + 1] = p end
    if not blocked then
      local _, complete = match(class(nest[i + 1]).reqs, true)
      blocked = complete
    end
  end
  if not blocked then return false end
  open(parents)
  for _, p in ipairs(parents) do
    if E[p] and E[p].kind == 'L' then
      local keys = keys_of(E[p].got)
      load(keys)
      for _, k in ipairs(keys) do watched = watched or at(k).pools ~= '' end
    end
  end
  return watched
end

local function plus(units, k, mode)
  units[k] = units[k] or { x = 0, s = 0, n = 0, m = 0 }
  add(units[k], mode)
end

-- What the leases hold that stuck waiters sit on.
local function pinned_by(line, stuck)
  local units, seen = {}, {}
  for _, w in ipairs(line) do
    local e = stuck[w.id] and w.nested and E[w.id]
    for _, p in ipairs(e and words(e.parents) or {}) do
      if not seen[p] and entity(p) and E[p].kind == 'L' then
        seen[p] = true
        for part in gmatch(E[p].got, '[^|]+') do
          local mode, rest = smatch(part, '^(%S+) (.*)$')
          for k in gmatch(rest, '%S+') do plus(units, k, mode) end
        end
      end
    end
  end
  return units
end

local lists = {} -- pool -> its candidates

-- Whether the requirements could be met if nothing were taken but what the units
-- say. Of a long list only a part can matter.
local function startable(reqs, pinned, claimed, special)
  local want, list, cap = special, {}, {}
  for _, req in ipairs(reqs) do want = want + req.need end
  for r, req in ipairs(reqs) do
    lists[req.pool] = lists[req.pool] or words(call('HGET', LIST, req.pool) or '')
    list[r], cap[r] = {}, {}
    for _, k in ipairs(lists[req.pool]) do
      if #list[r] >= want then break end
      local c = free(req, pinned[k] or { x = 0, s = 0, n = 0, m = 0 }, claimed[k])
      if c > 0 then
        insert(list[r], k)
        cap[r][k] = c
      end
    end
  end
  local _, complete = assign(reqs, list, cap)
  return complete
end

-- Everybody is taken to be stuck until it is shown that they are not: who could
-- be served if all leases were given back but those that stuck waiters sit on,
-- and only stuck waiters kept their claims, will be served sooner or later.
local function stuck_of(line)
  local stuck = {}
  for _, w in ipairs(line) do stuck[w.id] = true end
  local go_on = true
  while go_on do
    go_on = false
    local pinned, claimed, special = pinned_by(line, stuck), {}, #claims
    for _ in pairs(pinned) do special = special + 1 end
    for _, w in ipairs(line) do
      if stuck[w.id] then
        if startable(class(w.c).reqs, pinned, claimed, special) then
          stuck[w.id] = nil
          go_on = true
        else
          for _, c in ipairs(w.claims) do plus(claimed, c[3], c[2].mode) end
        end
      end
    end
  end
  return stuck
end

-- Serves the first nested waiter that is stuck and can be served beside the
-- claims of those who are not. The last pass must have been one over all classes.
local function untangle(nest)
  local line, byid = everybody(), {}
  for _, w in ipairs(line) do byid[w.id] = w end
  for _, c in ipairs(claims) do insert(byid[c[1]].claims, c) end
  for i = 1, #nest, 2 do
    if byid[nest[i]] then byid[nest[i]].nested = true end
  end
  local stuck, reserved = stuck_of(line), {}
  for _, w in ipairs(line) do
    if not stuck[w.id] then
      for _, c in ipairs(w.claims) do plus(reserved, c[3], c[2].mode) end
    elseif w.nested then
      V, S = reserved, {}
      local reqs, e = class(w.c).reqs, E[w.id]
      local picks, complete = match(reqs, false)
      if complete then
        promote(w.id, reqs, picks)
        leave(w.id, e)
        return true
      end
    end
  end
  return false
end
