-- snapshot lists the leases that have not ended.
--
-- Reply: for each {id, time left, age, kept, takes, info}
local out = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', ENDS, '(' .. digits(now), '+inf')) do
  local l = lease(id)
  if l then
    out[#out + 1] = {id, digits(left(id, 0)), digits(now - l.since), l.kept and 1 or 0, l.takes, l.info}
  end
end
return out
