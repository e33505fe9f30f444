-- Calls with many arguments, and what else everything uses.
--
-- M has the functions, T what this step knows; a closure that captures two
-- tables is made faster than one that captures twenty locals, and every call of
-- a script makes all of its closures anew. For the same reason the files about
-- waiters stand in M.line, and those that are seldom needed even then in M.rest;
-- these run when one of their functions is first called.

local M, T = {}, {}

setmetatable(M, { __index = function(_, name)
  if not T.lined then
    T.lined = true
    M.line()
    local f = rawget(M, name)
    if f then return f end
  end
  M.rest()
  return rawget(M, name)
end })

local REG, LIST = BASE .. 'reg', BASE .. 'list'
local PAGE = 64 -- members of a zset that are read at once

local PROVISIONAL = 5000000 -- how long a grant made to a waiter stands unconfirmed
local LEVEL = 60000000      -- what a level of priority is worth in waiting
local RETRIED = 15000000    -- how long a release may be tried again

function M.int(n) return string.format('%.0f', n) end

-- unpack fails at some thousands of values. Even, so that pairs stay together.
local CHUNK = 1000

function M.read(hash, fields)
  local n = #fields
  if n == 0 then return {} end
  if n <= CHUNK then return call('HMGET', hash, unpack(fields)) end
  local out = {}
  for i = 1, n, CHUNK do
    local part = call('HMGET', hash, unpack(fields, i, math.min(i + CHUNK - 1, n)))
    for j = 1, #part do out[i + j - 1] = part[j] end
  end
  return out
end

-- Fields of ALL, each read once in a step. What is written at its end is in other
-- tables from then on, so that nobody looks at them here again.
T.raw = {}
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
  if #list <= CHUNK then return table.concat(list, sep) end
  local parts = {}
  for i = 1, #list, CHUNK do
    parts[#parts + 1] = table.concat(list, sep, i, math.min(i + CHUNK - 1, #list))
  end
  return table.concat(parts, sep)
end

function M.seats_of(mode) return tonumber(string.match(mode, '^n(%d+)') or 0) end

-- A number from 1 to n. The clock is the seed: a server's own random numbers start
-- alike in every script.
function M.random(n)
  T.seed = (T.seed or NOW % 2147483646 + 1) * 16807 % 2147483647
  return T.seed % n + 1
end
