-- The candidates of registered pools, without a look at those that cannot be had.

local PAGE = 64

-- A resource has come free, or was taken: it moves in the lists of its pools. The
-- moves are made together, before the lists are read and at the end.
function M.move(k, u, before)
  T.moved[k] = true
  local after = M.place(u)
  if before == after then return end
  for p, i in string.gmatch(u.pools, '(%d+):(%d+)') do
    if before then M.list_move(before .. p, k, false) end
    if after then M.list_move(after .. p, k, i) end
    local s = T.source[p]
    if s and after == 'so:' then
      -- Its page of the vacant may not have been read yet.
      local j = 1
      while s.softplace[j] and s.softplace[j] < tonumber(i) do j = j + 1 end
      table.insert(s.soft, j, k)
      table.insert(s.softplace, j, tonumber(i))
    end
  end
end

function M.list_move(name, k, place)
  T.moves = T.moves or {}
  local l = T.moves[name] or {}
  T.moves[name] = l
  l[k] = place
end

function M.flush_moves()
  for name, l in pairs(T.moves) do
    local add, rem = {}, {}
    for k, place in pairs(l) do
      if place then
        add[#add + 1] = place
        add[#add + 1] = k
      else
        rem[#rem + 1] = k
      end
    end
    M.write('ZREM', BASE .. name, rem)
    M.write('ZADD', BASE .. name, add)
  end
  T.moves = nil
end

function M.shuffle(list)
  for i = #list, 2, -1 do
    local j = M.random(i)
    list[i], list[j] = list[j], list[i]
  end
  return list
end

-- The lists of a pool, the vacant ones read page by page. The cursor is a place,
-- not a rank: a grant in mid-pass takes members out of the zset.
function M.source(p)
  local s = T.source[p]
  if not s then
    s = { vacant = {}, place = {}, soft = {}, softplace = {}, last = '-inf', all = false }
    local soft = call('ZRANGE', BASE .. 'so:' .. p, 0, -1, 'WITHSCORES')
    for i = 1, #soft, 2 do
      s.soft[#s.soft + 1] = soft[i]
      s.softplace[#s.softplace + 1] = tonumber(soft[i + 1])
    end
    M.load(s.soft)
    T.source[p] = s
  end
  return s
end

function M.more(p, s)
  local got = call('ZRANGEBYSCORE', BASE .. 'av:' .. p, s.last, '+inf', 'WITHSCORES', 'LIMIT', 0, PAGE)
  if #got < 2 * PAGE then s.all = true end
  local keys = {}
  for i = 1, #got, 2 do
    keys[#keys + 1] = got[i]
    s.vacant[#s.vacant + 1] = got[i]
    s.place[#s.place + 1] = tonumber(got[i + 1])
  end
  if #got > 0 then s.last = '(' .. got[#got] end
  M.load(keys)
end

function M.any_listed(p)
  local s = M.source(p)
  if not s.vacant[1] and not s.all then M.more(p, s) end
  return s.vacant[1] or s.soft[1]
end

-- Vacant and, if joined, joinable resources of a pool in the order of its list.
function M.in_place(p, joined, f)
  local s, i, j = M.source(p), 1, 1
  while true do
    if not s.vacant[i] and not s.all then M.more(p, s) end
    local a, b = s.place[i], joined and s.softplace[j]
    if a and (not b or a < b) then
      if f(s.vacant[i]) then return end
      i = i + 1
    elseif b then
      if f(s.soft[j]) then return end
      j = j + 1
    else
      return
    end
  end
end

-- The same at random: all of them shuffled, or, if there are many, pages from a
-- random place on.
function M.at_random(p, joined, f, want)
  local n = call('ZCARD', BASE .. 'av:' .. p)
  if n <= PAGE then
    local all = {}
    M.in_place(p, joined, function(k) all[#all + 1] = k end)
    for _, k in ipairs(M.shuffle(all)) do
      if f(k) then return end
    end
    return
  end
  local start, step = M.random(n) - 1, math.max(16, math.min(2 * want, CHUNK))
  for i = 0, n - 1, step do
    local first, size = (start + i) % n, math.min(step, n - i)
    local page = call('ZRANGE', BASE .. 'av:' .. p, first, math.min(first + size, n) - 1)
    if #page < size then
      for _, k in ipairs(call('ZRANGE', BASE .. 'av:' .. p, 0, size - #page - 1)) do page[#page + 1] = k end
    end
    M.load(page)
    for _, k in ipairs(M.shuffle(page)) do
      if f(k) then return end
    end
  end
  if joined then
    for _, k in ipairs(M.shuffle(M.source(p).soft)) do
      if f(k) then return end
    end
  end
end

function M.least_recent(keys, f)
  local used, order = M.read(BASE .. 'used', keys), {}
  for i = 1, #keys do order[i] = i end
  table.sort(order, function(a, b)
    local x, y = tonumber(used[a] or 0), tonumber(used[b] or 0)
    if x ~= y then return x < y end
    return a < b
  end)
  for _, i in ipairs(order) do
    if f(keys[i]) then return end
  end
end

function M.visit_pool(req, choice, f, want)
  local joined = req.mode ~= 'x'
  if choice == 'r' then return M.at_random(req.pool, joined, f, want) end
  if choice == 'o' then return M.in_place(req.pool, joined, f) end
  local all = {}
  M.in_place(req.pool, joined, function(k) all[#all + 1] = k end)
  return M.least_recent(all, f)
end

-- Augmenting paths: the second part of a matching, where greed was not enough.
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
    if not seen[k] then
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
