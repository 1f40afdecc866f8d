// Package arrival tells how long the bytes of a request waited between the
// machine's network stack and the goroutine that reads them.
//
// That is where a server of one goroutine per connection queues under overload:
// in the socket's buffer and in the Go scheduler's run queue. Neither a count of
// requests in flight nor a clock started by the handler sees it, because a
// handler that is on the processor no longer waits. The kernel stamps the bytes
// when they arrive; the difference to the time of reading is the wait.
//
// Contract: Listener wraps a TCP listener, Conn a connection; WaitOf says how long the bytes that
// were read last had waited, once: the next call without a read in between knows
// nothing. Where the kernel does not say (not Linux on amd64 or arm64, not TCP, the
// first bytes of a connection that were there before it was accepted), WaitOf
// does not know.
//
// Units: time.Duration.
//
// Concurrency: as net.Conn, but one reader at a time.
//
// Limits: both times are of the machine's wall clock: a step of it shows as a
// wrong wait of the requests on their way at that moment; below zero is zero. A
// proxy in front ends the connection: waits in it are its own.
package arrival
