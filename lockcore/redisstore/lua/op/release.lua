-- Release: gives a lease back, or keeps it for a while without its holder.
-- ARGV: id; "keep how mode", where how is RELEASE_UNDO if it shall be as if it had
-- never been, and mode that of all its requirements if they have the same, and how its
-- use ended if that was not in order; what it got;
-- the name of the test's history, or nothing; and all its resources.
-- Reply: 1, or 0 when there is no such lease.

local function tell(e)
  local _, test = M.about(e)
  if test ~= '' and awaited(test) then M.tell(test) end -- no difference: nobody awaits what has no name, and what nobody awaits tells nobody
end

local id, keep_for, how, ending = ARGV[1], string.match(ARGV[2], '^(%d+) (%S+) %S* ?(%d*)$')
keep_for, ending = tonumber(keep_for), tonumber(ending) or ENDING_RELEASED
M.begin({ id }, #ARGV < FEW_ARGUMENTS and { unpack(ARGV, 5) } or nil) -- no difference: what is not read here is read when it is wanted
local e, done = T.entity[id], 0
if M.stands(e) and e.state ~= STATE_RESERVED then
  done = 1 -- no difference: whatever is not 0 says the same
  if how ~= RELEASE_UNDO then
    M.learn(e)
    M.end_use(id, e, ending)
  end
  if keep_for > 0 then -- no difference: nobody keeps for a microsecond
    e.state = STATE_KEPT
    M.put(id, e, NOW + keep_for)
    M.extend_outside(id, e, keep_for)
    tell(e)
  else
    M.drop(id, e)
    if how ~= RELEASE_UNDO then
      M.bury(id, ENDED_RELEASED, RELEASE_KEPT)
      tell(e)
    end
    M.serve_freed()
  end
elseif e then
  -- A keep whose reply was lost is asked for again.
  local kept = keep_for > 0 -- no difference: nobody keeps for a microsecond
  if kept and e.state == STATE_KEPT then
    done = 1 -- no difference: whatever is not 0 says the same
  end
elseif T.buried[id] == ENDED_RELEASED then
  done = 1 -- no difference: whatever is not 0 says the same
end
M.finish()
return done
