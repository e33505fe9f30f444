-- snapshot lists the leases that have not ended.
--
-- Reply: for each {id, time left, age, kept, takes, info}
local out = {}
for id, rec in leases(0) do
  local l = parse(rec)
  out[#out + 1] = {id, digits(l.ends - now), digits(now - l.since), l.kept and 1 or 0, l.takes, l.info}
end
return out
