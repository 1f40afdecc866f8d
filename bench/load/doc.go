// Package load sends HTTP requests to a server at a given rate, or as fast as
// it answers, and reports how long the answers took.
//
// Contract: in open loop (RatePerSecond > 0) requests are due at times fixed in
// advance, evenly or as a Poisson process of a seed, whether or not earlier ones were
// answered, and latency is counted from the time a request was due. A server
// that stalls for 100 ms therefore shows as 100 ms for everything due
// meanwhile, and not as one slow request ("coordinated omission"). In closed
// loop each connection sends its next request when it has the answer; that
// measures capacity, and its latencies say little.
//
// An answer counts as there when the machine's network stack has it, not when the
// generator gets round to reading it, where that is known (package arrival): the
// generator shares its processors with the server.
//
// Units: latencies are time.Duration; rates are requests per second.
//
// Concurrency: Run starts one goroutine per connection and ends them all. A
// Client belongs to one goroutine.
//
// Limits: HTTP/1.1 with keep-alive, without pipelining, TLS or chunked
// answers; answers up to 1 MiB; a backlog of 1,048,576 due requests, after which
// requests are counted as unsent; latencies up to 60 s, to three digits.
//
// Source: Gil Tene, "How NOT to Measure Latency"; HdrHistogram.
package load
