-- How long holders and waiters are expected to hold: what they say themselves,
-- else the median of what earlier runs of the same test took, else nil: unknown. Then
-- it is guessed that they take the usual time as it was when they came.

-- What the client says of the length, 0 if nothing, and the name of the history,
-- empty if there is none.
function M.about(e)
  if not e.test then
    local said, reserved, test = string.match(e.info, '^(%d+)(!?) ([^\n]*)\n')
    e.said, e.test, e.reservation = tonumber(said), test, reserved == '!'
  end
  return e.said, e.test
end

function M.recall(test)
  if test == '' then return false end
  if T.history[test] == nil then T.history[test] = M.field('#' .. test) end
  return T.history[test]
end

function M.median_of(history)
  local m = T.median[history] or median(history)
  T.median[history] = m
  return m
end

-- How long a waiter or a newcomer will hold.
function M.length(e)
  local said, test = M.about(e)
  if said ~= 0 then return said end
  local history = M.recall(test)
  return recent(history) and M.median_of(history) or nil
end

-- The same, or the guess.
function M.expectation(e)
  return M.length(e) or e.guess ~= 0 and e.guess or nil
end

function M.plan_of(e)
  local said, test = M.about(e)
  return plan_of(said, said == 0 and M.recall(test), e.guess) -- no difference: a history counts where nothing is said
end

-- A history, which was recent at the grant, becomes the length that follows from it when
-- that is first worked out.
function M.length_of_lease(id, e)
  local said = e.said or M.about(e)
  if said ~= 0 then return said end
  local plan = string.match(e.plan or '', '^%??(.*)$')
  if plan == '' or tonumber(plan) then return tonumber(plan) end
  local length = M.median_of(plan)
  M.get(id).plan = M.int(length)
  T.changed[id] = true
  return length
end

-- Whether a lease or a waiter is a reservation.
function M.is_reservation(e)
  M.about(e)
  return e.reservation
end

-- Remembers how long a lease that is given back was held.
function M.learn(e)
  local _, test = M.about(e)
  if test == '' then return end
  local history = M.recall(test)
  if not history then T.counters.tests = M.counter('tests') + 1 end
  T.history[test] = with_hold(history or '0 0', NOW - e.since)
  T.counters.usual = usual_after(M.counter('usual'), NOW - e.since)
  T.learned[test] = true
end

function M.flush_history(set)
  for test in pairs(T.learned) do
    set[#set + 1] = '#' .. test
    set[#set + 1] = T.history[test]
  end
end
