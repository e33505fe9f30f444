-- Assert: a holder states its case, after the lease expired or the server lost
-- its data. The lease stands again if nothing was granted on its resources since,
-- which their tokens tell. A holder with an older token is no obstacle: the later
-- grant proves that his had ended, though this server does not know it, being a
-- replica that was promoted before it heard of that.
-- ARGV: seed, then of each: id, token, ttl, delay, parents, info, got.
-- Reply, of each: empty, or T why, or H resource info-of-its-holder.

local out = {}

-- Who stands in the way: the resource, and the lease if there is one.
local function obstacle(e)
  for _, k in ipairs(keys_of(e.got)) do
    local u = at(k)
    if u.token > e.token then return k, u.holds[1] and entity(u.holds[1].id) end
    if u.outside then return k end
  end
end

-- Whether what the lease had of a resource fits beside those who have it now.
local function fits(e, k)
  local units, req = 0, nil
  for part in gmatch(e.got, '[^|]+') do
    local mode, rest = smatch(part, '^(%S+) (.*)$')
    for w in gmatch(rest, '%S+') do
      if w == k then
        units, req = units + 1, { mode = mode, seats = seats_of(mode) }
      end
    end
  end
  return free(req, at(k)) >= units
end

local function supersede(e)
  for _, k in ipairs(keys_of(e.got)) do
    while not fits(e, k) do
      local id = at(k).holds[1].id
      local o = entity(id)
      if o then
        drop(id, o)
        bury(id, 'S', 3600000000)
      else
        vacate(k, id)
      end
    end
  end
end

local function restore(id, e)
  local aside = entity('delay:' .. id)
  if aside then drop('delay:' .. id, aside) end
  load(keys_of(e.got))
  local k, by = obstacle(e)
  if k then return 'H ' .. k .. ' ' .. (by and by.info or '') end
  supersede(e)
  settle_in(id, e)
  keep(id, e)
  deadline[id] = NOW + e.ttl
  FENCE, counted = math.max(FENCE, e.token), true
  return ''
end

for i = 2, #ARGV, 7 do
  local id, token = ARGV[i], tonumber(ARGV[i + 1])
  open({ id })
  if i == 2 then reap() end
  local e = entity(id)
  local why = not e and call('GET', BASE .. 't:' .. id)
  if e and (e.state == 'h' or e.state == 'g') then
    out[#out + 1] = ''
  elseif e or why then
    out[#out + 1] = 'T ' .. (why or 'R')
  else
    -- A token is the time of its grant, or a little more.
    out[#out + 1] = restore(id, { kind = 'L', state = 'h', token = token, since = math.min(token, NOW), ttl = tonumber(ARGV[i + 2]),
      delay = tonumber(ARGV[i + 3]), parents = ARGV[i + 4], info = ARGV[i + 5], got = ARGV[i + 6] })
  end
end
serve_freed()
finish()
return out
