-- snapshot lists the leases that have not ended, and how the last use of keys ended.
--
-- Reply: {leases, key, how, key, how...}
local out = {{}}
local all = redis.call('HGETALL', HELD)
local over = {}
for i = 1, #all, 2 do
  if string.sub(all[i], 1, 1) == 'l' then
    local id, l = string.sub(all[i], 2), parse(all[i + 1])
    if l.ends > now then
      out[1][#out[1] + 1] = describe(id, l)
    elseif l.state ~= '1' and l.state ~= '4' then -- its record is still to be dropped
      for _, key in each(l.takes) do over[key] = expired(l.state) end
    end
  end
end
local known = redis.call('HGETALL', ENDINGS)
for i = 1, #known, 2 do
  local how = string.sub(known[i + 1], 1, 1)
  if how ~= RELEASED and not over[known[i]] then over[known[i]] = how end
end
for key, how in pairs(over) do
  out[#out + 1] = key
  out[#out + 1] = how
end
return out
