-- The rest of a step, which only needs doing if something came free or is over.

-- A nested waiter that is stuck behind what others keep aside may be served before its
-- turn (untangle, nested.lua). That changes what is left for the others, so everybody
-- is looked at again then.
function M.schedule(classes)
  if not classes[1] then return end
  local untangled
  repeat
    M.pass(classes)
    untangled = false
    local nest = M.nested()
    if nest and M.tangled(nest) then
      classes = M.all_classes()
      M.pass(classes)
      nest = M.nested()
      untangled = nest and M.untangle(nest)
    end
  until not untangled
end

-- Serves the domains in which something came free, and doms.
function M.serve_domains(doms)
  doms = doms or {}
  local pools = {}
  for p in pairs(T.freed) do pools[#pools + 1] = p end -- no difference: what is not read here is read when it is wanted
  M.load_pools(pools) -- no difference: the same
  for p in pairs(T.freed) do
    local e = M.pool(p)
    if e then doms[e.dom] = true end
  end
  T.freed = {}
  M.schedule(M.classes_in(doms))
  M.look_again(doms)
end

-- Sees to it that somebody looks when the shadow of a waiter is reached, and it
-- still waits: then a holder has overrun, and who was too long to be let past may
-- not be so any more.
function M.look_again(doms)
  if T.looking then return end
  local at = T.look and T.look < math.huge and math.ceil(math.max(T.look, NOW + SHORTEST_POLL))
  for d in pairs(doms) do T.deadline['#' .. d] = at or false end
  T.look = nil
end
