// Package serving is the corridor of one ad request: it translates between the
// quiet rooms, which do not know each other, and the diary.
//
// Engine.Decide runs a request through the snapshot: who asks (audience), who may
// answer (targeting), eligibility, score, auction, holds, sealed tokens. Tracker
// judges what comes back: impressions, clicks, views, exchange notices,
// conversions. Treasurer keeps the money of this node: leases, holds, pacing.
// Publisher turns edits into snapshots. Bookkeeper posts the diary's spend to the
// ledger.
//
// Contract: a request lives in the one snapshot it loaded (I6). Decide writes
// nothing durable, takes no lock shared by all requests and allocates nothing
// once warm (I7). Explain is Decide with a Trace; there is no second
// implementation. An auction that is explained or in the sample is recorded whole,
// and Replay decides it again by the same code (I8). The outcome of an auction with refused holds is that of an
// auction among the rest (I3). A verdict is given once and is in the record; a
// beacon is acknowledged only when its record is on disk (I4).
//
// Units: money.Nanos per impression for scores and floors, per billing event for
// prices; milliseconds since the Unix epoch; days as yyyymmdd in the
// advertiser's zone.
//
// Concurrency: Engine, Tracker and the hold path of Treasurer may be used from
// any goroutine. Publisher, Bookkeeper and Treasurer.Apply/Tick are each driven by
// one goroutine; the Treasurer's mutex is never taken by a request, only by a
// beacon whose lease has run dry.
//
// Limits: the Max constants of request.go; MaxZone time zones; 1,000 refused
// holds per request.
package serving
