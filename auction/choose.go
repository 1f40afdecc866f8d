package auction

import "mazad/internal/money"

// entry is a candidate on its way to a slot.
type entry struct {
	score      money.Nanos
	tie        uint64
	advertiser uint64
	index      int32
}

// ahead is the total order of an auction: score, then the seeded hash, then
// the position, which matters only where two candidates share Ad.
func (e *entry) ahead(o *entry) bool {
	if e.score != o.score {
		return e.score > o.score
	}
	if e.tie != o.tie {
		return e.tie > o.tie
	}
	return e.index < o.index
}

// choose lets cands[from:] into the n best under the diversity rule, which it keeps
// in s.top, best first. Both rules together are a matroid (at most n, at most so many of one
// advertiser), so exchanging the worst member of the broken rule as candidates
// arrive ends with exactly the set that sorting would give.
func (s *Scratch) choose(cfg *Config, cands []Candidate, from, n int) {
	if cap(s.top) < n {
		s.top = make([]entry, 0, MaxSlots+1)
	}
	for i := from; i < len(cands); i++ {
		c := &cands[i]
		score, why := judge(cfg, c)
		if why != Won || len(s.top) == n && score < s.top[n-1].score {
			continue
		}
		e := newEntry(cfg, c, score, i)
		at := len(s.top)
		if at == n {
			if at--; !e.ahead(&s.top[at]) {
				continue
			}
		}
		if rival := s.surplus(cfg, &e); rival >= 0 {
			if !e.ahead(&s.top[rival]) {
				continue
			}
			at = rival
		}
		s.insert(e, at)
	}
}

func newEntry(cfg *Config, c *Candidate, score money.Nanos, index int) entry {
	return entry{score: score, tie: tieHash(cfg.Seed, c.Ad), advertiser: c.Advertiser, index: int32(index)}
}

// surplus is the place of the worst ad of e's advertiser if the advertiser
// already has all it may have, else -1.
func (s *Scratch) surplus(cfg *Config, e *entry) int {
	if cfg.MaxPerAdvertiser <= 0 {
		return -1
	}
	held, worst := 0, -1
	for i := range s.top {
		if s.top[i].advertiser == e.advertiser {
			held, worst = held+1, i
		}
	}
	if held < cfg.MaxPerAdvertiser {
		return -1
	}
	return worst
}

// insert puts e in rank order; the entry at place `out` (or nothing, when it is
// the end) leaves.
func (s *Scratch) insert(e entry, out int) {
	if out == len(s.top) {
		s.top = append(s.top, entry{})
	}
	for ; out > 0 && e.ahead(&s.top[out-1]); out-- {
		s.top[out] = s.top[out-1]
	}
	s.top[out] = e
}

// tieHash spreads seed and ad over 64 bits (the finaliser of SplitMix64 by
// Steele, Lea and Flood, OOPSLA 2014, applied twice so that neighbouring seeds
// and neighbouring ads give unrelated orders).
func tieHash(seed, ad uint64) uint64 {
	return mix(mix(seed+0x9e3779b97f4a7c15) + ad*0x9e3779b97f4a7c15)
}

func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
