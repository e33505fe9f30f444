-- Snapshot: everything at one moment.
-- Reply: now; leases and waiters as id, record, deadline; classes as number,
-- spec; pools as number, candidates; reservations as id, resource.

open({})
reap()
pass(all_classes())
local reserved, leases, classes, pools, seen = {}, {}, {}, {}, {}
for _, c in ipairs(claims) do
  if free(c[2], at(c[3])) > 0 then
    reserved[#reserved + 1] = c[1]
    reserved[#reserved + 1] = c[3]
  end
end
finish()
local due = call('ZRANGE', DUE, 0, -1, 'WITHSCORES')
local ids = {}
for i = 1, #due, 2 do ids[#ids + 1] = due[i] end
local records = read(ENT, ids)
for i = 1, #ids do
  if records[i] then
    leases[#leases + 1] = ids[i]
    leases[#leases + 1] = records[i]
    leases[#leases + 1] = due[2 * i]
  end
end
for _, c in ipairs(all_classes()) do
  classes[#classes + 1] = c
  classes[#classes + 1] = class(c).spec
  for _, req in ipairs(class(c).reqs) do
    if not seen[req.pool] then
      seen[req.pool] = true
      pools[#pools + 1] = req.pool
      pools[#pools + 1] = call('HGET', LIST, req.pool)
    end
  end
end
return { int(NOW), leases, classes, pools, reserved }
