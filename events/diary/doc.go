// Package diary is the durable log of what happened, on NATS JetStream: a
// server inside the process by default, an external cluster by configuration,
// the same code for both.
//
// Contract:
//   - Append returns nil only when the record is on disk (fsync of the message
//     that holds its batch), or in a cluster on a majority of replicas.
//   - stream order is append order. One writer owns a money stream; a second
//     one is fenced off (expected-last-sequence), and no retry doubles a batch.
//   - an accepted record ends in exactly one way: on disk, or handed to
//     Config.OnLost because it certainly is not and never will be. The one
//     exception is Close or death with batches in flight, whose fate is read
//     from the stream at the next start.
//   - Offer and OfferReplay never block, never take a lock; what does not fit is
//     dropped and counted.
//   - old money records are never discarded to make room: a full stream refuses
//     new ones (ErrFull), and the diary resumes by itself when there is room.
//
// Units: bytes of encoded records; sequences are JetStream's, one per batch,
// from 1.
//
// Concurrency: every exported method may be called from any goroutine.
//
// Limits: every queue of Config has a size; see its fields.
//
// Source: JetStream has no group commit, so one message is one batch; the
// measurements are in DESIGN.md of this folder.
package diary
