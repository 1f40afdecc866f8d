// Package target is the server that the http suite measures, in a process of its
// own, and the handle on it: either Mazad's ads door over an in-memory world, or
// a bare fasthttp handler that answers a constant.
//
// Contract: Serve prints "listening on HOST:PORT" and then answers commands, one
// word a line: "usage" with the processor time that this process has used, "stats"
// with what its engine did. It ends when its input ends, so that it cannot outlive
// whoever started it. Start runs such a process and Stop ends it. The mazad kind
// writes decisions to a real diary in a temporary directory; holds are settled
// and leases looked after as a node does, and their cost is in the usage.
//
// Units: processor time in nanoseconds, user and system together.
//
// Concurrency: a Process belongs to one goroutine.
//
// Limits: answers of the bare kind up to 1 MiB; Unix only, for processor time.
package target
