// Package builds holds one test: the corridor decides the same, to the bit, in
// every build of it.
//
// Contract: serving's golden season is compiled for GOAMD64 v1 and v3, where the
// compiler may fuse a multiplication and an addition of floats, and with the race
// detector, and has the digest of serving/testdata/digests in each. The children
// are built without serving's side to the diary: the messaging server behind it
// would take two minutes to compile three times over.
//
// Units: none.
//
// Concurrency: none.
//
// Limits: the race detector needs a C compiler, v3 a processor of 2013 or later;
// without them that part is left out, loudly, and on CI it fails.
package builds
