-- How waiters and leases are written, and what is expected of them: what the short ways
-- need of it as well as the long ones, so that both write the same.

-- A member of a line: the arrival number with 12 digits and the id, so that equal ranks
-- stay in the order of arrival.
local function member_of(seq, id) return string.format('%012.0f', seq) .. id end

-- The same behind the rank, with 16 digits: so those who are expected to hold for
-- the same time stand in the order of the line.
local function ranked(rank, member)
  return string.format('%016.0f', math.max(0, math.min(rank + RANK_SHIFT, FOR_EVER))) .. member -- no difference: no rank is as far away
end

-- After how long a waiter asks again at the latest, by its TTL.
local function poll_of(ttl) return math.max(math.min(HEARTBEAT, math.floor(ttl / POLLS_PER_TTL)), SHORTEST_POLL) end

-- After how long a waiter asks again. The first ones of a class are told the moment at
-- which something expires: they are who it may come free for, and nobody else would tell
-- them.
local function next_look(class, member, ttl)
  local poll, rank = poll_of(ttl), call('ZRANK', BASE .. 'q:' .. class, member)
  if rank and rank <= 1 then
    local first = call('ZRANGE', DUE, 0,
      0, 'WITHSCORES') -- no difference: the first of more is the same
    if first[2] then poll = math.min(poll, math.max(first[2] - NOW, SHORTEST_POLL)) end
  end
  return poll
end

-- The middle of the durations of a history, the later of two: one that ended early and
-- one that hung do not move it.
local function median(history)
  local all = {}
  for d in string.gmatch(string.match(history, '^%d+ %d+(.*)$'), '%d+') do all[#all + 1] = tonumber(d) end
  table.sort(all)
  local m = all[math.floor(#all / 2) + 1]
  return math.max(m, 1) -- no difference: a microsecond more
end

-- Whether there is a history, and one that still says something.
local function recent(history)
  return history and NOW - string.match(history, '^%d+') <= HISTORY_AGE -- no difference: a microsecond in 90 days
end

-- What a lease keeps of that from its grant on: the history, or the guess behind a
-- question mark; said is what the client says of the length, or 0.
local function plan_of(said, history, guess)
  if said ~= 0 then return '' end
  if recent(history) then return history end
  return guess ~= 0 and string.format('?%.0f', guess) or ''
end

local function waiter_record(class, seq, rank, since, rev, ttl, prio, delay, channel, fence, delayed, promise, guess, parents, info)
  return string.format('W %s %.0f %.0f %.0f %.0f %.0f %s %.0f %s %.0f %.0f %.0f %.0f\n%s\n%s', class, seq, rank, since, rev, ttl, prio, delay,
    channel, fence, delayed, promise, guess, parents, info)
end

local function lease_record(state, token, since, ttl, delay, parents, got, plan, past, info)
  return string.format('L %s %.0f %.0f %.0f %.0f\n%s\n%s\n%s%s\n%s', state, token, since, ttl, delay, parents, got, plan or '',
    past and '|' .. past or '', info)
end

-- Whether the namespace is plain enough for the short ways of those who have to do with a
-- line: nobody was let past others, no waiter holds leases meanwhile, nothing is out of
-- service, and nothing is over that would have to be taken out first.
local function plain_line(past, nested, outages)
  local none = (past or '0') == '0' and (nested or '0') == '0' and (outages or '0') == '0'
  return none and not call('ZRANGEBYSCORE', DUE, '-inf', string.format('%.0f', NOW), 'LIMIT', 0, 1)[1] -- no difference: the first of more tells the same
end

-- The classes of a domain in which nobody could be given anything; nil if somebody might
-- be, or if the domain is a large one.
local function classes_if_exhausted(dom)
  local members = call('SMEMBERS', BASE .. 'dom:' .. dom)
  if #members > FEW_MEMBERS then return end -- no difference: one more goes the short way, or the long one
  local classes, lists = {}, {}
  for _, m in ipairs(members) do
    local kind, n = string.sub(m, 1, 1), string.sub(m, 2)
    if kind == 'c' then
      classes[#classes + 1] = n
    else
      lists[#lists + 1], lists[#lists + 2] = BASE .. 'av:' .. n, BASE .. 'so:' .. n
    end
  end
  if not lists[1] then return end -- no difference of 1: they come in pairs. A set that somebody deleted tells nothing
  return call('EXISTS', unpack(lists)) == 0 and classes or nil
end
