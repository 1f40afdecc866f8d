// Package prediction says how likely a click or a view is.
//
// This is the first form: a smoothed prior. An ad's rate leans on its ad
// group's, that on its campaign's, that on the global rate, each with the
// weight of a fixed number of impressions, so that a new ad starts where its
// siblings stand and its own record takes over as it grows.
//
// Contract: a Model never changes; its Version is recorded with every decision.
// Learner keeps integer counts only, so the order of observations does not
// matter and replaying the diary gives bit-identical models (I8). What may be
// looked at is a matter of types: a request without permission carries a
// Contextual, which has no field that I10 forbids.
//
// Units: money.PPB for rates, counts of events.
//
// Concurrency: a Model may be read from anywhere. A Learner has one owner.
//
// Limits: Config.MaxAds ads tracked one by one; ads beyond it are counted with
// their ad group. Counts are uint64.
//
// Source: the beta-binomial prior with back-off, as in Agarwal et al. (KDD 2010)
// for sparse hierarchical counts; smoothing strengths are ours.
package prediction
