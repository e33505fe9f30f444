-- Without interop nobody else has locks on the resources.

local function outsider() end
local function lock_outside() end
local function unlock_outside() end
local function free_outside() end
local INTEROP = false
