package pacing

import (
	"fmt"
	"math/bits"

	"mazad/internal/money"
)

// maxPieces bounds a Curve: half-hours of a year.
const maxPieces = 48 * 366

// Curve is a forecast of when a budget period's traffic comes: a step function
// over pieces of equal length. It is immutable.
type Curve struct {
	pieceMS int64
	ends    []uint64 // cumulative weight at the end of each piece
}

// NewCurve makes a curve of pieces of pieceMS milliseconds; a weight of 0 is a
// piece without traffic (an hour outside the dayparting). A day of 23 hours has
// 46 half-hour pieces. With no weight at all the traffic is taken as even.
func NewCurve(pieceMS int64, weights []uint32) (*Curve, error) {
	if pieceMS <= 0 {
		return nil, fmt.Errorf("pacing curve piece is %d ms, want at least 1", pieceMS)
	}
	if len(weights) == 0 || len(weights) > maxPieces {
		return nil, fmt.Errorf("pacing curve has %d pieces, want 1 to %d", len(weights), maxPieces)
	}
	c := &Curve{pieceMS: pieceMS, ends: make([]uint64, len(weights))}
	var sum uint64
	for i, w := range weights {
		sum += uint64(w)
		c.ends[i] = sum
	}
	if sum == 0 {
		for i := range c.ends {
			c.ends[i] = uint64(i + 1)
		}
	}
	return c, nil
}

// Elapsed is the share of the period's traffic in its first ms milliseconds.
func (c *Curve) Elapsed(ms int64) money.PPB {
	if ms <= 0 {
		return 0
	}
	piece := ms / c.pieceMS
	if piece >= int64(len(c.ends)) {
		return money.One
	}
	var before uint64
	if piece > 0 {
		before = c.ends[piece-1]
	}
	total := c.ends[len(c.ends)-1]
	within := mulDiv(c.ends[piece]-before, uint64(ms%c.pieceMS)*uint64(money.One), uint64(c.pieceMS))
	hi, lo := bits.Mul64(before, uint64(money.One))
	lo, carry := bits.Add64(lo, within, 0)
	q, _ := bits.Div64(hi+carry, lo, total)
	return money.PPB(q)
}

// mulDiv returns a*b/d rounded down, saturated.
func mulDiv(a, b, d uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	if hi >= d {
		return 1<<64 - 1
	}
	q, _ := bits.Div64(hi, lo, d)
	return q
}
