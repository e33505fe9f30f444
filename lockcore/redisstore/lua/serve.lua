-- The rest of a step, which only needs doing if something came free or is over.

function M.schedule(classes)
  if not classes[1] then return end
  M.pass(classes)
  while true do
    local nest = call('HGETALL', BASE .. 'nest')
    if not nest[1] or not M.tangled(nest) then return end
    M.pass(M.all_classes())
    if not M.untangle(call('HGETALL', BASE .. 'nest')) then return end
  end
end

function M.serve_domains()
  local doms = {}
  for p in pairs(T.freed) do
    local e = M.pool(p)
    if e then doms[e.dom] = true end
  end
  T.freed = {}
  M.schedule(M.classes_in(doms))
end

-- Ends what is over. A lease that was confirmed may come back as long as nobody
-- was granted what it had; a lock delay puts off that moment.
function M.reap_these(ids)
  M.open(ids)
  for _, id in ipairs(ids) do
    local e = T.entity[id]
    if not e then
      T.deadline[id] = false
    elseif e.kind == 'W' then
      M.dismiss(id, e)
    else
      M.drop(id, e)
      if e.state == 'g' and e.since + PROVISIONAL <= NOW then
        M.bury(id, 'U', 3600000000)
      elseif e.delay > 0 and e.state ~= 'k' and e.state ~= 'd' then
        M.set_aside('!delay:' .. string.sub(id, 2), e)
      end
    end
  end
  M.serve_freed()
end

function M.set_aside(id, e)
  local aside = { kind = 'L', state = 'd', token = e.token, since = e.since, ttl = e.delay, delay = 0, parents = '',
    got = e.got, info = e.info }
  M.settle_in(id, aside)
  M.put(id, aside, NOW + e.delay)
end

-- One operation in 64 sweeps a little: it takes out tombstones that nobody needs
-- any more, and resources that were used long ago. A token is the time of its
-- grant; no lease that could come back is as old as that.
function M.sweep()
  local found, forget = call('HSCAN', ALL, M.counter('sweep'), 'COUNT', 128), {}
  for i = 1, #found[2], 2 do
    local field, v = found[2][i], found[2][i + 1]
    local till = string.match(v, '^T (%d+) ')
    if till and tonumber(till) <= NOW or string.match(v, '^%d+$') and string.sub(field, 1, 1) ~= '#' and tonumber(v) < NOW - 86400000000 then
      forget[#forget + 1] = field
    end
  end
  M.write('HDEL', ALL, forget)
  call('HSET', ALL, '#sweep', found[1])
end
