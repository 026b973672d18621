-- wrk script: POST JSON bodies from a file, one a line, in turn.
--   wrk .. -s cycle.lua URL -- FILE          in the folder of the scripts
local lib = dofile("lib.lua")
local requests, at = {}, 0

function init(args)
  for i, body in ipairs(lib.bodies(args[1])) do requests[i] = wrk.format(nil, nil, nil, body) end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

done = lib.done
