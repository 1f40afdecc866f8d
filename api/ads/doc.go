// Package ads is the door for machines in a hurry: the app's feed asks for ads,
// exchanges ask for bids, players and browsers report impressions, views and
// clicks, servers report conversions and users. docs/api-ads.md is its reference.
//
// One request goes: fasthttp -> route (a switch) -> gate -> decode and validate
// into pooled memory -> serving -> append the answer -> back to the pool.
//
// Contract: what cannot be understood is refused with the field, the value, the
// limit and, for JSON, line and column; members that are unknown are ignored. An
// ad request is always answered, with an empty list or 204 and a reason when
// there is no ad. A beacon is acknowledged only when serving says that it is on
// disk. A click is redirected to the destination that was signed and to nothing
// else. Under overload ad requests are turned away first (empty, at once) and
// beacons last (503 with Retry-After): Limits says where.
//
// Units: floors on the wire are units of the market currency per thousand
// impressions, decimal; inside, nanos per impression, which is the same number
// of micros of CPM.
//
// Concurrency: a Server is used from any goroutine. Every request has its own
// scratch; only counters are shared.
//
// Limits: Limits, and those of serving.Request. Decode and encode allocate
// nothing once the pools are warm.
//
// Source: OpenRTB 2.6 (package openrtb). JSON is read by package scan and not by a
// tree parser: it is exact about what JSON is, knows the place of every fault and
// never holds a tree; with the checks it costs less than a tree parser that
// validates (openrtb/bench_test.go compares).
package ads
