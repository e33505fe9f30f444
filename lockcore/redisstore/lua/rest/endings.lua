-- How the last use of a resource ended, if that was not in order, for whoever gets it
-- next; and how often it was found unfit. It stands behind the last "|" of the record
-- of the resource (keys.lua), as "ending fence outages id": fence is the last token
-- given out then, and id the lease whose use it was. So whoever takes a resource with
-- such a past, or gives it back, goes the long way, and nobody else pays for it.
--
-- BASE .. 'bad' lists these resources by fence.

function M.trouble_of(k)
  local ending, fence, outages, id = string.match(M.at(k).trouble or '', '^(%d+) (%d+) (%d+) (.*)$')
  return { ending = tonumber(ending or 0), outages = tonumber(outages or 0), id = id or '',
    fence = tonumber(fence or 0) } -- no difference: every token is later
end

function M.remember_trouble(k, t)
  M.at(k).trouble = string.format('%.0f %.0f %.0f %s', t.ending, t.fence, t.outages, t.id)
  T.moved[k] = true
  local bad = BASE .. 'bad'
  if not call('ZSCORE', bad, k) and call('ZCARD', bad) >= TROUBLES_KEPT then
    M.forget_trouble(call('ZRANGE', bad, 0, 0)[1]) -- no difference: the first of more is the same
  end
  call('ZADD', bad, M.int(t.fence), k)
end

function M.forget_trouble(k)
  M.at(k).trouble = nil
  T.moved[k] = true
  call('ZREM', BASE .. 'bad', k)
end

-- A clean ending makes up for what was known when that use began, and for what the
-- lease itself did: it may have expired and come back. Of two who shared the resource,
-- one may have died since: then it stays marked.
function M.note_ending(id, e, how, k)
  local t = M.trouble_of(k)
  if how ~= ENDING_RELEASED then
    M.remember_trouble(k, { ending = how, fence = M.counter('fence'), outages = t.outages, id = id })
  elseif t.fence < e.token or t.id == id then
    M.forget_trouble(k)
  end
end
