-- renew extends leases to their full length.
--
-- ARGV: delay, then for each lease: id, attempt, ttl, takes, info, join,
-- unrenewed. join is "1" if a server without the lease may take it in; unrenewed
-- is "1" if the client does not know that the renewal before this one succeeded.
--
-- Reply: for each lease one of
--   {"live"}           The server had the lease and extended it. The lease may have
--                      expired before; nothing was granted on its keys since.
--   {"joined"}         The server took the lease in, now or with an earlier renewal
--                      that is not known to have succeeded.
--   {"none"}           The server does not have the lease, and join is "0".
--   {"taken", key, info of a holder}
--   {"gone", why}      Somebody freed the lease, or it was given back.
local delay = tonumber(ARGV[1])

local function taken(key, holders)
  local _, other = each(holders)()
  local o = lease(other)
  return {'taken', key, o and o.info or ''}
end

local function renew(id, attempt, ttl, takes, info, join, unrenewed)
  local l = lease(id)
  if l and l.state == '1' then return {'gone', 'it was given back, and its keys are kept aside'} end
  if l and l.takes == takes and l.ends <= now then
    for _, key in each(takes) do
      local out, by = disabled(key)
      if out then
        bury({[id] = true})
        return {'taken', key, by.info}
      end
    end
  end
  if l and l.takes == takes then
    if l.state == '2' and not unrenewed then l.state = '0' end
    l.ttl, l.ends = ttl, now + ttl
    store(id, l)
    return {l.state == '2' and 'joined' or 'live'}
  end
  local given_up, why = refused(id)
  if given_up and given_up >= attempt then return {'gone', why} end
  if l then drop(id, l) end -- of an earlier attempt for the same ticket
  if join then
    local key, holders = place(id, {attempt = attempt, since = now, ends = now + ttl, state = '2', ttl = ttl, takes = takes, info = info}, delay)
    if key then return taken(key, holders) end
    return {'joined'}
  end
  for mode, key in each(takes) do
    local holders = living(redis.call('HGET', HELD, 'k' .. key), delay)
    if not fits(mode, holders) then return taken(key, holders) end
  end
  return {'none'}
end

local out = {}
for i = 2, #ARGV, 7 do
  out[#out + 1] = renew(ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), ARGV[i + 3], ARGV[i + 4], ARGV[i + 5] == '1', ARGV[i + 6] == '1')
end
return out
