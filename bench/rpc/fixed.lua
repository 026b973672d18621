-- wrk script: POST the first body of a file again and again. Without a function `request` wrk runs no Lua for a request.
--   wrk .. -s fixed.lua URL -- FILE          in the folder of the scripts
local lib = dofile("lib.lua")

function init(args) wrk.body = lib.bodies(args[1])[1] end

done = lib.done
