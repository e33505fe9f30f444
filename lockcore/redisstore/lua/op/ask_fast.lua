-- The short way to a grant, for a new request whose candidates nobody waits for:
-- if enough of them are vacant, it gets them. The first grant of all is not made here.
-- Whatever is not as plain as that goes the long way, which begins after this file; nothing
-- has been written then.
--
-- It is here for its speed, and written for it. The long way defines a hundred
-- functions first, which costs more than a grant does.

do
  local id, first = ARGV[1], 6
  -- A request that says how long it will take needs no history: "#" names none.
  local said, reserves, test = string.match(ARGV[4], '^(%d+)(!?) ([^\n]*)')
  test = said == '0' and '#' .. test or '#'
  local few, now = #ARGV < FEW_ARGUMENTS, NOW_AS_TEXT -- no difference: one more goes the short way, or the long one
  local records
  if few then
    if string.sub(ARGV[5], 1, 1) == HOW_WAIT then -- it may have to stand in line: see the next file
      FIELDS = { id, '#fence', '#policy', '#usual', test, '#outages', unpack(ARGV, first) }
      local n = #FIELDS
      FIELDS[n + 1], FIELDS[n + 2], FIELDS[n + 3] = '#seq', '#past', '#nested'
      records = call('HMGET', ALL, unpack(FIELDS))
    else
      records = call('HMGET', ALL, id, '#fence', '#policy', '#usual', test, '#outages', unpack(ARGV, first))
    end
  end
  if records and #ARGV >= first and not records[1] and reserves == '' and records[2] and records[2] < now and records[3] == string.sub(ARGV[5], 2, 2) then
    local find, plain, base, got, set, m, taken = string.find, true, 0, '', { '#fence', now }, 2, {}
    for mode, need, choice, n, j, stride in string.gmatch(ARGV[2], '(%S+) (%d+) (%a) (%S+) (%d+) (%d+)') do
      -- By the seat several units may come from one resource, which is not plain;
      -- nor is a named list, or what was used when.
      n, need, j, stride = tonumber(n), need + 0, j + 0, stride + 0
      plain = n and choice ~= CHOICE_LEAST_USE and (mode == 'x' or mode == 's')
      if not plain then break end
      local record = now .. '|' .. id .. ' ' .. mode .. ' 1|'
      if base > 0 then got = got .. '|' end
      got = got .. mode
      for _ = 1, n do
        local k, r = ARGV[first + base + j], records[base + j + 7]
        if r and find(r, '|', 1, true) then -- no difference: it begins with a token
          -- Taken or waited for; if the order matters, the long way sees why.
          if choice ~= CHOICE_RANDOM then break end
        elseif not taken[k] then
          taken[k], need, got = true, need - 1, got .. ' ' .. k
          set[m + 1], set[m + 2] = k, record
          m = m + 2
          if need == 0 then break end
        end
        j = (j + stride) % n
      end
      plain = need == 0
      if not plain then break end
      base = base + n
    end
    if plain then
      set[m + 1] = id
      local plan = records[5]
      if not plan or now - string.match(plan, '^%d+') > HISTORY_AGE then -- no difference: a microsecond in 90 days
        plan = records[4] and said == '0' and '?' .. records[4] or ''
      end
      set[m + 2] = 'L ' .. STATE_HELD .. ' ' .. now .. ' ' .. now .. ' ' .. ARGV[3] .. '\n' .. got .. '\n' .. plan .. '\n' .. ARGV[4]
      -- If the key of one has the wrong type, it is this one's: the other was read.
      call('ZADD', DUE, NOW + string.match(ARGV[3], '^%d+'), id)
      call('HSET', ALL, unpack(set))
      return id .. ' ' .. now .. ' ' .. got
    end
  end
  if records then
    FIELDS, FOUND = FIELDS or { id, '#fence', '#policy', '#usual', test, '#outages', unpack(ARGV, first) }, records -- no difference: what is not noted is read again
  end
end
