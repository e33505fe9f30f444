-- The short way to a grant, for a new request whose candidates nobody waits for:
-- if enough of them are vacant, it gets them. Whatever is not as plain as that
-- goes the long way, which begins after this file; nothing has been written then.
--
-- It is here for its speed. The long way defines a hundred functions first, which
-- costs more than a grant does.

do
  local id, first = ARGV[2], 7
  local records = #ARGV >= first and #ARGV < 400 and call('HMGET', ALL, id, '#fence', unpack(ARGV, first))
  local now = time[1] .. string.sub(time[2] + 1000000, 2)
  if records and not records[1] and (records[2] or '0') < now then
    local plain, seed, at, got, taken, set = true, tonumber(ARGV[1]), 0, {}, {}, { '#fence', now }
    for mode, need, choice, n in string.gmatch(ARGV[3], '(%S+) (%d+) (%a) (%S+)') do
      n, need = tonumber(n), tonumber(need)
      -- By the seat several units may come from one resource, which is not plain;
      -- nor is a named list, or what was used when.
      plain = n and choice ~= 'l' and (mode == 'x' or mode == 's')
      local order, i, part, record = {}, 0, mode, now .. '|' .. id .. ' ' .. mode .. ' 1|'
      while plain and need > 0 and i < n do
        i = i + 1
        local j = i
        if choice == 'r' then
          seed = seed * 16807 % 2147483647
          j = i + seed % (n - i + 1)
          j, order[j] = order[j] or j, order[i] or i
        end
        local k, r = ARGV[first + at + j - 1], records[at + j + 2]
        if r and string.find(r, '|', 1, true) then
          plain = choice == 'r' -- taken or waited for; if the order matters, see why
        elseif not taken[k] then
          taken[k], need, part = true, need - 1, part .. ' ' .. k
          set[#set + 1] = k
          set[#set + 1] = record
        end
      end
      plain = plain and need == 0
      if not plain then break end
      got[#got + 1] = part
      at = at + n
    end
    if plain then
      got = table.concat(got, '|')
      set[#set + 1] = id
      set[#set + 1] = 'L h ' .. now .. ' ' .. now .. ' ' .. ARGV[4] .. '\n' .. got .. '\n' .. ARGV[5]
      -- If the key of one has the wrong type, it is this one's: the other was read.
      call('ZADD', DUE, string.format('%.0f', NOW + string.match(ARGV[4], '^%d+')), id)
      call('HSET', ALL, unpack(set))
      return { 'G', now, got }
    end
  end
end
