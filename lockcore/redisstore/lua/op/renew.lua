-- Renew: extends and confirms leases. ARGV: id, ttl and token of each.
-- Reply, of each: empty, or REPLY_ENDED why, or REPLY_MISSING when there is no such lease: then its
-- holder may state its case (assert.lua); and the generation of the data.
--
-- The token tells apart two grants to one request: a holder that slept may have
-- lost its lease, and an Ask of its own that was long on the way have got it
-- another one, of other resources, which it knows nothing of.

local ids, out = {}, {}
for i = 1, #ARGV, 3 do ids[#ids + 1] = ARGV[i] end
M.begin(ids)
for i, id in ipairs(ids) do
  local e, ttl, token = T.entity[id], tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  out[i] = ''
  if M.stands(e) then
    if e.token ~= token then
      M.drop(id, e)
      M.bury(id, ENDED_WITHDRAWN, WITHDRAWAL_KEPT)
      out[i] = REPLY_ENDED .. ' ' .. ENDED_REGRANTED
    elseif e.state ~= STATE_RESERVED and not M.extend_outside(id, e, ttl) then
      M.end_use(id, e, ENDING_UNKNOWN)
      M.drop(id, e)
      M.bury(id, ENDED_FOREIGN, ENDED_KEPT)
      out[i] = REPLY_ENDED .. ' ' .. ENDED_FOREIGN
    elseif e.state == STATE_GRANTED then
      M.take_up(id, e, ttl)
    elseif e.state == STATE_HELD then
      T.deadline[id] = NOW + ttl
    end
  elseif e and e.state == STATE_KEPT then -- no difference: its holder states its case, and is told the same (assert.lua)
    out[i] = REPLY_ENDED .. ' ' .. ENDED_RELEASED
  else
    out[i] = T.buried[id] and REPLY_ENDED .. ' ' .. T.buried[id] or REPLY_MISSING
  end
end
out[#ids + 1] = generation_of(M.int(M.counter('epoch')))
M.serve_freed()
M.finish()
return out
