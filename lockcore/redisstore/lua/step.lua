-- What every operation does before and after what it is there for: drop what is
-- over, serve the waiters that this frees something for, write everything.

local function classes_in(doms)
  local classes = {}
  for d in pairs(doms) do
    for _, m in ipairs(call('SMEMBERS', BASE .. 'dom:' .. d)) do
      if sub(m, 1, 1) == 'c' then classes[#classes + 1] = sub(m, 2) end
    end
  end
  return classes
end

local function schedule(doms)
  local classes = classes_in(doms)
  if #classes == 0 then return end
  pass(classes)
  while true do
    local nest = call('HGETALL', BASE .. 'nest')
    if #nest == 0 or not tangled(nest) then return end
    pass(all_classes())
    if not untangle(call('HGETALL', BASE .. 'nest')) then return end
  end
end

local function serve_freed()
  local doms = {}
  for p in pairs(freed) do
    if pool(p) then doms[pool(p).dom] = true end
  end
  freed = {}
  if next(doms) then schedule(doms) end
end

-- Ends what is over. A lease that was confirmed may come back as long as nobody
-- was granted what it had; a lock delay puts off that moment.
local function reap()
  local ids = call('ZRANGEBYSCORE', DUE, '-inf', int(NOW))
  if #ids == 0 then return end
  open(ids)
  for _, id in ipairs(ids) do
    local e = E[id]
    deadline[id] = false
    if e and e.kind == 'W' then
      dismiss(id, e)
    elseif e then
      drop(id, e)
      if e.state == 'g' and e.since + PROVISIONAL <= NOW then
        bury(id, 'U', 3600000000)
      elseif e.delay > 0 and e.state ~= 'k' and e.state ~= 'd' then
        local aside = { kind = 'L', state = 'd', token = e.token, since = e.since, ttl = e.delay, delay = 0, parents = '',
          got = e.got, info = e.info }
        settle_in('delay:' .. id, aside)
        keep('delay:' .. id, aside)
        deadline['delay:' .. id] = NOW + e.delay
      end
    end
  end
  serve_freed()
end

local function finish()
  drop_empty_classes()
  flush_keys()
  flush_records()
end
