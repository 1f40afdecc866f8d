// Command mazad is the whole house in one binary, one file per mode: serve,
// demo, check, explain, verify, bench and clickhouse (the child process that
// serve starts for reports).
//
// This is the only package that knows an address, a flag or an environment
// variable: it builds the rooms, gives them their configuration and starts and
// stops them in order.
//
// Contract: a start that fails says what and why and leaves nothing running. A
// stop (SIGINT, SIGTERM) refuses new requests, waits until every accepted event
// is on disk, returns leases and exits 0.
package main
