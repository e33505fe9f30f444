-- The short ways of those who have to wait. Whatever is not as plain as these goes the long
-- way, which begins after this file; nothing has been written then.

local how, policy, waited, priority, revision, channel = string.match(ARGV[5], '^(%a)(%a) (%d+) (%-?%d+) (%d+) (%S+)$')

-- seq, past and nested.
local function counters()
  if how == HOW_WAIT then return unpack(FOUND, #ARGV + 2, #ARGV + 4) end -- ask_fast.lua read them last -- no difference of 4: one more is not looked at
  return unpack(call('HMGET', ALL, '#seq', '#past', '#nested'))
end

-- Somebody in line asks again, and is not the first one of its class: nothing has changed
-- for it, and it is told so.
local function poll()
  local class, seq, rev, ttl = string.match(FOUND[1], '^W (%d+) (%d+) %-?%d+ %-?%d+ (%d+) (%d+) ')
  if not class or revision + 0 > rev + 0 then return end
  if (FOUND[6] or '0') ~= '0' or not none_over() then return end -- something is out of service, or over
  local member = member_of(seq + 0, ARGV[1])
  local rank = call('ZRANK', BASE .. 'q:' .. class, member)
  if not rank or rank == 0 then return end
  call('ZADD', DUE, NOW + MISSED_POLLS * poll_of(ttl + 0), ARGV[1])
  return { REPLY_WAITS, string.format('%.0f', next_look(rank, ttl + 0)), FOUND[2] }
end

-- For an attempt at what nobody waits for, of which too little is vacant.
local function busy()
  local at, enough = 6, true
  for mode, need, n in string.gmatch(ARGV[2], '(%S+) (%d+) %a (%S+) %d+ %d+') do
    n = tonumber(n)
    if not n or mode ~= 'x' and mode ~= 's' then return end
    local vacant = 0
    for i = at, at + n - 1 do
      local record = FOUND[i + 1] -- of the candidate ARGV[i]: ask_fast.lua read them behind six others
      if not record or not string.find(record, '|', 1, true) then -- no difference of 1: it begins with a token
        vacant = vacant + 1
      elseif not string.find(record, '^%d+|%S+ x 1|$') then
        return
      end
    end
    enough, at = enough and vacant >= need + 0, at + n
  end
  if enough or (FOUND[6] or '0') ~= '0' or not none_over() then return end
  return { REPLY_BUSY }
end

-- How many of the candidates from ARGV[at] on are vacant, and whether all others are held by one
-- alone; nil if nobody ever waited for one of them.
local function vacant_of(at, n)
  local vacant, alone = 0, true
  for i = at, at + n - 1 do
    local record = FOUND[i + 1] or ''
    if not string.find(record, ' x 1|', 1, true) then
      local holds, pools = string.match(record, '^%d+|([^|]*)|([^|]*)')
      if not pools or pools == '' then return end -- no difference: its class is not known either; this spares the look
      if holds == '' then vacant = vacant + 1 else alone = false end
    end
  end
  return vacant, alone
end

-- For a request of a class that is waited for already, where nothing is left of what the
-- class competes for, or too little for each of those who compete: then nobody can be
-- served, or let past others, and nobody need be looked at. It stands in line, or hears that
-- it would have to.
local function join()
  local id, text = ARGV[1], ARGV[4]
  local ttl, delay = string.match(ARGV[3], '^(%d+) (%d+)\n$') -- of one that holds nothing meanwhile
  local said, test = string.match(text, '^(%d+) ([^\n]*)\n')
  if not ttl or not said then return end
  local names, pools, fields, spec, wants, at, vacant, alone = {}, {}, {}, '', nil, 6, 0, true
  for mode, need, choice, n in string.gmatch(ARGV[2], '(%S+) (%d+) (%a) (%S+) %d+ %d+') do
    n = tonumber(n)
    if not n then return end -- the name of a long list
    local v, a = vacant_of(at, n)
    if not v then return end
    local name = redis.sha1hex(table.concat(ARGV, ' ', at, at + n - 1))
    -- Most resources are in one list only, whose record says below whether it is this one.
    local first = FOUND[at + 1] or '' -- no difference: the list is found by its name, too
    local p = string.match(first, '|(%d+):1$') or call('HGET', BASE .. 'reg', 'p/' .. name)
    if not p then return end
    names[#names + 1], pools[#pools + 1], fields[#fields + 1] = name, p, 'P' .. p
    wants = mode == 'x' and need + 0 -- no difference of 0: see where it is used
    spec = (at == 6 and '' or spec .. '|') .. mode .. ' ' .. need .. ' ' .. choice .. ' ' .. p
    at, vacant, alone = at + n, vacant + v, alone and a
  end
  fields[#fields + 1] = 'c/' .. spec
  local known, dom, own = call('HMGET', BASE .. 'reg', unpack(fields)), nil, {}
  local class = known[#fields]
  if not class then return end
  for i, p in ipairs(pools) do
    local name, d = string.match(known[i] or '', '^(%S+) %d+ %d+ (%d+)$')
    if name ~= names[i] then return end
    dom, own[p] = d, true
  end
  local seq, past, nested = counters()
  if not plain_line(past, nested, FOUND[6]) then return end
  local classes, listed = { class }, pools
  if call('SCARD', BASE .. 'dom:' .. dom) ~= 2 then -- there are more than the class and its list
    classes, listed = members_of(dom)
    if not classes or not listed[1] then return end
  end
  local guess, history = FOUND[4] or '0', FOUND[5]
  local length = said ~= '0' and said or test ~= '' and recent(history) and median(history) or guess
  length = length + 0
  if vacant > 0 then
    -- Where it is known how long somebody will hold, the first one in line is promised when it starts.
    if not wants or
      vacant >= wants or -- no difference: never is as much left as one of a class wants that stands in line
      classes[2] or listed[2] or length ~= 0 or call('EXISTS', BASE .. 'e:' .. class) ~= 0 then return end
  else
    local others = {}
    for _, p in ipairs(listed) do
      if not alone or not own[p] then others[#others + 1] = p end
    end
    if others[1] and lists_of(others) ~= 0 then return end
  end
  if how ~= HOW_WAIT then
    call('ZREM', DUE, '#' .. dom)
    return { REPLY_BUSY }
  end

  local waits = said == '0' and test ~= '' -- for what its test will teach
  local waiting = waits and call('ZCARD', BASE .. 'wait') -- before anything is written: another program may have taken the key
  local rank, since, arrived = NOW - waited - priority * LEVEL, string.format('%.0f', NOW - waited), string.format('%.0f', seq + 1)
  local score, member = priority == '0' and since or string.format('%.0f', rank), member_of(seq + 1, id)
  local set = { '#seq', arrived, id, waiter_record(class, arrived .. ' ' .. score .. ' ' .. since .. ' ' .. revision .. ' ' .. ttl,
    priority, delay, channel, FOUND[2] .. ' 0 0 ' .. guess, '', text) }
  call('ZADD', BASE .. 'q:' .. class, score, member)
  if waits or length ~= 0 then -- no difference of 0: then nothing is written below
    local place = ranked(rank, member)
    if length ~= 0 then call('ZADD', BASE .. 'e:' .. class, length, place) end
    if waits then
      set[5], set[6] = '#waiting', waiting + call('ZADD', BASE .. 'wait', 0, test .. '\n' .. class .. ' ' .. place)
    end
  end
  call('ZREM', DUE, '#' .. dom)
  call('ZADD', DUE, NOW + MISSED_POLLS * poll_of(ttl + 0), id)
  call('HSET', ALL, unpack(set))
  return { REPLY_WAITS, string.format('%.0f', next_look(call('ZRANK', BASE .. 'q:' .. class, member), ttl + 0)), FOUND[2] }
end

if FOUND and FOUND[2] and FOUND[3] == policy then -- no difference of 2: there is a policy where something was granted
  local told
  if FOUND[1] then
    told = poll()
  else
    told = how ~= HOW_WAIT and busy() or join()
  end
  if told then
    sweep()
    return told
  end
end
