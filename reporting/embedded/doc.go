// Package embedded runs ClickHouse beside us: the engine as a library (libchdb)
// in a child process that answers ClickHouse's HTTP interface on loopback, and
// the supervisor that keeps that child alive. Whoever has a ClickHouse server
// needs none of this; the reporting room talks to both with the same client.
//
// Contract:
//   - Serve is the child: it opens one data directory, alone (a lock file), and
//     answers ping, DDL, SELECT and INSERT as clickhouse-go/v2 sends them over
//     HTTP. An INSERT's body is received whole before the engine sees it, so a
//     client that goes away inserts nothing. Settings come from an allow-list,
//     typed and quoted by us. An error carries ClickHouse's code.
//   - Supervisor is the parent: it starts the child, learns its address,
//     restarts it with back-off and never blocks its caller. A missing library is
//     a state with instructions, not a failure of the house.
//   - the child listens on a loopback address only, and every request but /ping
//     carries the token.
//   - the child ends when its standard input does: it cannot outlive its parent.
//
// Units: sizes in bytes, durations as time.Duration.
//
// Concurrency: the engine runs one statement at a time per connection; a pool of
// connections to the same directory gives reads beside writes. Everything
// exported may be called from any goroutine.
//
// Limits: Limits, with defaults; a request over a limit is answered with
// ClickHouse's own code for it. External tables, sessions and formats other than
// Native for compressed answers are not offered.
//
// Source: chdb.h of libchdb 26.7, docs of ClickHouse's HTTP interface. The
// library takes over the process's signal handlers when it connects
// (chdb-core issue 221), so signals_unix.go puts the Go runtime's back.
package embedded
