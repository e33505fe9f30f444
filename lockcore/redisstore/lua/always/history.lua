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
