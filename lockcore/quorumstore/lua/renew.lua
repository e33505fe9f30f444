-- renew extends leases to their full length.
--
-- ARGV: delay, then for each lease: id, attempt, ttl, takes, info, join,
-- doubt
-- Reply: for each lease one of
--   {"live"}           extended. It may have ended before, but nothing was granted
--                      on its keys since, or it would not be here any more.
--   {"joined"}         this server did not have it, and took it in: join is "1". Or
--                      it did so with a renewal that did not succeed: doubt is "1".
--   {"none"}           it did not have it, and was not to take it in
--   {"taken", key, info of a holder}
--   {"gone", why}      it was ended by hand
local delay = tonumber(ARGV[1])

local function taken(key, holders)
  local _, other = each(holders)()
  local o = lease(other)
  return {'taken', key, o and o.info or ''}
end

local function renew(id, attempt, ttl, takes, info, join, doubt)
  local l = lease(id)
  if l and l.kept then return {'gone', 'it was given back, and its keys are kept aside'} end
  if l and l.takes == takes then
    l.ttl, l.ends, l.guest = ttl, now + ttl, l.guest and doubt
    store(id, l)
    return {l.guest and 'joined' or 'live'}
  end
  local given_up, why = buried(id)
  if given_up and given_up >= attempt then return {'gone', why} end
  if l then drop(id, l) end -- what a lost attempt of the same ticket left behind
  if join then
    local key, holders = place(id, {attempt = attempt, since = now, ends = now + ttl, kept = false, guest = true, ttl = ttl, takes = takes, info = info}, delay)
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
