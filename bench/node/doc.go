// Package node runs the real `mazad serve` for the suites that measure the whole
// of it: a child process with all engines on a data directory of its own, which
// can be killed and started again.
//
// Contract: Open fills a temporary data directory by the hidden command
// WorldCommand; Start, Kill and Stop act on the process; Close removes the
// directory. The configuration is the default one but for addresses, log and
// sizes named in Config.
//
// Units: memory in bytes, processor time as time.Duration, of the serving process
// alone without its ClickHouse.
//
// Concurrency: a Node belongs to one goroutine.
//
// Limits: Unix; processors can be assigned on Linux only, elsewhere Pin does
// nothing and says so.
package node
