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

local function generation_of(epoch)
  local server, stats = redis.pcall('INFO', 'server'), redis.pcall('INFO', 'commandstats')
  local run = type(server) == 'string' and type(stats) == 'string' and string.match(server, 'run_id:(%x+)')
  if not run then return '' end
  local flushes = 0
  for _, name in ipairs({ 'flushall', 'flushdb', 'swapdb' }) do
    flushes = flushes + (string.match(stats, 'cmdstat_' .. name .. ':calls=(%d+)') or 0)
  end
  return run .. ' ' .. string.format('%.0f', flushes) .. ' ' .. (epoch or '0')
end
