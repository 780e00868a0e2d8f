-- A small Open Inference Protocol v2 request. The last line of the report is machine-readable: requests, seconds,
-- median and 99th percentile in microseconds, failures.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[0.1,0.2,0.3,0.4]}]}'

function done(summary, latency)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout
  print(string.format("row %d %.6f %.0f %.0f %d", summary.requests, summary.duration / 1e6,
    latency:percentile(50), latency:percentile(99), failed))
end
