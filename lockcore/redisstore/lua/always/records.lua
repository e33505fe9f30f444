-- Leases and waiters, read when first looked at and written at the end: a script
-- that fails while it reads has changed nothing of them.
--
-- A lease is "L state token since ttl delay", the ids of its parents, what it
-- got, what was learned of how long it will be held (lengths.lua), and info, a
-- line each. If it was let past earlier waiters, "|", its rank and its seq in line
-- stand behind what was learned.
-- A waiter is "W class seq rank since revision ttl priority delay channel fence
-- delayed promise guess", parents, and info: fence is the last token when it came, delayed
-- the moment from which it waits only for those let past it, or 0 (patience.lua), and
-- promise the one by which it was to start when somebody could first be let past it,
-- or 0 (backfill.lua), and guess the usual time when it came, or 0 (lengths.lua);
-- revisions of the rules before had neither.
-- Info begins with a line about the length, "said test", with a "!" behind the length
-- of a reservation; the rest is what only people read. What keeps a resource out of
-- service is a lease, too, with the id of M.disabled_id. A tombstone is "T until why": it says for a while what became of
-- an id, so that a call of its owner that comes late or twice is told, and cannot
-- bring it back.
--
-- Of the counters, fence is the latest token, usual the usual time, epoch the moment at which the data begin
-- (generation.lua), seq counts arrivals, num pools and
-- classes, tests those that have a history; nested and waiting are the sizes of the
-- keys nest and wait, which mostly need no look for that; and sweep is where the
-- broom stands.

-- Text to which something is added is a number; tonumber would read it twice. A pattern
-- that ends with a position is done sooner than one that takes in the rest.
function M.decode(s)
  if not s then return false end
  if string.sub(s, 1, 1) == 'L' then
    local state, token, since, ttl, delay, parents, got, plan, past, info =
      string.match(s, '^L (%a) (%d+) (%d+) (%d+) (%d+)\n([^\n]*)\n([^\n]*)\n([^|\n]*)|?([^\n]*)\n()')
    return { kind = 'L', state = state, token = token + 0, since = since + 0, ttl = ttl + 0, delay = delay + 0, parents = parents,
      got = got, plan = plan, past = past ~= '' and past, info = string.sub(s, info) }
  end
  local class, seq, rank, since, rev, ttl, prio, delay, channel, fence, delayed, promise, guess, parents, info =
    string.match(s, '^W (%d+) (%d+) (%-?%d+) (%-?%d+) (%d+) (%d+) (%-?%d+) (%d+) (%S+) (%d+) (%d+) ?(%d*) ?(%d*)\n([^\n]*)\n()')
  return { kind = 'W', class = class, seq = seq + 0, rank = rank + 0, since = since + 0, rev = rev + 0, ttl = ttl + 0, prio = prio,
    delay = delay + 0, channel = channel, fence = fence + 0, delayed = delayed + 0, parents = parents, info = string.sub(s, info),
    promise = tonumber(promise) or 0, -- no difference of 0: a line whose records lack it is an older one, and goes on under fifo only
    guess = tonumber(guess) or 0 } -- no difference of 0: the same
end

function M.encode(e)
  if e.kind == 'L' then
    return lease_record(e.state, string.format('%.0f %.0f %.0f %.0f', e.token, e.since, e.ttl, e.delay), e.parents, e.got, e.plan, e.past, e.info)
  end
  return waiter_record(e.class, string.format('%.0f %.0f %.0f %.0f %.0f', e.seq, e.rank, e.since, e.rev, e.ttl), e.prio, M.int(e.delay),
    e.channel, string.format('%.0f %.0f %.0f %.0f', e.fence, e.delayed, e.promise, e.guess), e.parents, e.info)
end

function M.open(ids)
  local miss = {}
  for i = 1, #ids do
    if T.entity[ids[i]] == nil then miss[#miss + 1] = ids[i] end
  end
  M.load(miss)
  for i = 1, #miss do
    local record = T.raw[miss[i]]
    local till, why = string.match(record or '', '^T (%d+) (.*)$')
    if till and tonumber(till) > NOW then T.buried[miss[i]] = why end -- no difference of >: a microsecond
    T.entity[miss[i]] = not till and M.decode(record)
  end
end

function M.get(id)
  if T.entity[id] == nil then M.open({ id }) end
  return T.entity[id]
end

-- Notes what is to be written of an entity; e false takes it out.
function M.put(id, e, at)
  T.entity[id] = e
  T.changed[id] = true
  T.deadline[id] = at
end

-- Whether a lease is somebody's: it is held or reserved, or was granted to a waiter that
-- has yet to confirm it.
function M.stands(e) return e and (e.state == STATE_HELD or e.state == STATE_GRANTED or e.state == STATE_RESERVED) end

function M.disabled_id(k) return '!disabled:' .. k end

function M.bury(id, why, lifetime)
  T.tombs[id], T.buried[id] = string.format('T %.0f %s', NOW + lifetime, why), why
  M.put(id, false, false)
end

function M.counter(name) return T.counters[name] or tonumber(M.field('#' .. name) or 0) end

function M.count_up(name)
  T.counters[name] = M.counter(name) + 1 -- no difference: what it numbers is only told apart, and put in order
  return T.counters[name]
end

-- The token is the clock, or one more than the last: it rises even across the
-- loss of all data and the promotion of a replica that lacks the last grants,
-- where a mere counter would give out the same numbers again.
function M.next_token()
  M.begin_epoch()
  T.counters.fence = math.max(M.counter('fence') + 1, NOW) -- no difference: a token is only more than those before
  return T.counters.fence
end

function M.count_line()
  if T.line_changed then T.counters.waiting = call('ZCARD', BASE .. 'wait') end
  if T.nest_changed then T.counters.nested = call('HLEN', BASE .. 'nest') end
end

function M.flush()
  local set, del, add, rem = {}, {}, {}, {}
  M.count_line()
  for name, n in pairs(T.counters) do
    set[#set + 1] = '#' .. name
    set[#set + 1] = M.int(n)
  end
  M.flush_history(set)
  M.flush_keys(set, del)
  for id in pairs(T.changed) do
    local e = T.entity[id]
    local record = e and M.encode(e) or T.tombs[id]
    if record then
      set[#set + 1] = id
      set[#set + 1] = record
    else
      del[#del + 1] = id
    end
  end
  for id, at in pairs(T.deadline) do
    if at then
      add[#add + 1] = M.int(at)
      add[#add + 1] = id
    else
      rem[#rem + 1] = id
    end
  end
  M.write('ZREM', DUE, rem)
  M.write('HDEL', ALL, del)
  M.write('ZADD', DUE, add)
  M.write('HSET', ALL, set)
  for _, p in pairs(T.published) do call('PUBLISH', p[1], p[2]) end
  if T.counters.tests and T.counters.tests > TESTS_KEPT then M.forget_one() end -- no difference of >: a test more or less
  sweep()
end
