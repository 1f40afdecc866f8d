package auction

import (
	"math"

	"mazad/internal/money"
)

func rate(c *Candidate) money.PPB { return min(c.Rate, money.One) }

// PacedBid is the most the candidate pays per billing event in this auction.
func PacedBid(c *Candidate) money.Nanos {
	return max(c.Bid, 0).MulPPB(min(c.Pacing, money.One))
}

// Value is what an impression of the candidate is expected to bring at its
// paced bid, rounded down.
func Value(c *Candidate) money.Nanos { return PacedBid(c).MulPPB(rate(c)) }

// Score is what candidates are ranked by, in nanos per impression.
func Score(c *Candidate) money.Nanos { return saturatingAdd(Value(c), c.Quality) }

// ClearingFloor is the smallest value per impression with which the candidate
// competes: the larger of both floors, and enough to outweigh a negative
// quality.
func ClearingFloor(cfg *Config, c *Candidate) money.Nanos {
	return max(cfg.Floor, c.Floor, -max(c.Quality, -money.MaxNanos), 0)
}

// judge scores a candidate; why is Won while nothing speaks against it.
func judge(cfg *Config, c *Candidate) (score money.Nanos, why Reason) {
	value := Value(c)
	score = saturatingAdd(value, c.Quality)
	switch {
	case value <= 0:
		return score, LostNoValue
	case value < cfg.Floor || value < c.Floor:
		return score, LostBelowFloor
	case score < 0:
		return score, LostQuality
	}
	return score, Won
}

func saturatingAdd(a, b money.Nanos) money.Nanos {
	if s, ok := a.Add(b); ok {
		return s
	}
	if b > 0 {
		return money.MaxNanos
	}
	return math.MinInt64
}
