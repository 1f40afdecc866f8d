// Package wire holds the shapes of the marketing API as Go types: what
// openapi.yaml says, generated, plus the two scalar types that JSON has no
// exact word for (Decimal, Time).
//
// Contract: openapi.gen.go is generated from ../openapi.yaml by generate.sh
// (go generate ./api/manage/wire) and never edited; TestGeneratedCodeIsUpToDate
// compares. Shapes only: no rule about advertising lives here.
//
// Units: Decimal is main units of the advertiser's currency ("12.5"), exact.
// Time is an instant.
//
// Concurrency: values only.
//
// Limits: amounts up to MaxAmount with at most six decimals.
package wire

//go:generate sh generate.sh
