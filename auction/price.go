package auction

import (
	"math"
	"math/bits"

	"mazad/internal/money"
)

// price is what the winner of slot i pays per billing event.
func (s *Scratch) price(cfg *Config, c *Candidate, i, filled int) money.Nanos {
	bid := PacedBid(c)
	switch cfg.Rule {
	case FirstPrice:
		return bid
	case VCG:
		return min(s.externality(cfg, c, i, filled), bid)
	}
	return min(s.step(cfg, c, i).DivPPBUp(rate(c)), bid)
}

// step is the smallest value per impression with which c stays ahead of the
// candidate ranked after slot j: never less than its floor.
func (s *Scratch) step(cfg *Config, c *Candidate, j int) money.Nanos {
	floor := ClearingFloor(cfg, c)
	if j+1 >= len(s.top) {
		return floor
	}
	return max(saturatingAdd(s.top[j+1].score, -max(c.Quality, -money.MaxNanos)), floor)
}

// externality is the VCG price per billing event of slot i: what the others
// lose by c's presence, per unit of slot weight. The weights' differences add
// up to w(i) <= One, so the sum stays below 2^93 and the product below 2^123.
func (s *Scratch) externality(cfg *Config, c *Candidate, i, filled int) money.Nanos {
	own := s.weights[i]
	if own == 0 {
		return s.step(cfg, c, i).DivPPBUp(rate(c))
	}
	var sumHi, sumLo uint64
	for j := i; j < filled; j++ {
		drop := s.weights[j]
		if j+1 < filled {
			drop -= s.weights[j+1]
		}
		hi, lo := bits.Mul64(uint64(drop), uint64(s.step(cfg, c, j)))
		var carry uint64
		sumLo, carry = bits.Add64(sumLo, lo, 0)
		sumHi, _ = bits.Add64(sumHi, hi, carry)
	}
	return ceilDiv(sumHi, sumLo, uint64(money.One), uint64(own)*uint64(rate(c)))
}

// ceilDiv returns (hi,lo) x k / d rounded up, saturated. (hi,lo) x k must fit
// 128 bits.
func ceilDiv(hi, lo, k, d uint64) money.Nanos {
	over, low := bits.Mul64(lo, k)
	over += hi * k
	low, carry := bits.Add64(low, d-1, 0)
	over += carry
	if over >= d {
		return money.MaxNanos
	}
	q, _ := bits.Div64(over, low, d)
	if q > math.MaxInt64 {
		return money.MaxNanos
	}
	return money.Nanos(q)
}
