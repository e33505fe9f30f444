-- The line: a zset for each class. Its members are the arrival number with 12
-- digits and the id, so that equal ranks stay in the order of arrival.

function M.member(id, w) return string.format('%012.0f', w.seq) .. id end

function M.poll_of(w) return math.max(math.min(5000000, math.floor(w.ttl / 3)), 1000) end

-- A waiter that misses three polls is dropped.
function M.heartbeat(id, w) T.deadline[id] = NOW + 3 * M.poll_of(w) end

function M.stand(id, w, reqs)
  w.class = M.class_of(reqs)
  call('ZADD', BASE .. 'q:' .. w.class, M.int(w.rank), M.member(id, w))
  if w.parents ~= '' then call('HSET', BASE .. 'nest', id, w.class) end
  M.put(id, w, T.deadline[id])
end

function M.enqueue(id, w, reqs)
  w.seq = M.count_up('seq')
  M.stand(id, w, reqs)
  M.heartbeat(id, w)
end

function M.leave(id, w)
  call('ZREM', BASE .. 'q:' .. w.class, M.member(id, w))
  if w.parents ~= '' then call('HDEL', BASE .. 'nest', id) end
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
