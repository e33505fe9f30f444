-- Which generation of data the server has. A lease that the server has lost may come
-- back if the tokens show that nothing was granted since. But whatever loses the
-- lease loses the tokens, too:
--
--   A gets k. FLUSHALL. B gets k, and gives it back. FLUSHALL. A renews.
--
-- So the holder says which generation it knew last, and its lease comes back only if
-- data were lost once since: then everything since that loss is still known.
--
-- A generation is "run flushes epoch": the run of the server, how often it was told to
-- throw data away, and the moment at which the data of the namespace begin. It is
-- empty where the server does not tell.

function M.generation()
  local server, stats = redis.pcall('INFO', 'server'), redis.pcall('INFO', 'commandstats')
  local run = type(server) == 'string' and type(stats) == 'string' and string.match(server, 'run_id:(%x+)')
  if not run then return '' end
  local flushes = 0
  for _, name in ipairs({ 'flushall', 'flushdb', 'swapdb' }) do
    flushes = flushes + (string.match(stats, 'cmdstat_' .. name .. ':calls=(%d+)') or 0)
  end
  return run .. ' ' .. M.int(flushes) .. ' ' .. M.int(M.counter('epoch'))
end

-- The data of the namespace begin now, if there are none. A holder who states its case
-- may come before all who ask; then the policy is the usual one.
function M.begin_epoch()
  if M.field('#fence') then return end
  T.counters.epoch = NOW
  if not M.field('#policy') then M.set_policy(POLICY_BACKFILL) end
end

-- Whether everything is known that was granted since a lease with this token was
-- confirmed, in the generation known; or was lost with the lease, at one blow.
function M.nothing_missed(token, known)
  local now = M.generation()
  local run, flushes, epoch = string.match(known, '^(%x+) (%d+) (%d+)$')
  if not run or now == '' then return true end -- as far as anybody can tell
  local run_now, flushes_now, epoch_now = string.match(now, '^(%x+) (%d+) (%d+)$')
  if epoch_now ~= '0' and (epoch_now == epoch or tonumber(epoch_now) <= token) then return true end
  if run_now == run then return flushes_now - flushes == 1 end
  return flushes_now == '0'
end
