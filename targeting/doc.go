// Package targeting holds what an advertiser may ask for (Rule) and finds, for
// one ad request, every ad group whose rule accepts it (Index).
//
// A Rule constrains up to a dozen dimensions (place, age, gender, language,
// operating system, placement, interests, content tags, segments, hours of the
// week); the zero Rule accepts everyone. Build turns the rules of a snapshot
// into an immutable Index; MatchPersonal and MatchContextual answer a request
// with the ascending positions of the rules that accept it; WhyPersonal and
// WhyContextual name the dimension by which one rule refuses it. BuildTiers cuts
// ranked rules into several indexes for a search that stops early.
//
// Contract: the result equals what a reader of the Rule's comments would
// compute by hand, for every valid rule (oracle and fuzz test). A value that the
// request does not know fails an include constraint on its dimension and passes
// an exclude. A rule that Validate refuses matches nobody. I10: the contextual
// half of an Index is another type, built from a reduced rule that has no
// personal fields, and answers a query type that has none either.
//
// Units: hours of the week in half-hours from Monday 00:00 (0..335); versions
// packed as major<<16|minor<<8|patch.
//
// Concurrency: an Index never changes after Build and may be used by any number
// of goroutines. A Scratch belongs to one goroutine at a time. A Rule's slices
// are not retained by Build.
//
// Limits: the Max constants of rule.go; 2^31-1 rules per Index.
//
// Source: the partitioned boolean index follows the measurements in
// targeting/DESIGN.md; compressed rows are github.com/RoaringBitmap/roaring
// (Lemire et al., "Roaring Bitmaps: Implementation of an Optimized Software
// Library", 2018).
package targeting
