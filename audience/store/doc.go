// Package store keeps the users durably: a log of sealed profiles, and beside it
// a file of per-user data keys. It fills an audience.Directory and
// audience.Segments, which serve the requests; nothing on a request's path
// touches a file.
//
// Contract: when Upsert or Key returns nil, the users are on disk and visible to
// the next Lookup; when it returns an error of the file system, nothing of it is
// visible. Forget overwrites the user's key: every copy of the profile in the
// log, in backups of the log and in the diary's personal blocks is unreadable
// from then on, though the log is never rewritten. A user number is never given
// twice.
//
// Format: users.log is a 32-byte header (magic, version, salt, CRC) and frames.
// One frame is one group commit: length, CRC32C of salt, offset and length,
// CRC32C of the payload, payload. The payload is entries: user number, length,
// the sealed profile (AES-256-GCM under the user's key, random nonce, the number
// as additional data). users.keys is a 64-byte header and one 64-byte record per
// user number: state, key, CRC32C; records never cross a disk sector.
//
// Order of writes: new keys are synced before the frame that needs them, and one
// frame is synced before the next is written. So after a crash only the last
// frame can be damaged: it is cut off and counted (Replay.TornBytes). A damaged
// frame with a whole one behind it cannot come from a crash: Open refuses, naming
// file and offset.
//
// Concurrency: any goroutine may call any method. One goroutine owns the files;
// requests that arrive while it waits for the disk share the next sync.
//
// Limits: the Max constants of user.go; 256 requests waiting (more wait in the
// caller until its context ends; Stats.Waited counts them); frames of 32 MiB;
// 2^32-1 user numbers. One process at a time: a lock on users.lock.
package store
