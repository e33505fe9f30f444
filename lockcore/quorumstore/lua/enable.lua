-- enable puts keys back into service.
--
-- ARGV: keys, channel
-- Reply: {those of them that were disabled}
local out = {{}}
for _, key in each(ARGV[1]) do
  local id, l = disabled(key)
  if l then
    out[1][#out[1] + 1] = describe(id, l)
    drop(id, l)
    local e = ending(key)
    if e and e.how == RELEASED then
      redis.call('HDEL', ENDINGS, key)
    elseif e then
      redis.call('HSET', ENDINGS, key, e.how .. '0000' .. digits(e.at) .. e.id) -- somebody has seen to it
    end
    redis.call('PUBLISH', ARGV[2], digits(l.attempt) .. ' ' .. id)
  end
end
return out
