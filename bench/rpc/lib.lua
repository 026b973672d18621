-- Shared by fixed.lua and cycle.lua: the bodies, and the line that rpc/bench.mjs reads.
local M = {}

function M.bodies(file)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  local list = {}
  for line in io.lines(file) do
    if #line > 0 then list[#list + 1] = line end
  end
  if #list == 0 then error("no bodies in " .. file) end
  return list
end

function M.done(summary, latency)
  local e = summary.errors
  io.write(string.format('RESULT {"requests":%d,"us":%d,"errors":%d,"status":%d,"p50Us":%d,"p99Us":%d}\n', summary.requests,
    summary.duration, e.connect + e.read + e.write + e.timeout, e.status, latency:percentile(50), latency:percentile(99)))
end

return M
