// Package archive keeps the diary's money records for long: sealed, checksummed
// files that never change, and a reader that gives archive and stream as one
// sequence.
//
// Contract:
//   - a batch is archived byte for byte as it lies in the stream, in order,
//     without gaps; a sealed file is on disk (file and directory synced) before
//     the manifest names it, and the manifest before anything is purged.
//   - a batch leaves the stream only when every durable consumer has passed it
//     and its file was read back and found whole.
//   - every byte of a file and of the manifest lies under a checksum, and the
//     content of the files is one chain of SHA-256 digests: damage, a missing
//     file and a file put in another's place are found and named (*Damage),
//     never given to a reader.
//   - retention removes whole files, oldest first, and only final ones.
//   - no personal data is readable here: personal blocks stay sealed under the
//     user's key, so forgetting a user needs no file rewritten.
//
// Units: sequences are the stream's, one per batch; sizes in bytes; times of a
// manifest in milliseconds since the Unix epoch (suffix MS).
//
// Concurrency: Archive and Sequence may be used from any goroutine; one Worker
// per archive.
//
// Limits: maxFile, maxBlock, maxFiles; a stream's name has at most MaxStream bytes.
//
// Source: the layout (blocks, index, footer) is that of sorted-string tables and
// of Prometheus' blocks; a log that is tiered away whole segments at a time is
// Kafka's KIP-405; chained checksums over everything are TigerBeetle's. The
// drawings are in events/FORMAT.md.
package archive
