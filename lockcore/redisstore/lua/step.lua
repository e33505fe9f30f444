-- What every operation does before and after what it is there for: drop what is
-- over, serve the waiters that this frees something for, write everything.

function M.reap()
  local ids = call('ZRANGEBYSCORE', DUE, '-inf', M.int(NOW))
  if ids[1] then M.reap_these(ids) end
end

function M.serve_freed()
  if next(T.freed) then M.serve_domains() end
end

function M.finish()
  if T.touched then M.drop_empty_classes() end
  if T.moves then M.flush_moves() end
  M.flush_records()
  M.flush_keys()
end
