-- How long each test held what it asked for, the last times. It stands under "#"
-- and the name that the client gives it: package, test and requirements, escaped,
-- with blanks between; so it can be no counter's. The value is "at n" and n
-- durations, the oldest first, where at is when the last one ended.
--
-- The median is worked out when it is wanted, not here: nobody may ever want it,
-- and sorting costs more than everything else that a release does.

local function with_hold(history, took)
  local n, rest = string.match(history, '^%d+ (%d+)(.*)$')
  if tonumber(n) < HOLDS_KEPT then
    n = n + 1
  else
    rest = string.match(rest, '^ %d+(.*)$')
  end
  return string.format('%.0f %d%s %.0f', NOW, n, rest, took)
end

-- The usual time after a test took so long: what about seven of ten tests of late did
-- not exceed. Three of ten that take longer move it up as far as the others down.
local function usual_after(usual, took)
  if usual == 0 then return math.max(1, took) end
  if took > usual then return usual + math.max(1, math.floor(usual * USUAL_UP / USUAL_PARTS)) end
  if took < usual then return math.max(1, usual - math.floor(usual * USUAL_DOWN / USUAL_PARTS)) end
  return usual
end

-- Whether somebody waits who would be told what a test has taught (queue.lua).
local function awaited(test)
  return call('ZLEXCOUNT', BASE .. 'wait', '[' .. test .. '\n', '(' .. test .. '\11') ~= 0
end

-- Whether there is a history, and one that still says something.
local function recent(history)
  return history and NOW - string.match(history, '^%d+') <= HISTORY_AGE -- no difference: a microsecond in 90 days
end

-- Whether nobody needs a field any more: a tombstone, a resource that was used long ago,
-- or a history that says nothing any more. A token is the time of its grant; no lease
-- that could come back is as old as that.
local function is_over(field, v)
  local till = string.match(v, '^T (%d+) ')
  if till then
    return tonumber(till) <= NOW -- no difference: a microsecond
  elseif string.match(field, '^#.* ') then
    return not recent(v)
  elseif string.match(field, '^[^#]') and string.match(v, '^%d+$') then
    return tonumber(v) < NOW - TOKEN_KEPT -- no difference: a microsecond in a day
  end
end

-- One operation in SWEEP_EVERY sweeps a little, at its end.
local function sweep()
  if NOW % SWEEP_EVERY ~= 0 then return end -- no difference: it sweeps sooner or later
  local counters = call('HMGET', ALL, '#sweep', '#tests')
  local found = call('HSCAN', ALL, counters[1] or 0, 'COUNT', 128) -- no difference: a page of about that size
  local fields, forget, tests = found[2], {}, tonumber(counters[2] or 0)
  for i = 1, #fields, 2 do
    if is_over(fields[i], fields[i + 1]) then
      forget[#forget + 1] = fields[i]
      if string.match(fields[i], '^#') then tests = tests - 1 end
    end
  end
  for i = 1, #forget, FEW_ARGUMENTS do call('HDEL', ALL, unpack(forget, i, math.min(i + FEW_ARGUMENTS - 1, #forget))) end -- no difference: in one call or in several
  call('HSET', ALL, '#sweep', found[1], '#tests', string.format('%.0f', tests))
end
