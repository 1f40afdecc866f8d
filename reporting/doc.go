// Package reporting is what is said later: it copies the diary's money stream
// into ClickHouse exactly once, answers reports from 15-minute aggregates, and
// proves that diary, ClickHouse and ledger agree.
//
// Contract:
//   - Sink: a batch of the stream is in ClickHouse once, whatever dies when. Its
//     boundaries are on disk (IntentStore) before the insert, the insert carries
//     a deduplication token made of them, and a restart repeats open intents
//     first, with the same boundaries. The tables and every materialized view's
//     target remember tokens (non_replicated_deduplication_window).
//   - a record counts as events.Fold says: refused ones and the later records of
//     one token and use are stored with counted = 0 and add to nothing.
//   - Reports: no query without tenants; names come from Schema; money is exact,
//     ratios are computed from integers and rounded once, half up. Amounts of
//     different currencies are never added: rows and totals are per currency.
//   - data_through is a promise: everything acknowledged before it is in the
//     figures (I13).
//   - Verify compares to the nano (I5).
//
// Units: money in nanos; Decimal(38,9) in ClickHouse. Days and hours of a report
// are local to Query.Zone, applied when reading; buckets are 15 minutes of UTC.
//
// Concurrency: Client and Reports may be used from any goroutine; one Sink per
// stream and data directory.
//
// Limits: MaxPageSize, MaxDimensions, MaxTenants, MaxFilterValues, MaxDays;
// SinkConfig.MaxRows. A record is kept 400 days, aggregates for ever.
//
// Source: ClickHouse, "Deduplicating inserts on retries"; uniqCombined64 is a
// HyperLogLog with about 0.4 % error, exact while small.
package reporting
