-- Augmenting paths: the second part of a matching, where greed (match.lua) was not
-- enough.

function M.improve(reqs, lists, caps, picks, taken)
  local complete = true
  for r, req in ipairs(reqs) do
    while #picks[r] < req.need do
      if not M.augment(r, {}, lists, caps, picks, taken) then
        complete = false
        break
      end
    end
  end
  return picks, complete
end

function M.position(list, k)
  for i = 1, #list do
    if list[i] == k then return i end
  end
end

-- Finds one more unit for requirement r, moving others to another candidate
-- where that helps.
function M.augment(r, seen, lists, caps, picks, taken)
  for _, k in ipairs(lists[r]) do
    if not seen[k] and caps[r][k] > 0 then
      seen[k] = true
      if (taken[k] or 0) < caps[r][k] then
        table.insert(picks[r], k)
        taken[k] = (taken[k] or 0) + 1
        return true
      end
      for o = 1, #lists do
        if o ~= r and M.position(picks[o], k) and M.augment(o, seen, lists, caps, picks, taken) then
          table.remove(picks[o], M.position(picks[o], k))
          table.insert(picks[r], k)
          return true
        end
      end
    end
  end
  return false
end
