-- List: registers a long pool, so that requests can name it.
-- ARGV: seed, name, candidates.

open({})
reap()
-- Long pools that nobody used for an hour make room.
for _, f in ipairs(call('HKEYS', REG)) do
  local p = smatch(f, '^P(%d+)$')
  local e = p and pool(p)
  if e and e.refs == 0 and call('EXISTS', BASE .. 'u:' .. p) == 0 then drop_pool(p) end
end
in_use(find_pool({ name = ARGV[2] }) or new_pool(ARGV[2], ARGV[3]))
finish()
return 1
