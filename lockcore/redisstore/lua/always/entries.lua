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

-- After how long a waiter of the rank in its class asks again. The first ones are told the
-- moment at which something expires: they are who it may come free for, and nobody else
-- would tell them.
local function next_look(rank, ttl)
  local poll = poll_of(ttl)
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

-- What a lease keeps of that from its grant on: the history, or the guess behind a
-- question mark; said is what the client says of the length, or 0.
local function plan_of(said, history, guess)
  if said ~= 0 then return '' end
  if recent(history) then return history end
  return guess ~= 0 and string.format('?%.0f', guess) or ''
end

-- times are its seq, rank, since, revision and ttl; rest is the last token when it came,
-- delayed, promise and guess. They come as text, for what was read as text is written
-- again.
local function waiter_record(class, times, prio, delay, channel, rest, parents, info)
  return 'W ' .. class .. ' ' .. times .. ' ' .. prio .. ' ' .. delay .. ' ' .. channel .. ' ' .. rest .. '\n' .. parents .. '\n' .. info
end

-- times are token, since, ttl and delay.
local function lease_record(state, times, parents, got, plan, past, info)
  return 'L ' .. state .. ' ' .. times .. '\n' .. parents .. '\n' .. got .. '\n' .. (plan or '') .. (past and '|' .. past or '') .. '\n' .. info
end

-- Whether nothing is over that would have to be taken out first.
local function none_over() return call('ZCOUNT', DUE, '-inf', NOW_AS_TEXT) == 0 end

-- Whether the namespace is plain enough for the short ways of those who have to do with a
-- line: nobody was let past others, no waiter holds leases meanwhile, nothing is out of
-- service, and nothing is over.
local function plain_line(past, nested, outages)
  return (past or '0') == '0' and (nested or '0') == '0' and (outages or '0') == '0' and none_over()
end

-- The classes and the pools of a domain; nil if it is a large one.
local function members_of(dom)
  local members = call('SMEMBERS', BASE .. 'dom:' .. dom)
  if #members > FEW_MEMBERS then return end -- no difference: one more goes the short way, or the long one
  local classes, pools = {}, {}
  for _, m in ipairs(members) do
    local list = string.sub(m, 1, 1) == 'c' and classes or pools
    list[#list + 1] = string.sub(m, 2)
  end
  return classes, pools
end

-- How many of the lists of some pools there are: those with nothing in them are not
-- there.
local function lists_of(pools)
  local lists = {}
  for _, p in ipairs(pools) do lists[#lists + 1], lists[#lists + 2] = BASE .. 'av:' .. p, BASE .. 'so:' .. p end
  return call('EXISTS', unpack(lists))
end

-- A number from 1 to n. The clock is the seed: a server's own random numbers start
-- alike in every script.
local seed
local function random(n)
  seed = (seed or NOW % 2147483646 + 1) * 16807 % 2147483647 -- no difference of 2147483646, 1, 16807, 2147483647: any numbers do
  return seed % n + 1
end

local function shuffle(list)
  for i = #list, 2, -1 do
    local j = random(i)
    list[i], list[j] = list[j], list[i]
  end
  return list
end
