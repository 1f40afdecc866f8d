// Package sqldb opens the database that the campaign and ledger rooms share and
// gives them one way to write and one way to read.
//
// Contract: what Write returned nil for is on disk (WAL, synchronous FULL). A
// Write is all or nothing; writes are done one after the other, so a function
// that reads before it writes sees no one else in between. Read sees one
// consistent state. A data directory is open in one process at a time: a second
// one is refused by name. Open does not trust the pragmas it asked for, it
// reads them back.
//
// Group commit: a write never waits for company. Those that arrive while the
// last transaction is on its way to disk share the next one, each in its own
// savepoint, for at most 5 ms of work; one that fails is rolled back alone.
//
// Concurrency: every method may be called from any goroutine. A function given
// to Write runs on the writer's goroutine and must not wait for another Write.
//
// Limits: Config.Queue writes may wait; further callers block until their
// context ends. One transaction takes MaxGroup writes.
package sqldb
