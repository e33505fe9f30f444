-- Snapshot: everything at one moment.
-- Reply: now; leases and waiters as id, record, deadline, and how long a waiter is
-- expected to hold, or 0; classes as number, spec; pools as number, candidates; what is
-- reserved for waiters as id, resource; how the last use of resources ended that was
-- not in order, as resource, ending; and the usual time.

M.reap()
T.looking = true
M.pass(M.all_classes())
local reserved, records, classes, pools, endings, seen = {}, {}, {}, {}, {}, {}
for _, c in ipairs(T.claims) do
  if M.free(c[2], M.at(c[3])) > 0 then
    reserved[#reserved + 1] = c[1]
    reserved[#reserved + 1] = c[3]
  end
end
local bad = call('ZRANGE', BASE .. 'bad', 0, -1)
M.load(bad)
for _, k in ipairs(bad) do
  local ending = string.match(M.at(k).trouble or '', '^[1-9]%d*')
  if ending then
    endings[#endings + 1] = k
    endings[#endings + 1] = ending
  end
end
M.finish()
local due, ids = call('ZRANGE', DUE, 0, -1, 'WITHSCORES'), {}
for i = 1, #due, 2 do ids[#ids + 1] = due[i] end
for i, r in ipairs(M.read(ALL, ids)) do
  if r then
    records[#records + 1] = ids[i]
    records[#records + 1] = r
    records[#records + 1] = due[2 * i]
    local e = string.sub(r, 1, 1) == 'W' and M.decode(r)
    records[#records + 1] = M.int(e and M.length(e) or 0)
  end
end
for _, c in ipairs(M.all_classes()) do
  classes[#classes + 1] = c
  classes[#classes + 1] = M.class(c).spec
  for _, req in ipairs(M.class(c).reqs) do
    if not seen[req.pool] then
      seen[req.pool] = true
      pools[#pools + 1] = req.pool
      pools[#pools + 1] = call('HGET', BASE .. 'list', req.pool)
    end
  end
end
return { M.int(NOW), records, classes, pools, reserved, endings, M.int(M.counter('usual')) }
