-- Posts the files named after `--` in turn, with the headers of wrk's own options.
-- Prints one line of JSON at the end, latencies in microseconds.

local requests, sent = {}, 0

function init(args)
  for position = 1, #args do
    local file = assert(io.open(args[position], "rb"))
    requests[position] = wrk.format("POST", nil, nil, file:read("*a"))
    file:close()
  end
end

function request()
  sent = sent + 1
  return requests[(sent - 1) % #requests + 1]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "duration": %d, "p50": %d, "p99": %d, "status": %d, "socket": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout
  ))
end
