-- What wrk sends, and what it prints: one line of JSON on standard error.
local paths = {}
for path in os.getenv("BENCH_PATHS"):gmatch("[^,]+") do paths[#paths + 1] = path end
local file = assert(io.open(os.getenv("BENCH_BODY"), "rb"))
wrk.method = "POST"
wrk.path = paths[1]
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = os.getenv("BENCH_CONTENT_TYPE")
file:close()

if #paths > 1 then -- in turn; one path is left to wrk, which then calls no Lua for a request
   local requests, turn = {}, 0
   function init() for at, path in ipairs(paths) do requests[at] = wrk.format(nil, path) end end
   function request()
      turn = turn % #paths + 1
      return requests[turn]
   end
end

function done(summary, latency)
   local errors = summary.errors
   io.stderr:write(string.format(
      '{"requests":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f,"max_ms":%.3f,"not_200":%d,"broken":%d}\n',
      summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3,
      errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
