-- What every operation does before and after what it is there for: drop what is
-- over, serve the waiters that this frees something for, write everything.

-- Reads what most operations need, in one call: some leases or waiters, other
-- fields of ALL, and counters. Then it drops what is over.
function M.begin(ids, others)
  local fields = { '#fence', '#policy', '#past', '#nested', '#seq', '#outages', '#usual', '#waiting' }
  for _, list in ipairs({ ids, others or {} }) do -- no difference: what is not read here is read when it is wanted
    for i = 1, #list do fields[#fields + 1] = list[i] end -- no difference: what is not read here is read when it is wanted
  end
  M.load(fields)
  M.open(ids)
  M.reap()
end

function M.reap()
  local ids = call('ZRANGEBYSCORE', DUE, '-inf', NOW_AS_TEXT)
  if ids[1] then M.reap_these(ids) end
end

function M.serve_freed()
  if next(T.freed) then M.serve_domains() end
end

function M.finish()
  if T.touched then M.drop_empty_classes() end
  if T.moves then M.flush_moves() end
  M.flush()
end

-- The policy of the namespace. Where none is noted, programs began it that only knew the
-- first revision of backfill: these scripts let nobody past others there.
function M.rules()
  if not T.policy then T.policy = M.field('#policy') or POLICY_FIRST_BACKFILL end
  return T.policy
end

function M.set_policy(policy)
  T.policy, T.raw['#policy'] = policy, policy
  call('HSET', ALL, '#policy', policy)
end

-- Counts the leases that stand and were let past earlier waiters: there are n more.
function M.count_past(n) T.counters.past = M.counter('past') + n end
