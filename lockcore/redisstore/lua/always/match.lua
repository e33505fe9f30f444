-- Gives candidates to requirements so that as many units as possible are met:
-- Kuhn's augmenting paths, with a greedy round first that usually ends it.
--
-- For each requirement it looks at candidates only until it has found as many
-- units as all requirements together need. That is enough: whatever the others
-- take of them, this one's share is left.

-- Calls f with the candidates of a requirement that may be free for it, until f
-- says that it has enough: in their own order, or in that of the choice. want is
-- about how many f will take.
function M.visit(req, own, f, want)
  local keys, choice = req.keys, own and CHOICE_IN_ORDER or req.choice
  if not keys then return M.visit_pool(req, choice, f, want) end
  if choice == CHOICE_LEAST_USE then return M.least_recent(keys, f) end
  local n, j, stride = #keys, 0, 1
  if choice == CHOICE_RANDOM then j, stride = req.start, req.stride end
  for _ = 1, n do
    if f(keys[j + 1]) then return end
    j = (j + stride) % n
  end
end

function M.available(req, own, want, reserved)
  local list, cap, sum = {}, {}, 0
  M.visit(req, own, function(k)
    local c = M.free(req, M.at(k), reserved[k])
    if c > 0 and not cap[k] then -- no difference: of one without a unit nothing is taken
      list[#list + 1] = k
      cap[k] = c
      sum = sum + c
    end
    return sum >= want -- no difference: a candidate more is looked at
  end, want)
  return list, cap
end

-- lists[r] and caps[r] are the candidates for requirement r and their units.
function M.assign(reqs, lists, caps)
  local picks, taken, complete = {}, {}, true
  for r, req in ipairs(reqs) do
    local got, cap = {}, caps[r]
    picks[r] = got
    for _, k in ipairs(lists[r]) do
      if #got >= req.need then break end -- no difference: then the loop below takes none
      for _ = 1, math.min(cap[k] - (taken[k] or 0), req.need - #got) do
        got[#got + 1] = k
        taken[k] = (taken[k] or 0) + 1
      end
    end
    if #got < req.need then complete = false end
  end
  if complete or #reqs == 1 then return picks, complete end -- no difference: nothing is to be improved then, or there is nobody to move
  return M.improve(reqs, lists, caps, picks, taken)
end

-- What the requirements could take now beside what is reserved, and whether that is
-- everything.
function M.match(reqs, own, reserved)
  local want, lists, caps = 0, {}, {} -- no difference: some candidates more are looked at
  for _, req in ipairs(reqs) do want = want + req.need end
  for r, req in ipairs(reqs) do lists[r], caps[r] = M.available(req, own, want, reserved) end
  return M.assign(reqs, lists, caps)
end
