-- The short way of a renewal: while nothing is over, leases only end later, and a grant of
-- which its holder has been told is confirmed. Whatever is not as plain as that goes the
-- long way, which begins after this file; nothing has been written then.

local function renew()
  if NOW % SWEEP_EVERY == 0 or #ARGV >= FEW_ARGUMENTS then return end -- no difference: it sweeps sooner or later; one more goes the short way, or the long one
  local ids, out, ends, confirmed = { '#epoch' }, {}, {}, {}
  for i = 1, #ARGV, 3 do ids[#ids + 1] = ARGV[i] end
  local records = call('HMGET', ALL, unpack(ids))
  for i = 2, #ids do
    local at = 3 * i - 5 -- of the id among the arguments
    -- Behind the length of a reservation stands a "!".
    local state, token = string.match(records[i] or '', '^L ([' .. STATE_HELD .. STATE_GRANTED .. ']) (%d+) %d+ %d+ %d+\n[^\n]*\n[^\n]*\n[^\n]*\n%d+ ')
    if not state or token ~= ARGV[at + 2] then return end
    out[i - 1], ends[#ends + 1], ends[#ends + 2] = '', NOW + ARGV[at + 1], ids[i]
    if state == STATE_GRANTED then
      confirmed[#confirmed + 1], confirmed[#confirmed + 2] = ids[i], 'L ' .. STATE_HELD .. string.sub(records[i], 4)
    end
  end
  if call('ZCOUNT', DUE, '-inf', NOW_AS_TEXT) ~= 0 then return end -- as none_over, which stands behind this file, with more than a renewal needs
  out[#out + 1] = generation_of(records[1])
  if ends[1] then call('ZADD', DUE, unpack(ends)) end -- no difference of 1: they come in pairs; none where a store only asks for the generation
  if confirmed[1] then call('HSET', ALL, unpack(confirmed)) end -- no difference of 1: they come in pairs
  return out
end

local renewed = renew()
if renewed then return renewed end
