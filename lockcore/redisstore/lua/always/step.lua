-- What a step knows, the functions, and calls with many arguments.
--
-- Words in capitals that no script declares are constants: constants.go puts their
-- values in.
--
-- M has the functions, T what this step knows; a closure that captures two
-- tables is made faster than one that captures twenty locals, and every call of
-- a script makes all of its closures anew. For the same reason the files about
-- waiters stand in M.line, those about waiters that were not served in M.unmet, and
-- those that are seldom needed even then in M.rest; these run in this order, when one
-- of their functions is first called.

local M = {}
local T = {
  -- What was read of ALL, and what is to be written at the end.
  raw = {},       -- field -> what stood there, or false; what is written at the end is not noted here
  entity = {},    -- id -> lease or waiter, or false (records.lua)
  changed = {},   -- id -> true if its entity is to be written
  deadline = {},  -- id -> moment at which it is over, or false to take it out of DUE
  buried = {},    -- id -> why it is no more
  tombs = {},     -- id -> tombstone to be written
  published = {}, -- id -> channel and message
  counters = {},  -- name -> value, of those that have changed
  key = {},       -- resource -> who has it (keys.lua)
  moved = {},     -- resource -> true if its record is to be written
  history = {},   -- test -> how long it held, or false (lengths.lua)
  learned = {},   -- test -> true if its history is to be written
  median = {},    -- history -> its median
  policy = nil,   -- of the namespace
  interop = nil,  -- whether other programs have locks on the resources
  made = 0,       -- how many of M.line, M.unmet and M.rest have run

  -- What waiters have in common, and whose turn may have come.
  pool = {},          -- number -> pool, or false (registry.lua)
  class = {},         -- number -> class, or false
  candidates = {},    -- pool -> its list
  freed = {},         -- pools with a resource that somebody left
  outages = nil,      -- resources out of service (outages.lua)
  touched = nil,      -- classes that may be empty now
  line_changed = nil, -- whether the size of the key wait may have changed
  nest_changed = nil, -- whether that of the key nest may have
  probed = nil,       -- whether the keys of the line are known to be ours
  moves = nil,        -- resource -> the list in which it stands, if that may be the wrong one (pools.lua)
  moving = 0,         -- how many these are -- no difference: the lists are mended now or at the end

  -- What a walk along the line has found so far (pass.lua).
  reserved = {}, -- resource -> units that waiters reserved
  claims = {},   -- the same in order, as { id, requirement, resource, who }
  sharing = {},  -- resources that were reserved or given away, but not to one alone
  heads = {},    -- class -> the first page of its waiters
  exhausted = {}, -- pools of which a walk found nothing left
  source = {},   -- pool -> the part of its lists that was read
  glances = {},  -- id -> a part of a lease (shadow.lua)
  ends = {},     -- id -> expected end of the lease
  noted = {},    -- waiters that the pass has looked at for a delay (patience.lua)
  latest = {},   -- pool -> the last place in line of those let past others that have any of it
  look = nil,    -- the first moment at which a waiter could start that lets others past
  best = nil,    -- who is to be let past others
  looking = nil, -- whether nobody is to be
}

-- What is not there yet is made, by the files in which it may be.
setmetatable(M, { __index = function(_, name)
  repeat
    T.made = T.made + 1
    local make = rawget(M, ({ 'line', 'unmet', 'rest' })[T.made])
    if not make then return end
    make()
  until rawget(M, name)
  return rawget(M, name)
end })

local REG, LIST = BASE .. 'reg', BASE .. 'list'
local PAGE = 64 -- members of a zset that are read at once -- no difference: a page more or less

function M.int(n) return string.format('%.0f', n) end

-- unpack fails at some thousands of values. Even, so that pairs stay together.
local CHUNK = 1000 -- no difference: one call or several

function M.read(hash, fields)
  local n = #fields
  if n == 0 then return {} end
  if n <= CHUNK then return call('HMGET', hash, unpack(fields)) end -- no difference: one call or several
  local out = {}
  for i = 1, n, CHUNK do
    local part = call('HMGET', hash, unpack(fields, i, math.min(i + CHUNK - 1, n)))
    for j = 1, #part do out[i + j - 1] = part[j] end
  end
  return out
end

for i, name in ipairs(FIELDS or {}) do T.raw[name] = FOUND[i] end

function M.load(fields)
  local miss, raw = {}, T.raw
  for i = 1, #fields do
    if raw[fields[i]] == nil then miss[#miss + 1] = fields[i] end
  end
  local got = M.read(ALL, miss)
  for i = 1, #miss do raw[miss[i]] = got[i] end
end

function M.field(name)
  if T.raw[name] == nil then T.raw[name] = call('HGET', ALL, name) end
  return T.raw[name]
end

function M.write(cmd, key, args)
  for i = 1, #args, CHUNK do
    call(cmd, key, unpack(args, i, math.min(i + CHUNK - 1, #args)))
  end
end

function M.words(s)
  local out, n = {}, 0
  for w in string.gmatch(s, '%S+') do
    n = n + 1
    out[n] = w
  end
  return out
end

-- concat of any number of strings; some interpreters push them all at once.
function M.glue(list, sep)
  if #list <= CHUNK then return table.concat(list, sep) end -- no difference: one call or several
  local parts = {}
  for i = 1, #list, CHUNK do
    parts[#parts + 1] = table.concat(list, sep, i, math.min(i + CHUNK - 1, #list))
  end
  return table.concat(parts, sep)
end

function M.seats_of(mode) return tonumber(string.match(mode, '^n(%d+)') or 0) end
