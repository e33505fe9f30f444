-- The short way from one holder to the next: where the first one of all in a line gets
-- what it asks for out of what is given back now and what was left, and then too little is
-- left for anybody else. Whatever is not as plain as that goes the long way, which begins
-- after this file; nothing has been written then.
--
--   two of a, b, c are given back, the third one is free, all in line want two:
--   the first one gets two of the three, and nobody else can have any use of the other

-- The first of all in line, for the domain's classes.
local function first_of(classes)
  local ids, heads, lined = {}, {}, {}
  for i, c in ipairs(classes) do
    local head = call('ZRANGE', BASE .. 'q:' .. c, 0, 1) -- no difference of 1: two tell that there is another one
    if not head[1] then return end -- no difference of 1: where a class has one, more goes the long way
    ids[i], heads[i], lined[i] = string.sub(head[1], 13), head[1], head[2]
  end
  local records, first = call('HMGET', ALL, unpack(ids)), nil
  for i, id in ipairs(ids) do
    -- Of one that holds nothing meanwhile.
    local rank, ttl, delay, channel, guess, info = string.match(records[i] or '',
      '^W %d+ %d+ (%-?%d+) %-?%d+ %d+ (%d+) %-?%d+ (%d+) (%S+) %d+ %d+ ?%d* ?(%d*)\n\n()')
    if not info then return end
    rank = rank + 0
    if not first or rank < first.rank or rank == first.rank and
      heads[i] < first.member then -- no difference of <: no two members are equal
      first = { class = classes[i], id = id, member = heads[i], rank = rank, ttl = ttl, delay = delay, channel = channel, guess = guess,
        info = string.sub(records[i], info), others = lined[i] }
    end
  end
  return first
end

-- The first vacant resources of the pool, up to so many; nil if it is known of anybody in line how
-- long it will hold: then the first one who does not get enough is promised when it starts.
local function left_of(pool, class, most)
  local vacant, keys = call('ZRANGE', BASE .. 'av:' .. pool, 0, most, 'WITHSCORES'), {} -- no difference: more than enough is more than enough
  if call('EXISTS', BASE .. 'e:' .. class) ~= 0 then return end
  for i = 1, #vacant, 2 do keys[#keys + 1] = vacant[i] end
  local records = keys[1] and call('HMGET', ALL, unpack(keys)) or {}
  for i, k in ipairs(keys) do
    local pools = string.match(records[i] or '', '^%d+||([^|]*)$')
    if not pools then return end
    keys[i] = { key = k, place = vacant[2 * i], pools = pools }
  end
  return keys
end

