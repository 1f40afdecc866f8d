// Package events is what happened: the records the diary keeps, the signed
// tokens that tie a beacon to the auction that caused it, the sets of tokens
// already used, the fold that turns records into figures, and attribution. The
// durable log itself is the package events/diary.
//
// Contract:
//   - a Record has one encoding per format version (FORMAT.md). Decoding is
//     strict: an unknown version stops with its name, a damaged byte anywhere is
//     an error, nothing is guessed.
//   - a Token is sealed: what Open returns StateOK for was written by us,
//     unchanged, for that purpose, and is not too old for that use.
//   - of two records with one token and one use the first in stream order counts
//     (I4). Fold is the plain, independent oracle of that rule; Used is the fast
//     one that the verdict relies on.
//   - the personal block of a record is sealed under the user's own key: without
//     the key it reads as forgotten and every figure stays.
//
// Units: money in nanos of the record's currency, times in milliseconds since
// the Unix epoch (suffix MS), days as yyyymmdd in the advertiser's zone.
//
// Concurrency: records, tokens, batches and folds are values of one goroutine;
// Sealer, Encoder and Used may be called from any goroutine; Attribution belongs
// to one goroutine at a time.
//
// Limits: MaxFeatures, MaxTokenFeatures, MaxDestination, MaxRecord, MaxBatch and
// the fields of the configuration structs; each is checked where data enters.
//
// Source: the record layout follows the habit of write-ahead logs (length,
// CRC32C, payload); GCM and its limits are NIST SP 800-38D; key derivation is
// HKDF, RFC 5869; the bitmaps are Roaring (Lemire et al., 2016).
package events
