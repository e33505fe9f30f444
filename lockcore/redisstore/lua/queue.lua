-- The line: a zset for each class. Its members are "SEQ" with 12 digits and the
-- id, so that equal ranks stay in the order of arrival.

local touched = {} -- classes that somebody left, and that may be empty now

local function member(id, w) return fmt('%012.0f', w.seq) .. id end

local function poll_of(w) return math.max(math.min(5000000, math.floor(w.ttl / 3)), 1000) end

-- A waiter that misses three polls is dropped.
local function heartbeat(id, w) deadline[id] = NOW + 3 * poll_of(w) end

local function stand(id, w, reqs)
  w.class = class_of(reqs)
  call('ZADD', BASE .. 'q:' .. w.class, int(w.rank), member(id, w))
  if w.parents ~= '' then call('HSET', BASE .. 'nest', id, w.class) end
  keep(id, w)
end

local function enqueue(id, w, reqs)
  SEQ = SEQ + 1
  counted = true
  w.seq = SEQ
  stand(id, w, reqs)
  heartbeat(id, w)
end

local function leave(id, w)
  call('ZREM', BASE .. 'q:' .. w.class, member(id, w))
  if w.parents ~= '' then call('HDEL', BASE .. 'nest', id) end
  touched[w.class] = true
end

-- The pools that a waiter competed for may now have something for others.
local function free_pools(c)
  for _, req in ipairs(class(c).reqs) do freed[req.pool] = true end
end

local function dismiss(id, w)
  leave(id, w)
  free_pools(w.class)
  keep(id, false)
  deadline[id] = false
end

local function drop_empty_classes()
  for c in pairs(touched) do
    if call('EXISTS', BASE .. 'q:' .. c) == 0 then drop_class(c) end
  end
  touched = {}
end
