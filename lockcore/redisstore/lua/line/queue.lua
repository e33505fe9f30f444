-- The line: a zset for each class (its members: entries.lua).

-- A waiter that misses some polls is dropped.
function M.heartbeat(id, w) T.deadline[id] = NOW + MISSED_POLLS * poll_of(w.ttl) end

-- The test whose history says how long a waiter will hold; nil if that was said, or if the
-- test has no name.
local function learns_from(w)
  local said, test = M.about(w)
  if said == 0 and test ~= '' then return test end
end

-- Beside the line stands how long each is expected to hold, so that the one to be let
-- past others is found without asking all; and who is to be told when its test
-- teaches something new.
function M.await(w, member)
  local test = learns_from(w)
  member = ranked(w.rank, member)
  local length = M.expectation(w)
  if length then call('ZADD', BASE .. 'e:' .. w.class, M.int(length), member) end
  if test then
    call('ZADD', BASE .. 'wait', 0, test .. '\n' .. w.class .. ' ' .. member)
    T.line_changed = true
  end
end

-- Tells those who wait how long their test will take, after it has taught
-- something. They may be let past others for that.
function M.tell(test)
  local length, entries = M.int(M.median_of(M.recall(test))), {}
  for _, m in ipairs(call('ZRANGEBYLEX', BASE .. 'wait', '[' .. test .. '\n', '(' .. test .. '\11')) do
    local c, member = string.match(m, '\n(%d+) (.*)$')
    entries[c] = entries[c] or {}
    table.insert(entries[c], length)
    table.insert(entries[c], member)
  end
  for c, list in pairs(entries) do
    M.write('ZADD', BASE .. 'e:' .. c, list)
    M.free_pools(c)
  end
end

-- A script that fails in the midst of it has written all the same what it had until
-- then. So keys of ours that another program has taken are found out before: these
-- are the ones with names that never change.
function M.probe(w, reqs)
  if learns_from(w) then call('ZCARD', BASE .. 'wait') end
  if w.parents ~= '' then call('HLEN', BASE .. 'nest') end
  for _, req in ipairs(reqs) do
    if not M.find_pool(req) then return call('HLEN', LIST) end
  end
end

-- The same of what may be needed for those who stand in line already: once in a step,
-- before it takes the first of them out.
function M.probe_line()
  if T.probed then return end
  T.probed = true
  if M.counter('waiting') > 0 then call('ZCARD', BASE .. 'wait') end
  if M.counter('nested') > 0 then call('HLEN', BASE .. 'nest') end
  call('HLEN', LIST)
end

function M.stand(id, w, reqs)
  M.probe(w, reqs)
  w.class = M.class_of(reqs)
  local member = member_of(w.seq, id)
  call('ZADD', BASE .. 'q:' .. w.class, M.int(w.rank), member)
  M.await(w, member)
  if w.parents ~= '' then
    call('HSET', BASE .. 'nest', id, w.class)
    T.nest_changed = true
  end
  M.put(id, w, T.deadline[id])
end

function M.enqueue(id, w, reqs)
  w.seq = M.count_up('seq')
  M.stand(id, w, reqs)
  M.heartbeat(id, w)
end

function M.leave(id, w)
  M.probe_line()
  local member = member_of(w.seq, id)
  call('ZREM', BASE .. 'q:' .. w.class, member)
  M.strike(w.class, member)
  local test = learns_from(w)
  call('ZREM', BASE .. 'e:' .. w.class, ranked(w.rank, member))
  if test then
    call('ZREM', BASE .. 'wait', test .. '\n' .. w.class .. ' ' .. ranked(w.rank, member))
    T.line_changed = true
  end
  if w.parents ~= '' then
    call('HDEL', BASE .. 'nest', id)
    T.nest_changed = true
  end
  T.touched = T.touched or {} -- classes that may be empty now
  T.touched[w.class] = true
end

-- The pools that a waiter competes for may now have something for others.
function M.free_pools(c)
  for _, req in ipairs(M.class(c).reqs) do T.freed[req.pool] = true end
end

function M.dismiss(id, w)
  M.leave(id, w)
  M.free_pools(w.class)
  M.put(id, false, false)
end

function M.drop_empty_classes()
  for c in pairs(T.touched) do
    if call('EXISTS', BASE .. 'q:' .. c) == 0 then M.drop_class(c) end
  end
end

-- The nested waiters, with their classes; nil if there are none.
function M.nested()
  if not T.nest_changed and M.counter('nested') == 0 then return end
  local nest = call('HGETALL', BASE .. 'nest')
  return next(nest) and nest
end
