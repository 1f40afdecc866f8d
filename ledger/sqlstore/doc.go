// Package sqlstore keeps the books in the database of internal/sqldb.
//
// Contract: ledger.Store, as ledger/storetest checks it. Every call that changes
// something is one transaction. A 128-bit sum is two columns, _hi and _lo, the
// halves of money.Sum as they are; sums are added here and never in SQL. The
// SQL is what SQLite and PostgreSQL both take. On PostgreSQL views named ledger_
// show the same amounts as NUMERIC(38,9).
//
// Units: columns named _ms are milliseconds since the Unix epoch; sums are nanos.
//
// Concurrency: every method may be called from any goroutine.
//
// Limits: those of package ledger.
package sqlstore
