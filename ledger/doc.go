// Package ledger keeps the money: double-entry accounts, what was spent against
// every limit, and the leases by which nodes may spend.
//
// Contract: a Transfer moves one amount from one account to another, so that
// debits equal credits by construction, and is never changed or deleted (I12);
// a mistake is undone by another Transfer. Spend is posted from the money
// stream: the rows of a batch, the totals of every limit and the stream's
// position change in one transaction, so a batch is posted exactly once. A
// lease is granted only while leases outstanding + spend + grant <= limit, which
// the store decides (I1). What a node has billed against a lease moves from
// outstanding to spent when the record is posted, never before, so that it is
// counted exactly once. Storage is behind Store; ledger/sqlstore implements it
// and ledger/storetest says what every implementation must do.
//
// Units: money.Sum (128-bit nanos) everywhere, because int64 nanos end at
// 363,000 dollars in VND. Days are yyyymmdd in the advertiser's zone, 0 is the
// lifetime. Second is Unix seconds.
//
// Concurrency: a Store may be used from any goroutine.
//
// Limits: the Max constants in store.go.
package ledger
