// Package world builds a whole corridor in memory, so that a benchmark measures
// a decision and not the stores behind it: a seeded tree of ad groups, profiles
// of users, budgets, holds, tokens.
//
// Contract: everything that Decide touches is the real thing; only the store of
// leases stands in for the ledger (servingtest). The targeting is the workload of
// targetingtest with its commonest countries, their languages and largest cities
// renamed to those of bench/body, so that bodies meet the same share of matching
// ad groups as the workload's own requests do. Tokens never come back: Settle
// gives up their holds as if each had expired.
//
// Units: ad groups, users.
//
// Concurrency: Settle may be called beside requests; it must not run twice at
// once.
//
// Limits: campaigntest.MaxAdGroups; MaxUsers profiles.
package world
