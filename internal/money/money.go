// Package money is the only place where amounts are parsed, added, scaled and
// printed.
//
// Contract: an amount is an integer. Budgets and bids are Micros of a currency
// (a CPM bid is micros per thousand impressions); clearing prices and ledger
// entries are Nanos; one micro of CPM is exactly one nano per impression, so
// the step from a bid to a price never rounds. Balances and sums are Sum, 128
// bits, because int64 nanos end at 9.2 billion units. Arithmetic is checked:
// it saturates or reports, it never wraps. There is no float in this package.
//
// Units: named by the type. Currency is carried beside the amount by its owner.
//
// Concurrency: values only.
//
// Limits: Micros and Nanos up to 2^63-1; Sum up to 38 decimal digits,
// DECIMAL(38,9) in ClickHouse and PostgreSQL, two columns in SQLite.
package money

import (
	"math"
	"math/bits"
)

// Micros is a millionth of a currency unit.
type Micros int64

// Nanos is a billionth of a currency unit.
type Nanos int64

// PPB is a rate in parts per billion: a probability or a multiplier.
type PPB uint64

// One is the rate 1.
const One PPB = 1_000_000_000

// Largest amounts.
const (
	MaxMicros Micros = math.MaxInt64
	MaxNanos  Nanos  = math.MaxInt64
)

// Nanos converts to nanos; ok is false when the result does not fit.
func (m Micros) Nanos() (n Nanos, ok bool) {
	n = Nanos(m) * 1000
	return n, n/1000 == Nanos(m)
}

// Sum converts to a 128-bit amount of nanos; it always fits.
func (m Micros) Sum() Sum { return SumOf(Nanos(m)).Mul(1000) }

// CPM reads m as a price per thousand impressions and returns the price of one
// impression: the same number, in nanos.
func (m Micros) CPM() Nanos { return Nanos(m) }

// Add returns a+b and whether it fits.
func (a Nanos) Add(b Nanos) (Nanos, bool) {
	s := a + b
	return s, (s > a) == (b > 0)
}

// MulPPB returns a*r rounded down; a must not be negative. It saturates at
// MaxNanos.
func (a Nanos) MulPPB(r PPB) Nanos { return mulDiv(uint64(a), uint64(r), uint64(One), 0) }

// MulPPBUp is MulPPB rounded up.
func (a Nanos) MulPPBUp(r PPB) Nanos {
	return mulDiv(uint64(a), uint64(r), uint64(One), uint64(One)-1)
}

// DivPPBUp returns a/r rounded up: the smallest x with x*r >= a. r must not be
// zero and a must not be negative. It saturates at MaxNanos.
func (a Nanos) DivPPBUp(r PPB) Nanos { return mulDiv(uint64(a), uint64(One), uint64(r), uint64(r)-1) }

// mulDiv returns (a*b+round)/d, saturated.
func mulDiv(a, b, d, round uint64) Nanos {
	hi, lo := bits.Mul64(a, b)
	lo, carry := bits.Add64(lo, round, 0)
	hi += carry
	if hi >= d {
		return MaxNanos
	}
	q, _ := bits.Div64(hi, lo, d)
	if q > math.MaxInt64 {
		return MaxNanos
	}
	return Nanos(q)
}