-- What is free for a class, of what is given back and of what was left, in the order in
-- which the class takes it; how much of that it wants; and the pool. Nil if that is not enough,
-- or enough for one more; or if something is left although the class is not alone in its domain
-- with one pool.
local function free_for(class, keys, alone, left)
  local need, choice, pool = string.match(call('HGET', BASE .. 'reg', 'C' .. class) or '', '^x (%d+) ([' .. CHOICE_IN_ORDER .. CHOICE_RANDOM .. ']) (%d+)$')
  for _, k in ipairs(keys) do
    k.place = need and string.match(' ' .. k.pools, ' ' .. pool .. ':(%d+)')
    if not k.place then return end
  end
  need = need + 0
  if left or #keys ~= need then
    if not alone then return end
    local vacant = left_of(pool, class, 2 * need) -- no difference of 2: more than enough is more than enough
    if not vacant or #keys + #vacant < need or #keys + #vacant >= 2 * need then return end
    for _, k in ipairs(vacant) do keys[#keys + 1] = k end
  end
  if #keys > FEW_MEMBERS then return end -- no difference: one more goes the short way, or the long one
  table.sort(keys, function(a, b) return a.place + 0 < b.place + 0 end) -- no difference: no two have the same place
  return choice == CHOICE_RANDOM and shuffle(keys) or keys, need, pool
end

-- How long those will hold who wait for what a test teaches, "length place" by class; nil if they
-- are many, or if one waits in another domain: then somebody might be let past others there.
local function lengths_for(test, history, classes)
  local entries, length = {}, median(history)
  for _, c in ipairs(classes) do entries[c] = {} end
  local all = call('ZRANGEBYLEX', BASE .. 'wait', '[' .. test .. '\n', '(' .. test .. '\11')
  for _, m in ipairs(all) do
    local c, place = string.match(m, '\n(%d+) (.*)$')
    local list = entries[c]
    if not list or #all > FEW_ARGUMENTS then return end -- no difference of or, >: many go the short way, or the long one
    list[#list + 1], list[#list + 2] = length, place
  end
  return entries
end

local function hand_over(keys, set, told, history, past, nested, outages, fence)
  if not fence or not plain_line(past, nested, outages) then return end
  local dom, doms = nil, {}
  for _, k in ipairs(keys) do
    local p = string.match(k.pools, '%d+')
    doms[p] = doms[p] or string.match(call('HGET', BASE .. 'reg', 'P' .. p) or '', '^%S+ %d+ %d+ (%d+)$')
    if not doms[p] or dom and doms[p] ~= dom then return end -- no difference of or: no line wants what is in two domains
    dom = doms[p]
  end
  local classes, pools = members_of(dom)
  if not classes or not classes[1] then return end
  local left = lists_of(pools) ~= 0
  local alone = not classes[2] and not pools[2] and not told -- so that nobody else has any use of what is left
  if left and not alone then return end -- no difference: free_for finds it out, too; this spares the look
  local first = first_of(classes)
  if not first or not first.others then return end -- with the last one of a class the class ends, too
  local said, test = string.match(first.info, '^(%d+)!? ([^\n]*)\n')
  if not said then return end
  local lengths = told and lengths_for(told, history, classes)
  if told and not lengths then return end
  local free, need, pool = free_for(first.class, keys, alone, left)
  if not free then return end

  local id, guess = first.id, tonumber(first.guess) or 0 -- no difference of 0: as in records.lua
  local waits = said == '0' and test ~= '' -- for what its test will teach
  local waiting = waits and call('ZCARD', BASE .. 'wait') -- before anything is written: another program may have taken the key
  local plan = plan_of(said + 0, waits and (test == told and history or call('HGET', ALL, '#' .. test)), guess)
  local token = fence + 0 < NOW and NOW_AS_TEXT or string.format('%.0f', fence + 1) -- no difference of 0: one more than the moment before is the moment
  local got, add, rem, n = 'x', {}, {}, #set
  for i, k in ipairs(free) do
    local at = k.at
    if i <= need then
      got = got .. ' ' .. k.key
      if not at then
        rem[#rem + 1], set[n + 1], at = k.key, k.key, n + 2
        n = at
      end
      set[at] = token .. '|' .. id .. ' x 1|' .. k.pools
    elseif at then
      add[#add + 1], add[#add + 2], set[at] = k.place, k.key, set[at] .. '||' .. k.pools
    end
  end
  set[n + 1], set[n + 2], set[n + 3], set[n + 4] = '#fence', token, id, lease_record(STATE_GRANTED,
    token .. ' ' .. NOW_AS_TEXT .. ' ' .. first.ttl .. ' ' .. first.delay, '', got, plan, nil, first.info)

  call('ZREM', DUE, ARGV[1], '#' .. dom) -- first: a server that is full lets go on what begins like this
  call('ZREM', BASE .. 'q:' .. first.class, first.member)
  for c, list in pairs(lengths or {}) do
    if list[1] then call('ZADD', BASE .. 'e:' .. c, unpack(list)) end -- no difference of 1: they come in pairs
  end
  if waits or said ~= '0' or
    guess > 0 then -- no difference: what is not there may be taken out; else it was known how long it would hold when it came
    local place = ranked(first.rank, first.member)
    call('ZREM', BASE .. 'e:' .. first.class, place)
    if waits then
      set[n + 5], set[n + 6] = '#waiting', waiting - call('ZREM', BASE .. 'wait', test .. '\n' .. first.class .. ' ' .. place)
    end
  end
  if rem[1] then call('ZREM', BASE .. 'av:' .. pool, unpack(rem)) end
  if add[1] then call('ZADD', BASE .. 'av:' .. pool, unpack(add)) end -- no difference of 1: they come in pairs
  call('ZADD', DUE, NOW + math.min(PROVISIONAL, first.ttl), id)
  call('HSET', ALL, unpack(set))
  call('PUBLISH', first.channel, id .. ' ' .. token .. ' ' .. got)
  return true
end

if LEFT and hand_over(LEFT.keys, LEFT.set, LEFT.told, LEFT.history, unpack(LEFT.records, 5, 8)) then -- no difference of 8: one more is not looked at
  sweep()
  return 1 -- no difference: whatever is not 0 says the same
end
