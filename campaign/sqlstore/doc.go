// Package sqlstore keeps what people edit in the database of internal/sqldb.
//
// Contract: campaign.Store, as campaign/storetest checks it. Every edit, its
// revision, its change log line and its idempotency key are one transaction.
//
// An object is one row: the columns that are searched and joined on, and the
// whole object as a JSON document, which is the truth. A new field of an object
// therefore needs no migration, its zero value is what old documents mean. The
// SQL is what SQLite and PostgreSQL both take.
//
// Units: columns named _ms are milliseconds since the Unix epoch.
//
// Concurrency: every method may be called from any goroutine.
//
// Limits: those of package campaign.
package sqlstore
