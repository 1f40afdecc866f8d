// Package pacing decides how much may be spent and how fast: limits, holds,
// leases and controllers.
//
// A Book keeps one cell per limit (a lifetime or a local day of an ad group,
// campaign, advertiser or wallet). An ad that is served holds its cost in every
// limit of its Chain, all or nothing; the event that bills it commits the hold;
// an ad never shown releases it. Holds remembers what is outstanding. A Leaser
// says how much budget to fetch into the Book, a Controller how hard to bid so
// that the budget lasts. DESIGN.md in this folder tells the whole story.
//
// Contract: billed + held <= granted for every limit at every moment (I1):
// a cell's unspent amount is one atomic number that only goes down by
// compare-and-swap and never below zero. Money is conserved: granted = avail +
// billed + held once no call is under way. A refused hold takes nothing and
// names the limit that refused. A hold is booked to the day it was made for,
// whatever the clock says when it is committed.
//
// Units: money.Nanos and money.Sum for amounts, money.PPB for shares and
// multipliers, int32 yyyymmdd in the advertiser's zone for days, milliseconds
// since the Unix epoch for instants.
//
// Concurrency: Hold, Commit, Release, Refund, Holds.Put, Take, TakeFrequency and
// Delays.Observe are lock-free and may be called from anywhere. Everything that
// changes the shape of a Book takes its mutex, which they never touch.
// Controller and Leaser are plain values with one owner.
//
// Limits: Config fields; MaxNanos of unspent lease per cell, 128 bits of total.
//
// Source: rtbkit's banker for shadow accounts, TigerBeetle's two-phase
// transfers for hold and commit; Balseiro and Gur (Management Science 2019)
// for the dual update. We differ in that the controller is all-integer.
package pacing
