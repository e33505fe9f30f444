-- The short way back, for a lease whose resources nobody shares and nobody waits
-- for. Everything else goes the long way, which begins after this file; so does
-- one release in 64, to sweep.

do
  local id, mode, first = ARGV[2], ARGV[5], 7
  if mode ~= '' and ARGV[3] == '0' and ARGV[4] == '' and #ARGV >= first and #ARGV < 400 and time[2] % 64 > 0 then
    local records = call('HMGET', ALL, id, unpack(ARGV, first))
    local token, ttl, got = string.match(records[1] or '', '^L [hg] (%d+) %d+ (%d+) %d+\n[^\n]*\n([^\n]*)\n')
    -- The caller's word for what it has is checked, not trusted.
    local plain, set = got == ARGV[6], {}
    local alone = plain and token .. '|' .. id .. ' ' .. mode .. ' 1|'
    for i = first, #ARGV do
      plain = plain and records[i - first + 2] == alone
      set[#set + 1] = ARGV[i]
      set[#set + 1] = token
    end
    if plain then
      set[#set + 1] = id
      set[#set + 1] = string.format('T %.0f R', NOW + ttl + 10000000)
      call('ZREM', DUE, id) -- first: a server that is full lets go on what begins like this
      call('HSET', ALL, unpack(set))
      return 1
    end
  end
end
