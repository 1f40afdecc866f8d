package pacing

import (
	"math/bits"

	"mazad/internal/money"
)

// Logarithms here have 32 fractional bits; inside, 62 are used. There is no
// float, so every machine and every build gives the same bits.
const (
	one62 = 1 << 62
	ln262 = 3196577161300663914 // ln(2) x 2^62
	ln232 = ln262 >> 30
)

// expPPB is exp(x) for x <= 0, in parts per billion rounded to nearest; at
// least 1.
func expPPB(x int64) money.PPB {
	if x >= 0 {
		return money.One
	}
	y := uint64(-x)
	halvings := y / ln232
	if halvings > 40 {
		return 1
	}
	// exp(-y) = 2^-halvings x exp(-r), 0 <= r <= ln 2 and a bit.
	r := reduce(y, halvings)
	sum, term := int64(one62), uint64(one62)
	for n := uint64(1); term > 0 && n < 40; n++ {
		hi, lo := bits.Mul64(term, r)
		term = (hi<<2 | lo>>62) / n
		if n%2 == 1 {
			sum -= int64(term)
		} else {
			sum += int64(term)
		}
	}
	hi, lo := bits.Mul64(uint64(sum)>>halvings, uint64(money.One))
	lo, carry := bits.Add64(lo, one62/2, 0)
	return max(money.PPB((hi+carry)<<2|lo>>62), 1)
}

// reduce is y x 2^30 - halvings x ln 2, in 62 fractional bits.
func reduce(y, halvings uint64) uint64 {
	yHi, yLo := y>>34, y<<30
	hHi, hLo := bits.Mul64(halvings, ln262)
	lo, borrow := bits.Sub64(yLo, hLo, 0)
	if hi, _ := bits.Sub64(yHi, hHi, borrow); int64(hi) < 0 {
		return 0
	}
	return lo
}

// logPPB is ln(p) with 32 fractional bits, for p <= One, by bisection of
// expPPB: it is called once in a controller's life.
func logPPB(p money.PPB) int64 {
	lo, hi := int64(lowestLog)*2, int64(0)
	for lo < hi {
		mid := lo + (hi-lo)/2
		if expPPB(mid) < p {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}
