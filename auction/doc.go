// Package auction decides which ads win the slots of one request and what each
// winner pays: candidates in, ranked winners and clearing prices out.
//
// Contract: Run is pure and deterministic: the same Config and candidates give
// the same winners, whatever ran before in the Scratch. floor <= price <= bid
// (I2). The winners and prices are those of sorting every candidate (I3): the
// selection only avoids the sort. A candidate is scored
//
//	value = bid x pacing x rate          expected nanos per impression, rounded down
//	score = value + quality
//
// and competes when value > 0, value >= its floor and score >= 0: an ad that
// costs the viewer more than it pays is worse than an empty slot. Of each
// advertiser only the MaxPerAdvertiser best compete; the others neither win
// nor set a price, so nobody is outbid by its own surplus ad. Equal scores are
// ordered by a hash of the seed and Candidate.Ad. To take a candidate out (a
// refused hold) set its Bid to 0 and run again: the outcome is that of the
// auction among the rest.
//
// With s1 >= s2 >= ... the competing scores and q the winner's quality, slot i
// pays per impression, never less than the winner's floor r:
//
//	FirstPrice   its value
//	SecondPrice  max(s(i+1) - q, r)                             generalised second price with quality
//	VCG          sum over j >= i of (w(j)-w(j+1)) x max(s(j+1)-q, r), divided by w(i)
//
// where w are the slot weights and w is 0 after the last slot that was filled. A price is
// turned into one per billing event and rounded up once.
//
// Units: Bid and Price are nanos per billing event; Floor, Quality, Score and
// PricePerImpression are nanos per impression; rates and weights are money.PPB.
//
// Concurrency: no state but the Scratch, which belongs to one caller at a time.
//
// Limits: MaxSlots slots; any number of candidates. One pass, O(n) when few
// candidates enter the top, O(n x slots) at worst; 0 allocations once the
// Scratch has grown.
//
// Source: Edelman, Ostrovsky, Schwarz (AER 2007) for GSP; Varian and Harris
// (AER 2014) and Roughgarden's CS269I notes for VCG prices; Myerson (1981) for
// the floor inside the VCG sum, which keeps truth-telling optimal when floors
// differ. We add quality, integers and diversity.
package auction
