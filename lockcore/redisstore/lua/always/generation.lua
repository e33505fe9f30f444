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
  local now = generation_of(M.int(M.counter('epoch')))
  local run, flushes, epoch = string.match(known, '^(%x+) (%d+) (%d+)$')
  if not run or now == '' then return true end -- as far as anybody can tell
  local run_now, flushes_now, epoch_now = string.match(now, '^(%x+) (%d+) (%d+)$')
  if epoch_now ~= '0' and (epoch_now == epoch or tonumber(epoch_now) <= token) then return true end
  if run_now == run then return flushes_now - flushes == 1 end
  return flushes_now == '0'
end
