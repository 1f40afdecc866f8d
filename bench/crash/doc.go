// Package crash kills a running house and counts what is left: it proves that no
// acknowledged event is lost and none is counted twice (I4, I5).
//
// Contract: Run starts the real binary with all its engines in a directory of
// its own, sends it ad requests, beacons and conversions from a client that
// remembers every acknowledgement, and ends the process, its ClickHouse child or
// both, with SIGKILL, at a named failpoint or at a random time; then it starts
// the binary again and goes on. When the shots of a directory are used up it
// lets the house come to rest, asks it to verify itself, stops it, and compares
// by itself: what the client was told, every record of the diary, the wallet in
// the ledger, and what the house said of ClickHouse. Amounts are compared to the
// nano. A difference is a line in Result.Problems.
//
// An acknowledgement is what an app may rely on: 200 or 204 of a beacon, an item
// of POST /v1/events that is neither refused nor to be sent again, also when it
// says "repeat". The redirect of a click is not one: it does not wait for the disk.
//
// Concurrency: Run uses several goroutines and ends them all; several may run at
// a time in different directories.
//
// Limits: needs /proc, to find the child; tokens live 30 minutes, so a directory
// must be done in less.
package crash
