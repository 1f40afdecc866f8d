package money

import (
	"fmt"
	"math/bits"
	"strings"
)

// Sum is a signed 128-bit amount of nanos in two's complement.
type Sum struct {
	Hi int64
	Lo uint64
}

// SumOf widens n.
func SumOf(n Nanos) Sum { return Sum{Hi: int64(n) >> 63, Lo: uint64(n)} }

// Add returns s+t. Overflow needs 10^29 units and panics: it is a mistake of ours.
func (s Sum) Add(t Sum) Sum {
	lo, c := bits.Add64(s.Lo, t.Lo, 0)
	hi := s.Hi + t.Hi + int64(c)
	if (s.Hi < 0) == (t.Hi < 0) && (hi < 0) != (s.Hi < 0) {
		panic("money: sum overflows 128 bits")
	}
	return Sum{hi, lo}
}

// Neg returns -s.
func (s Sum) Neg() Sum {
	lo, c := bits.Add64(^s.Lo, 1, 0)
	return Sum{^s.Hi + int64(c), lo}
}

// Sub returns s-t.
func (s Sum) Sub(t Sum) Sum { return s.Add(t.Neg()) }

// AddNanos returns s+n.
func (s Sum) AddNanos(n Nanos) Sum { return s.Add(SumOf(n)) }

// Sign is -1, 0 or 1.
func (s Sum) Sign() int {
	switch {
	case s.Hi < 0:
		return -1
	case s.Hi == 0 && s.Lo == 0:
		return 0
	}
	return 1
}

// Cmp compares s with t.
func (s Sum) Cmp(t Sum) int {
	switch {
	case s.Hi != t.Hi:
		if s.Hi < t.Hi {
			return -1
		}
		return 1
	case s.Lo != t.Lo:
		if s.Lo < t.Lo {
			return -1
		}
		return 1
	}
	return 0
}

// Nanos narrows s; ok is false when it does not fit.
func (s Sum) Nanos() (n Nanos, ok bool) {
	return Nanos(s.Lo), s.Hi == int64(s.Lo)>>63
}

// Clamp narrows s, saturating at the ends of Nanos.
func (s Sum) Clamp() Nanos {
	if n, ok := s.Nanos(); ok {
		return n
	}
	if s.Hi < 0 {
		return -MaxNanos
	}
	return MaxNanos
}

// Mul returns s*k for k >= 0; overflow panics.
func (s Sum) Mul(k uint64) Sum {
	neg := s.Hi < 0
	if neg {
		s = s.Neg()
	}
	h, lo := bits.Mul64(s.Lo, k)
	over, hi := bits.Mul64(uint64(s.Hi), k)
	hi, c := bits.Add64(hi, h, 0)
	if over != 0 || c != 0 || int64(hi) < 0 {
		panic("money: product overflows 128 bits")
	}
	r := Sum{int64(hi), lo}
	if neg {
		return r.Neg()
	}
	return r
}

// DivMod splits a non-negative s into quotient and remainder by d > 0.
func (s Sum) DivMod(d uint64) (q Sum, r uint64) {
	if s.Hi < 0 {
		panic("money: DivMod of a negative sum")
	}
	qh, rem := bits.Div64(0, uint64(s.Hi), d)
	ql, rem := bits.Div64(rem, s.Lo, d)
	return Sum{int64(qh), ql}, rem
}

// String prints units with exactly nine decimals, as DECIMAL(38,9) does: "-0.000000001".
func (s Sum) String() string {
	sign := ""
	if s.Hi < 0 {
		sign, s = "-", s.Neg()
	}
	q, nanos := s.DivMod(1_000_000_000)
	var digits []string
	for q.Sign() > 0 {
		var r uint64
		q, r = q.DivMod(1_000_000_000)
		digits = append(digits, fmt.Sprintf("%09d", r))
	}
	var b strings.Builder
	for i := len(digits) - 1; i >= 0; i-- {
		b.WriteString(digits[i])
	}
	units := strings.TrimLeft(b.String(), "0")
	if units == "" {
		units = "0"
	}
	return fmt.Sprintf("%s%s.%09d", sign, units, nanos)
}
