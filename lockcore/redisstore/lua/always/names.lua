-- Every key of a namespace carries one hash tag and so lives in one slot:
--   all   hash   id -> lease, waiter or tombstone; counters   (records.lua)
--                resource -> who has it, which pools list it  (keys.lua)
--                test -> how long it held, the last times     (history.lua)
--   due   zset   id -> moment at which the lease or waiter is over; "#" and a
--                domain -> moment at which to look at it again  (serve.lua)
--   reg   hash   pools and classes of waiters                 (registry.lua)
--   list  hash   pool -> its candidates
--   av:N  zset   vacant resources of pool N, by place in its list
--   so:N  zset   taken resources of pool N that somebody could still join
--   q:N   zset   waiters of class N, by rank
--   e:N   zset   those of them that are expected to hold, by how long
--   wait  zset   tests that wait for what they will take from their history
--   dom:N set    classes and pools that compete with each other
--   used  hash   resource -> last use under the choice "least recently used"
--   nest  hash   waiter that holds leases meanwhile -> its class
--   bad   zset   resource whose last use did not end in order -> token (endings.lua)
--   out   set    resources out of service (outages.lua)
--   u:N   string marks that the long pool N is in use; expires by itself
--   f:ID  list   reply of a Free or the like, for a repeated call; expires by itself
-- Ids begin with "!", counters and tests with "#", resources with neither: one
-- hash for all of them means one call where it would be two.

local ALL, DUE = KEYS[1], KEYS[2]
local BASE = string.sub(ALL, 1, -4)
local call = redis.call

-- What a short way has read of ALL, so that the long way need not read it again.
local FIELDS, FOUND
