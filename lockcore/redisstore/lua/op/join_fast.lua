-- The short way into the line: for a new request of a class that is waited for already,
-- where nothing at all is left of what the class competes for. Then nobody can be served,
-- or let past others, and nobody need be looked at: it stands in line. Whatever is not as
-- plain as that goes the long way, which begins after this file; nothing has been
-- written then.

local function join()
  local id, text = ARGV[1], ARGV[4]
  local policy, waited, priority, revision, channel = string.match(ARGV[5], '^' .. HOW_WAIT .. '(%a) (%d+) (%-?%d+) (%d+) (%S+)$')
  local ttl, delay = string.match(ARGV[3], '^(%d+) (%d+)\n$') -- of one that holds nothing meanwhile
  local said, test = string.match(text, '^(%d+) ([^\n]*)\n')
  if not FOUND or FOUND[1] or
    not FOUND[2] or not policy or -- no difference of 2, or: where nothing was granted yet nobody waits, and another policy is refused below
    FOUND[3] ~= policy or not ttl or not said then return end
  if NOW % SWEEP_EVERY == 0 then return end -- no difference: it sweeps sooner or later
  for i = 6, #ARGV do -- no difference of 6: see the line after the next
    local record = FOUND[i] -- of the candidate ARGV[i]: ask_fast.lua read them behind five others
    if not record or not string.find(record, '^%d+|[^|]') then return end -- no difference: somebody might be served, as is found out below; this spares the look
  end
  local reg, names, parts, at = BASE .. 'reg', {}, {}, 6
  for mode, need, choice, n in string.gmatch(ARGV[2], '(%S+) (%d+) (%a) (%S+) %d+ %d+') do
    n = tonumber(n)
    if not n then return end -- the name of a long list
    names[#names + 1] = 'p/' .. redis.sha1hex(table.concat(ARGV, ' ', at, at + n - 1))
    parts[#parts + 1] = mode .. ' ' .. need .. ' ' .. choice .. ' '
    at = at + n
  end
  local pools = call('HMGET', reg, unpack(names))
  for i, p in ipairs(pools) do
    if not p then return end
    parts[i] = parts[i] .. p
  end
  local known = call('HMGET', reg, 'c/' .. table.concat(parts, '|'), 'P' .. pools[1])
  local counters = known[1] and known[2] and call('HMGET', ALL, '#seq', '#past', '#nested', '#outages')
  if not counters or not plain_line(counters[2], counters[3], counters[4]) then return end -- no difference of 2, 3: where nothing is left, the long way finds nobody delayed or tangled either
  local class, dom = known[1], string.match(known[2], '(%d+)$')
  if not classes_if_exhausted(dom) then return end
  local waits = said == '0' and test ~= '' -- for what its test will teach
  local waiting = waits and call('ZCARD', BASE .. 'wait') -- before anything is written: another program may have taken the key

  said, ttl = tonumber(said), tonumber(ttl)
  local seq, since, guess, history = counters[1] + 1, NOW - waited, tonumber(FOUND[4] or 0), FOUND[5]
  local rank, member = since - priority * LEVEL, member_of(seq, id)
  local place = ranked(rank, member)
  local set = { '#seq', string.format('%.0f', seq), id,
    waiter_record(class, seq, rank, since, tonumber(revision), ttl, priority, tonumber(delay), channel, tonumber(FOUND[2]), 0, 0, guess, '', text) }
  local length = said ~= 0 and said or test ~= '' and recent(history) and median(history) or guess
  call('ZADD', BASE .. 'q:' .. class, string.format('%.0f', rank), member)
  if length ~= 0 then call('ZADD', BASE .. 'e:' .. class, string.format('%.0f', length), place) end
  if waits then
    set[5], set[6] = '#waiting', waiting + call('ZADD', BASE .. 'wait', 0, test .. '\n' .. class .. ' ' .. place)
  end
  call('ZREM', DUE, '#' .. dom)
  call('ZADD', DUE, string.format('%.0f', NOW + MISSED_POLLS * poll_of(ttl)), id)
  call('HSET', ALL, unpack(set))
  return { REPLY_WAITS, string.format('%.0f', next_look(class, member, ttl)), FOUND[2] }
end

local joined = join()
if joined then return joined end
