-- Assert: a holder states its case, after the lease expired or the server lost
-- its data. The lease stands again if nothing was granted on its resources since,
-- which their tokens tell. A holder with an older token is no obstacle: the later
-- grant proves that his had ended, though this server does not know it, being a
-- replica that was promoted before it heard of that.
-- ARGV: of each: id, token, ttl, delay, parents, info, got, and the generation in which
-- it was confirmed.
-- Reply, of each: empty, or REPLY_ENDED why, or REPLY_HELD resource info-of-its-holder,
-- or REPLY_DISABLED resource;
-- and the generation.

-- What stands in the way: the resource, and the lease on it if there is one.
local function obstacle(e)
  for _, k in ipairs(M.keys_of(e.got)) do
    local u = M.at(k)
    if M.counter('outages') > 0 and M.outages()[k] then return k end -- no difference: without outages the table is empty
    if u.token > e.token then return k, u.holds[1] and M.get(u.holds[1].id) end
    if u.outside then return k end
  end
end

-- Whether what the lease had of a resource fits beside those who have it now.
local function fits(e, k)
  local units, req = 0, nil
  for mode, rest in string.gmatch(e.got, '([^ |]+) ([^|]*)') do
    for w in string.gmatch(rest, '%S+') do
      if w == k then units, req = units + 1, { mode = mode, seats = M.seats_of(mode) } end
    end
  end
  return M.free(req, M.at(k)) >= units
end

local function supersede(e)
  for _, k in ipairs(M.keys_of(e.got)) do
    while not fits(e, k) do
      local id = M.at(k).holds[1].id
      local o = M.get(id)
      if o and o.kind == 'L' then
        M.end_use(id, o, ENDING_UNKNOWN)
        M.drop(id, o)
        M.bury(id, ENDED_OUTDATED, ENDED_KEPT)
      else
        M.vacate(k, id)
      end
    end
  end
end

local function restore(id, e, known)
  M.load(M.keys_of(e.got))
  local k, by = obstacle(e)
  if k and M.outages()[k] then return REPLY_DISABLED .. ' ' .. k end
  if k then return REPLY_HELD .. ' ' .. k .. ' ' .. (by and by.info or '') end
  if not M.nothing_missed(e.token, known) then return REPLY_ENDED .. ' ' .. ENDED_DATA_LOST end
  M.begin_epoch()
  local stand_in = '!delay:' .. string.sub(id, 2) -- no difference: what is not found here gives way below, as an older lease does
  local aside = M.get(stand_in)
  if aside then M.drop(stand_in, aside) end
  supersede(e)
  M.settle_in(id, e)
  M.put(id, e, NOW + e.ttl)
  T.counters.fence = math.max(M.counter('fence'), e.token)
  return ''
end

local ids, out = {}, {}
for i = 1, #ARGV, 8 do ids[#ids + 1] = ARGV[i] end
M.begin(ids)
for i, id in ipairs(ids) do
  local a = 8 * i - 6 -- of the argument after the id
  local e, token = T.entity[id], tonumber(ARGV[a])
  local why = T.buried[id]
  if M.stands(e) then
    out[i] = e.token == token and '' or REPLY_ENDED .. ' ' .. ENDED_REGRANTED
  elseif e or why then
    out[i] = REPLY_ENDED .. ' ' .. (why or ENDED_RELEASED)
  else
    -- A token is the time of its grant, or a little more.
    out[i] = restore(id, { kind = 'L', state = STATE_HELD, token = token, since = math.min(token, NOW), ttl = tonumber(ARGV[a + 1]),
      delay = tonumber(ARGV[a + 2]), parents = ARGV[a + 3], info = ARGV[a + 4], got = ARGV[a + 5] }, ARGV[a + 6])
  end
end
out[#ids + 1] = generation_of(M.int(M.counter('epoch')))
M.serve_freed()
M.finish()
return out
