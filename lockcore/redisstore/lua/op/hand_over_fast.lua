-- The short way from one holder to the next: where nothing is left of what a line
-- competes for but what is given back now, and the first one of all in that line asks for
-- just as much of it, that one gets it, and nobody else could get anything. Whatever is
-- not as plain as that goes the long way, which begins after this file; nothing has been
-- written then.

local function hand_over(keys, set)
  local reg, dom, lists = BASE .. 'reg', nil, {}
  for p in string.gmatch(keys[1].pools, '(%d+):') do lists[#lists + 1], lists[#lists + 2] = BASE .. 'av:' .. p, BASE .. 'so:' .. p end
  if call('EXISTS', unpack(lists)) ~= 0 then return end -- no difference: something is left, as is found out below; this spares most looks
  local counters = call('HMGET', ALL, '#past', '#nested', '#outages', '#fence')
  if not plain_line(counters[1], counters[2], counters[3]) then return end
  for _, k in ipairs(keys) do
    local d = string.match(call('HGET', reg, 'P' .. string.match(k.pools, '%d+')) or '', '(%d+)$')
    if not d or dom and d ~= dom then return end -- no difference of or: no line wants what is in two domains
    dom = d
  end

  -- Who is first of all. If that is the last one of its class, the class ends, too.
  local class, rank, member, others
  for _, c in ipairs(classes_if_exhausted(dom) or {}) do
    local head = call('ZRANGE', BASE .. 'q:' .. c, 0, 1, 'WITHSCORES') -- no difference of 1: two tell that there is another one
    local r = tonumber(head[2])
    if r and (not rank or r < rank or r == rank and
      head[1] < member) then -- no difference of <: no two members are equal
      class, rank, member, others = c, r, head[1], head[3] -- no difference of 3: a member comes with its rank
    end
  end
  if not others then return end
  local pool = string.match(call('HGET', reg, 'C' .. class) or '', '^x ' .. #keys .. ' [' .. CHOICE_IN_ORDER .. CHOICE_RANDOM .. '] (%d+)$')
  for _, k in ipairs(keys) do
    k.place = pool and string.match(' ' .. k.pools, ' ' .. pool .. ':(%d+)')
    if not k.place then return end
  end
  table.sort(keys, function(a, b) return tonumber(a.place) < tonumber(b.place) end) -- no difference: no two have the same place

  local id = string.sub(member, 13)
  local ttl, delay, channel, guess, info = string.match(call('HGET', ALL, id) or '',
    '^W %d+ %d+ %-?%d+ %-?%d+ %d+ (%d+) %-?%d+ (%d+) (%S+) %d+ %d+ ?%d* ?(%d*)\n\n(.*)$')
  local said, test = string.match(info or '', '^(%d+)!? ([^\n]*)\n')
  if not said then return end
  said, guess, ttl = tonumber(said), tonumber(guess) or 0, tonumber(ttl) -- no difference of 0: as in records.lua
  local waits = said == 0 and test ~= '' -- for what its test will teach
  local waiting = waits and call('ZCARD', BASE .. 'wait') -- before anything is written: another program may have taken the key
  local plan = plan_of(said, waits and call('HGET', ALL, '#' .. test), guess)
  local token, got, place = math.max(counters[4] + 1, NOW), 'x', ranked(rank, member)
  local text = string.format('%.0f', token)
  for _, k in ipairs(keys) do
    got = got .. ' ' .. k.key
    set[k.at] = text .. '|' .. id .. ' x 1|' .. k.pools
  end
  local n = #set
  set[n + 1], set[n + 2], set[n + 3], set[n + 4] = '#fence', text, id,
    lease_record(STATE_GRANTED, token, NOW, ttl, tonumber(delay), '', got, plan, nil, info)

  call('ZREM', DUE, ARGV[1], '#' .. dom) -- first: a server that is full lets go on what begins like this
  call('ZREM', BASE .. 'q:' .. class, member)
  call('ZREM', BASE .. 'e:' .. class, place)
  if waits then
    set[n + 5], set[n + 6] = '#waiting', waiting - call('ZREM', BASE .. 'wait', test .. '\n' .. class .. ' ' .. place)
  end
  call('ZADD', DUE, string.format('%.0f', NOW + math.min(PROVISIONAL, ttl)), id)
  call('HSET', ALL, unpack(set))
  call('PUBLISH', channel, id .. ' ' .. text .. ' ' .. got)
  return 1 -- no difference: whatever is not 0 says the same
end

local handed_over = LEFT and hand_over(LEFT.keys, LEFT.set)
if handed_over then return handed_over end
