-- Moments and durations are microseconds: exact in a double until 2255. As text
-- they need care, because tostring rounds what has more than 14 digits. The clock
-- is read once: in Redis 7.0 it advances while a script runs.

local time = call('TIME')
local NOW = time[1] * 1000000 + time[2]
local NOW_AS_TEXT = time[1] .. string.sub('00000', #time[2]) .. time[2] -- no difference of 1: there is nothing before the first
