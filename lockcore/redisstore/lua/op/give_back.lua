-- Give back: ends a reservation, or that of some of its resources.
-- ARGV: a name for this call, id, and the resources.
-- Reply: 1, or 0 if they are not all its own; the same again if the call is repeated.

local id, keys, own = ARGV[2], { unpack(ARGV, 3) }, {}
M.begin({ id }, keys)
local e, done, before = T.entity[id], '0', M.answered(ARGV[1])
if e and e.state == STATE_RESERVED and keys[1] and not before then
  done = '1'
  for _, k in ipairs(M.keys_of(e.got)) do own[k] = true end
  for _, k in ipairs(keys) do
    if not own[k] then done = '0' end
  end
end
if done == '1' then
  M.end_use_of(id, e, ENDING_RELEASED, keys)
  for _, k in ipairs(keys) do own[k] = nil end
  if next(own) then
    for _, k in ipairs(keys) do M.leave_key(k, id) end
    local parts = {}
    for mode, rest in string.gmatch(e.got, '([^ |]+) ([^|]*)') do
      local kept = {}
      for k in string.gmatch(rest, '%S+') do
        if own[k] then kept[#kept + 1] = k end
      end
      parts[#parts + 1] = mode .. ' ' .. M.glue(kept, ' ')
    end
    e.got = table.concat(parts, '|')
    T.changed[id] = true
  else
    M.drop(id, e)
  end
  M.answer(ARGV[1], { done })
end
M.serve_freed()
M.finish()
return before and before[1] or done
