-- What one burst showed, as one line of JSON. `errors` are answers of status 400 and more, and broken connections.
done = function(summary, latency)
  local e = summary.errors
  print(string.format('REPORT {"requests": %d, "bytes": %d, "us": %d, "errors": %d, "p50": %d, "p99": %d}',
    summary.requests, summary.bytes, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
