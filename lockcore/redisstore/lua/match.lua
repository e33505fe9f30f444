-- Gives candidates to requirements so that as many units as possible are met:
-- Kuhn's augmenting paths, with a greedy round first that usually ends it.
--
-- For each requirement it looks at candidates only until it has found as many
-- units as all requirements together need. That is enough: whatever the others
-- take of them, this one's share is left.

local V = {} -- resource -> what blocked waiters reserved in this pass
local PAGE = 64
local seeded = false

local function random(n)
  if not seeded then
    seeded = true
    math.randomseed(SEED)
  end
  return math.random(n)
end

local function shuffle(list)
  for i = #list, 2, -1 do
    local j = random(i)
    list[i], list[j] = list[j], list[i]
  end
  return list
end

-- The lists of a pool, read page by page. The cursor is a place, not a rank: a
-- grant in mid-pass takes members out of the zset.
local function source(p)
  local s = S[p]
  if not s then
    s = { vacant = {}, place = {}, last = '-inf', all = false }
    local soft = call('ZRANGE', BASE .. 'so:' .. p, 0, -1, 'WITHSCORES')
    s.soft, s.softplace = {}, {}
    for i = 1, #soft, 2 do
      s.soft[#s.soft + 1] = soft[i]
      s.softplace[#s.softplace + 1] = tonumber(soft[i + 1])
    end
    load(s.soft)
    S[p] = s
  end
  return s
end

local function more(p, s)
  local got = call('ZRANGEBYSCORE', BASE .. 'av:' .. p, s.last, '+inf', 'WITHSCORES', 'LIMIT', 0, PAGE)
  if #got < 2 * PAGE then s.all = true end
  local keys = {}
  for i = 1, #got, 2 do
    keys[#keys + 1] = got[i]
    s.vacant[#s.vacant + 1] = got[i]
    s.place[#s.place + 1] = tonumber(got[i + 1])
  end
  if #got > 0 then s.last = '(' .. got[#got] end
  load(keys)
end

-- Vacant and joinable resources of a pool in the order of its list.
local function in_place(p, joined, f)
  local s, i, j = source(p), 1, 1
  while true do
    if not s.vacant[i] and not s.all then more(p, s) end
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
local function at_random(p, joined, f)
  local n = call('ZCARD', BASE .. 'av:' .. p)
  if n <= PAGE then
    local all = {}
    in_place(p, joined, function(k) all[#all + 1] = k end)
    for _, k in ipairs(shuffle(all)) do
      if f(k) then return end
    end
    return
  end
  local start, step = random(n) - 1, 16
  for i = 0, n - 1, step do
    local first = (start + i) % n
    local page = call('ZRANGE', BASE .. 'av:' .. p, first, math.min(first + math.min(step, n - i), n) - 1)
    local short = math.min(step, n - i) - #page
    if short > 0 then
      for _, k in ipairs(call('ZRANGE', BASE .. 'av:' .. p, 0, short - 1)) do page[#page + 1] = k end
    end
    load(page)
    for _, k in ipairs(shuffle(page)) do
      if f(k) then return end
    end
  end
  if joined then
    for _, k in ipairs(shuffle(source(p).soft)) do
      if f(k) then return end
    end
  end
end

local function least_recent(keys, f)
  local used, order = read(BASE .. 'used', keys), {}
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

-- Calls f with the candidates of a requirement that may be free for it, until f
-- says that it has enough: in their own order, or in that of the choice.
local function visit(req, own, f)
  local joined, choice = req.mode ~= 'x', own and 'o' or req.choice
  if choice == 'l' then
    local all = req.keys
    if not all then
      all = {}
      in_place(req.pool, joined, function(k) all[#all + 1] = k end)
    end
    return least_recent(all, f)
  end
  if not req.keys then
    if choice == 'r' then return at_random(req.pool, joined, f) end
    return in_place(req.pool, joined, f)
  end
  local keys, n = req.keys, #req.keys
  if choice ~= 'r' then
    for i = 1, n do
      if f(keys[i]) then return end
    end
    return
  end
  local order = {} -- a permutation, drawn as far as it is needed
  for i = 1, n do
    local j = i + random(n - i + 1) - 1
    local k = order[j] or keys[j]
    order[j] = order[i] or keys[i]
    if f(k) then return end
  end
end

local function available(req, own, want)
  local list, cap, sum = {}, {}, 0
  visit(req, own, function(k)
    local c = free(req, at(k), V[k])
    if c > 0 and not cap[k] then
      list[#list + 1] = k
      cap[k] = c
      sum = sum + c
    end
    return sum >= want
  end)
  return list, cap
end

local augment

-- lists[r] and caps[r] are the candidates for requirement r and their units.
local function assign(reqs, lists, caps)
  local picks, taken, complete = {}, {}, true
  for r, req in ipairs(reqs) do
    local got, cap = {}, caps[r]
    picks[r] = got
    for _, k in ipairs(lists[r]) do
      if #got >= req.need then break end
      for _ = 1, math.min(cap[k] - (taken[k] or 0), req.need - #got) do
        got[#got + 1] = k
        taken[k] = (taken[k] or 0) + 1
      end
    end
    if #got < req.need then complete = false end
  end
  if complete or #reqs == 1 then return picks, complete end
  complete = true
  for r, req in ipairs(reqs) do
    while #picks[r] < req.need do
      if not augment(r, {}, lists, caps, picks, taken) then
        complete = false
        break
      end
    end
  end
  return picks, complete
end

local function position(list, k)
  for i = 1, #list do
    if list[i] == k then return i end
  end
end

-- Finds one more unit for requirement r, moving others to another candidate
-- where that helps.
augment = function(r, seen, lists, caps, picks, taken)
  for _, k in ipairs(lists[r]) do
    if not seen[k] then
      seen[k] = true
      if (taken[k] or 0) < caps[r][k] then
        insert(picks[r], k)
        taken[k] = (taken[k] or 0) + 1
        return true
      end
      for o = 1, #lists do
        if o ~= r and position(picks[o], k) and augment(o, seen, lists, caps, picks, taken) then
          table.remove(picks[o], position(picks[o], k))
          insert(picks[r], k)
          return true
        end
      end
    end
  end
  return false
end

-- What the requirements could take now, and whether that is everything.
local function match(reqs, own)
  local want, lists, caps = 0, {}, {}
  for _, req in ipairs(reqs) do want = want + req.need end
  for r, req in ipairs(reqs) do lists[r], caps[r] = available(req, own, want) end
  return assign(reqs, lists, caps)
end
