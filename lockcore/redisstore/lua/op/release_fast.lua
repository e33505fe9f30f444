-- The short way back, for a lease whose resources nobody shares and nobody waits
-- for. Everything else goes on (hand_over_fast.lua), or goes the long way; so does
-- the first release of a test, and what somebody is told of it (hand_over_fast.lua).

local LEFT -- what was found out of a lease for whose resources somebody waits, for the next file

do
  local id, name, first = ARGV[1], '#' .. ARGV[4], 5
  local mode = ARGV[2] == '0 - x' and 'x' or ARGV[2] == '0 - s' and 's'
  local few = #ARGV < FEW_ARGUMENTS -- no difference: one more goes the short way, or the long one
  if mode and #ARGV >= first and few then
    local records = call('HMGET', ALL, id, name, '#waiting', '#usual', '#past', '#nested', '#outages', '#fence', unpack(ARGV, first))
    local token, since, got, test = string.match(records[1] or '', '^L [' .. STATE_HELD .. STATE_GRANTED .. '] (%d+) (%d+) %d+ %d+\n[^\n]*\n([^\n]*)\n[^\n]*\n%d+ ([^\n]*)\n')
    -- The caller's word for what it has, and for whom, is checked, not trusted.
    local plain, history, set, m, listed = got == ARGV[3] and test == ARGV[4], nil, {}, 2, nil
    local told -- whether somebody waits who is to be told what the test has taught
    if plain and test ~= '' then
      history = records[2]
      plain, told = history, history and (records[3] or '0') ~= '0' and awaited(test)
    end
    local alone = plain and token .. '|' .. id .. ' ' .. mode .. ' 1|'
    for i = first, #ARGV do
      local record = records[i - first + 9]
      if plain and record ~= alone then
        local pools = record and string.sub(record, 1, #alone) == alone and string.match(record, '^[^|]+$', #alone + 1)
        listed, plain = listed or {}, pools
        listed[#listed + 1] = { key = ARGV[i], pools = pools, at = m + 2 }
      end
      set[m + 1], set[m + 2] = ARGV[i], token
      m = m + 2
    end
    if plain then
      set[1], set[2] = id, 'T ' .. time[1] + RELEASE_SECONDS .. string.sub(NOW_AS_TEXT, -6) .. ' ' .. ENDED_RELEASED
      if history then
        set[m + 1], set[m + 2] = name, with_hold(history, NOW - since)
        set[m + 3], set[m + 4] = '#usual', string.format('%.0f', usual_after(tonumber(records[4] or 0), NOW - since))
      end
      if not listed and not told then
        call('ZREM', DUE, id) -- first: a server that is full lets go on what begins like this
        call('HSET', ALL, unpack(set))
        sweep()
        return 1 -- no difference: whatever is not 0 says the same
      end
      LEFT = mode == 'x' and listed and { keys = listed, set = set, records = records, told = told and test, history = told and set[m + 2] }
    end
    FIELDS, FOUND = { id, name, '#waiting', '#usual', '#past', '#nested', '#outages', '#fence', unpack(ARGV, first) }, records
  end
end
