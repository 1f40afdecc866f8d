// Package sqldb opens the database that the campaign and ledger rooms share, a
// SQLite file or a PostgreSQL server, and gives them one way to write and one way
// to read.
//
// Contract: what Write returned nil for is on disk. A Write is all or nothing;
// writes are done one after the other, whichever process they come from, so a
// function that reads before it writes sees no one else in between. Read sees one
// consistent state, and states become visible in the order of the writes. Open
// does not trust the settings that this rests on, it reads them back.
//
// SQLite: WAL, synchronous FULL, one connection that writes. A data directory is
// open in one process at a time: a second one is refused by name. PostgreSQL: any
// number of processes; a transaction that writes holds one advisory lock to its
// end (docs/decisions/0014). A process that falls silent inside one is cut off
// by the server after 10 s; one that waits for the others longer than 30 s gets
// an error.
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
