// Package body makes request bodies for benchmarks: realistic in shape and
// size, the same for the same seed.
//
// Contract: every OpenRTB body has exactly OpenRTBBytes bytes and every feed body exactly
// FeedBytes, so that figures of different runs compare; both are valid JSON with the
// members and the nesting of real traffic. Users, countries, devices, pages and
// tags vary by the seed. No person is behind any of it: addresses are from
// the ranges reserved for documentation.
//
// Concurrency: a Generator belongs to one goroutine; make one each, with
// different seeds.
//
// Source: OpenRTB 2.6 section 3; docs/api-ads.md for the feed.
package body
