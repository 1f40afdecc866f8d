// Package manage is the marketing API: the door for people and agencies, shaped
// like TikTok's Business API v1.3.
//
// Contract: openapi.yaml is the source. The server's types and routes are
// generated from it (package wire), requests are checked against it before a
// handler runs, and tests check every response against it. A request walks one
// corridor, door.ServeHTTP: route, token, shape, reach, idempotency, handler.
// Reach is decided in one place from x-scope of the operation; a handler takes
// the advertiser from there and hands it to every query, so that no request of
// one tenant reads or changes another's (I11), and what is not reachable answers
// as if it did not exist. Refusals are Faults; one table (faults.go) maps what
// the rooms below say, and the text of an internal error never leaves.
//
// Units: money is an exact decimal in main units on the wire and money.Micros
// or money.Sum behind it, never a float. Times are instants with an offset.
//
// Concurrency: a Server is safe for concurrent use; a call, an input and an
// answer belong to one request.
//
// Limits: bodies 1 MiB, nesting 16, queries 16 KiB, pages of 1,000, 20 faults
// per answer; the server's timeouts are in server.go.
//
// Source: TikTok API for Business v1.3 (business-api.tiktok.com) for paths,
// names and codes; docs/api-manage.md lists where Mazad differs.
package manage
