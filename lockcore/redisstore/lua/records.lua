-- Leases and waiters, read when first looked at and written at the end: a script
-- that fails while it reads has changed nothing of them.
--
-- A lease is "L state token since ttl delay", the ids of its parents, what it
-- got, and what only people read, a line each. Its states: h held, g granted but
-- not confirmed, k kept without its holder, d kept aside after it expired.
-- A waiter is "W class seq rank since revision ttl priority delay channel",
-- parents, and what people read.

local E, changed = {}, {}
local deadline = {}          -- id -> moment, or false to take it out
local FENCE, SEQ, NUM        -- latest token, arrivals, number of a pool or class
local counted = false        -- the counters have changed
local tombs = {}             -- id, text, lifetime
local published = {}         -- id -> channel and message

local function decode(s)
  if not s then return false end
  if sub(s, 1, 1) == 'L' then
    local state, token, since, ttl, delay, parents, got, info =
      smatch(s, '^L (%a) (%d+) (%d+) (%d+) (%d+)\n([^\n]*)\n([^\n]*)\n(.*)$')
    return { kind = 'L', state = state, token = tonumber(token), since = tonumber(since), ttl = tonumber(ttl),
      delay = tonumber(delay), parents = parents, got = got, info = info }
  end
  local class, seq, rank, since, rev, ttl, prio, delay, channel, parents, info =
    smatch(s, '^W (%d+) (%d+) (%-?%d+) (%-?%d+) (%d+) (%d+) (%-?%d+) (%d+) (%S+)\n([^\n]*)\n(.*)$')
  return { kind = 'W', class = class, seq = tonumber(seq), rank = tonumber(rank), since = tonumber(since),
    rev = tonumber(rev), ttl = tonumber(ttl), prio = prio, delay = tonumber(delay), channel = channel,
    parents = parents, info = info }
end

local function encode(e)
  if e.kind == 'L' then
    return fmt('L %s %.0f %.0f %.0f %.0f\n%s\n%s\n%s', e.state, e.token, e.since, e.ttl, e.delay, e.parents, e.got, e.info)
  end
  return fmt('W %s %.0f %.0f %.0f %.0f %.0f %s %.0f %s\n%s\n%s', e.class, e.seq, e.rank, e.since, e.rev, e.ttl, e.prio,
    e.delay, e.channel, e.parents, e.info)
end

-- Reads some entities, and the counters with the first of them.
local function open(ids)
  local miss = {}
  for i = 1, #ids do
    if E[ids[i]] == nil then miss[#miss + 1] = ids[i] end
  end
  if not FENCE then miss[#miss + 1] = '#' end
  local got = read(ENT, miss)
  if not FENCE then
    local fence, seq, num = smatch(got[#miss] or '', '^(%d+) (%d+) (%d+)$')
    FENCE, SEQ, NUM = tonumber(fence) or 0, tonumber(seq) or 0, tonumber(num) or 0
    miss[#miss] = nil
  end
  for i = 1, #miss do E[miss[i]] = decode(got[i]) end
end

local function entity(id)
  if E[id] == nil then open({ id }) end
  return E[id]
end

local function keep(id, e)
  E[id] = e
  changed[id] = true
end

-- Says for a while what became of an id, so that a call of its owner that comes
-- late or twice is told, and cannot bring it back.
local function bury(id, text, lifetime)
  tombs[#tombs + 1] = { id, text, lifetime }
end

-- The token is the clock, or one more than the last: it rises even across the
-- loss of all data and the promotion of a replica that lacks the last grants,
-- where a mere counter would give out the same numbers again.
local function next_token()
  FENCE = math.max(FENCE + 1, NOW)
  counted = true
  return FENCE
end

local function next_number()
  NUM = NUM + 1
  counted = true
  return int(NUM)
end

local function flush_records()
  local set, del = {}, {}
  if counted then
    set[1], set[2] = '#', fmt('%.0f %.0f %.0f', FENCE, SEQ, NUM)
  end
  for id in pairs(changed) do
    if E[id] then
      set[#set + 1] = id
      set[#set + 1] = encode(E[id])
    else
      del[#del + 1] = id
    end
  end
  write('HSET', ENT, set)
  write('HDEL', ENT, del)
  local add, rem = {}, {}
  for id, at in pairs(deadline) do
    if at then
      add[#add + 1] = int(at)
      add[#add + 1] = id
    else
      rem[#rem + 1] = id
    end
  end
  write('ZADD', DUE, add)
  write('ZREM', DUE, rem)
  for _, t in ipairs(tombs) do
    call('SET', BASE .. 't:' .. t[1], t[2], 'PX', int(math.ceil(t[3] / 1000)))
  end
  for _, p in pairs(published) do call('PUBLISH', p[1], p[2]) end
end
