-- The candidates of registered pools, without a look at those that cannot be had.

-- T.moves has the resources that may stand in the wrong list since this step has begun.
-- Most are given on in the same step, and then stand where they stood. So the lists
-- are mended at the end; until then, M.source looks there, too, for a short pool.

function M.move(k, u, before)
  local after = M.place(u)
  if before == after then return end
  T.moves = T.moves or {}
  if T.moves[k] == nil then
    T.moves[k] = before or ''
    T.moving = T.moving + 1 -- no difference: the lists are mended now or at the end
  end
  if after ~= 'so:' then return end
  for p, i in string.gmatch(u.pools, '(%d+):(%d+)') do
    local s = T.source[p]
    if s then
      -- Its page of the vacant may not have been read yet.
      s.soft[#s.soft + 1], s.softplace[#s.softplace + 1] = k, i + 0
      s.unsorted = true -- one lease may take thousands, so they are put in order once
    end
  end
end

-- Puts those that can be joined in the order of their places.
function M.sort_soft(s)
  local place = {}
  for i, k in ipairs(s.soft) do place[k] = s.softplace[i] end
  table.sort(s.soft, function(a, b) return place[a] < place[b] end) -- no difference: no two have the same place
  for i, k in ipairs(s.soft) do s.softplace[i] = place[k] end
  s.unsorted = false
end

function M.flush_moves()
  local add, rem = {}, {}
  local function note(lists, name, ...)
    local l = lists[name] or {}
    lists[name] = l
    for _, v in ipairs({ ... }) do l[#l + 1] = v end
  end
  for k, from in pairs(T.moves) do
    local u = T.key[k]
    local to = M.place(u) or ''
    if from ~= to then
      for p, i in string.gmatch(u.pools, '(%d+):(%d+)') do
        if from ~= '' then note(rem, from .. p, k) end
        if to ~= '' then note(add, to .. p, i, k) end
      end
    end
  end
  for name, l in pairs(rem) do M.write('ZREM', BASE .. name, l) end
  for name, l in pairs(add) do M.write('ZADD', BASE .. name, l) end
  T.moves, T.moving = nil, 0 -- no difference: the lists are mended now or at the end
end

-- Reads some of a list, "resource place" each, into two tables. What has left it in
-- this step is left out; with all, what has joined it is put in, at its place.
function M.take_in(p, which, got, keys, places, all)
  local moves, entries = T.moves or {}, {}
  for i = 1, #got, 2 do
    local k = got[i]
    if not moves[k] or M.place(T.key[k]) == which then entries[#entries + 1] = { k, tonumber(got[i + 1]) } end
  end
  for k, from in pairs(all and moves or {}) do
    local i = from ~= which and M.place(T.key[k]) == which and string.match(' ' .. T.key[k].pools, ' ' .. p .. ':(%d+)')
    if i then
      entries[#entries + 1] = { k, tonumber(i) }
      all = 'mixed'
    end
  end
  if all == 'mixed' then table.sort(entries, function(a, b) return a[2] < b[2] end) end -- no difference of <: no two have the same place
  local fresh = {}
  for i, e in ipairs(entries) do
    keys[#keys + 1], places[#places + 1] = e[1], e[2]
    fresh[i] = e[1] -- no difference: they are only read in one call; M.at reads the rest
  end
  M.load(fresh)
end

-- The lists of a pool, the vacant ones read page by page. The cursor is a place,
-- not a rank: a grant in mid-pass takes members out of the zset.
function M.source(p)
  local s = T.source[p]
  if not s then
    local short = M.pool(p).size <= PAGE -- no difference: a pool of just a page may be read at once or not
    if T.moves and (not short or T.moving > PAGE) then M.flush_moves() end -- no difference of >: the lists are mended now or at the end
    s = { vacant = {}, place = {}, soft = {}, softplace = {}, last = '-inf', all = false, short = short }
    M.take_in(p, 'so:', call('ZRANGE', BASE .. 'so:' .. p, 0, -1, 'WITHSCORES'), s.soft, s.softplace, true)
    T.source[p] = s
  end
  if s.unsorted then M.sort_soft(s) end
  return s
end

-- What the walk before has read of short pools, without what it gave away; of others
-- nothing is kept.
function M.keep_sources()
  for p, s in pairs(T.source) do
    if s.all and s.short then -- no difference: it may be read again
      s.vacant, s.place = M.sift(s.vacant, s.place, 'av:')
      s.soft, s.softplace = M.sift(s.soft, s.softplace, 'so:')
    else
      T.source[p] = nil
    end
  end
end

-- Leaves out what stands in another list by now.
function M.sift(keys, places, which)
  local rest, rest_places = {}, {}
  for i, k in ipairs(keys) do
    if M.place(M.at(k)) == which then rest[#rest + 1], rest_places[#rest + 1] = k, places[i] end -- no difference: of what is given away nobody can have a part
  end
  return rest, rest_places
end

function M.more(p, s)
  local got = call('ZRANGEBYSCORE', BASE .. 'av:' .. p, s.last, '+inf', 'WITHSCORES', 'LIMIT', 0, PAGE)
  M.take_in(p, 'av:', got, s.vacant, s.place, s.short)
  s.all = s.short or #got < 2 * PAGE
  if #got > 0 then s.last = '(' .. got[#got] end -- no difference of 0: it comes in pairs
end

function M.any_listed(p)
  local s = M.source(p)
  while not s.vacant[1] and not s.all do M.more(p, s) end -- no difference of 1: some more are read
  return s.vacant[1] or s.soft[1]
end

-- Vacant and, if joined, joinable resources of a pool in the order of its list. A page
-- may have none left, if this step has given away all that stand there.
function M.in_place(p, joined, f)
  local s, i, j = M.source(p), 1, 1
  while true do
    while not s.vacant[i] and not s.all do M.more(p, s) end
    local a, b = s.place[i], joined and s.softplace[j]
    if a and (not b or a < b) then -- no difference of <: no two have the same place
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
  local n = M.source(p).short and 0 or call('ZCARD', BASE .. 'av:' .. p) -- no difference: 1 is a short one, too
  if n <= PAGE then -- no difference: a pool of just a page may be read at once or not
    local all = {}
    M.in_place(p, joined, function(k) all[#all + 1] = k end)
    for _, k in ipairs(shuffle(all)) do
      if f(k) then return end
    end
    return
  end
  local start, step = random(n) - 1, math.max(16, math.min(2 * want, CHUNK)) -- no difference: where the pages begin, and how long they are
  for i = 0, n - 1, step do
    local first, size = (start + i) % n, math.min(step, n - i)
    local page = call('ZRANGE', BASE .. 'av:' .. p, first, math.min(first + size, n) - 1)
    if #page < size then -- no difference of <: then all are looked at
      for _, k in ipairs(call('ZRANGE', BASE .. 'av:' .. p, 0, size - #page - 1)) do page[#page + 1] = k end
    end
    M.load(page)
    for _, k in ipairs(shuffle(page)) do
      if f(k) then return end
    end
  end
  if joined then
    for _, k in ipairs(shuffle(M.source(p).soft)) do
      if f(k) then return end
    end
  end
end

function M.least_recent(keys, f)
  local used, order = M.read(BASE .. 'used', keys), {}
  for i = 1, #keys do order[i] = i end
  table.sort(order, function(a, b)
    local x, y = tonumber(used[a] or 0), tonumber(used[b] or 0)
    if x ~= y then return x < y end -- no difference of <: they differ
    return a < b -- no difference: they differ
  end)
  for _, i in ipairs(order) do
    if f(keys[i]) then return end
  end
end

function M.visit_pool(req, choice, f, want)
  local joined = req.mode ~= 'x'
  if choice == CHOICE_RANDOM then return M.at_random(req.pool, joined, f, want) end
  if choice == CHOICE_IN_ORDER then return M.in_place(req.pool, joined, f) end
  local all = {}
  M.in_place(req.pool, joined, function(k) all[#all + 1] = k end)
  return M.least_recent(all, f)
end
