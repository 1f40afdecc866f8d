package money

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
)

// Errors of ParseDecimal; callers wrap them with the field's name.
var (
	ErrSyntax    = errors.New("not a decimal number")
	ErrPrecision = errors.New("more decimals than the unit has")
	ErrRange     = errors.New("out of range")
)

// ParseMicros reads a decimal of main units ("12.50") exactly.
func ParseMicros(s string) (Micros, error) {
	n, err := parseDecimal(s, 6)
	return Micros(n), err
}

// ParseNanos reads a decimal of main units with up to nine decimals exactly.
func ParseNanos(s string) (Nanos, error) {
	n, err := parseDecimal(s, 9)
	return Nanos(n), err
}

// ParseCPMMicros reads an OpenRTB price, units per thousand impressions, exactly
// where it has at most six decimals; further digits are cut off when cut is
// true and refused otherwise. The result is also nanos per impression.
func ParseCPMMicros(s string, cut bool) (Micros, error) {
	n, err := parseDecimal(s, 6)
	if cut && errors.Is(err, ErrPrecision) {
		err = nil
	}
	return Micros(n), err
}

// parseDecimal reads sign, digits, fraction and exponent with at most `places`
// decimals. On ErrPrecision the value is the input cut off at `places`.
func parseDecimal(s string, places int) (int64, error) {
	if len(s) == 0 || len(s) > 64 {
		return 0, fmt.Errorf("%q: %w", clip(s), ErrSyntax)
	}
	neg, i := false, 0
	if s[0] == '-' {
		neg, i = true, 1
	}
	var mant uint64
	exp, digits, seenDot, over := 0, 0, false, false
	for ; i < len(s) && s[i] != 'e' && s[i] != 'E'; i++ {
		switch c := s[i]; {
		case c == '.' && !seenDot:
			seenDot = true
		case c >= '0' && c <= '9':
			digits++
			hi, lo := bits.Mul64(mant, 10)
			lo, carry := bits.Add64(lo, uint64(c-'0'), 0)
			if hi != 0 || carry != 0 {
				over = true
				if !seenDot {
					return 0, fmt.Errorf("%q: %w", clip(s), ErrRange)
				}
				continue
			}
			if over {
				continue
			}
			mant = lo
			if seenDot {
				exp--
			}
		default:
			return 0, fmt.Errorf("%q: %w", clip(s), ErrSyntax)
		}
	}
	if digits == 0 || s[len(s)-1] == '.' {
		return 0, fmt.Errorf("%q: %w", clip(s), ErrSyntax)
	}
	if i < len(s) {
		e, err := strconv.Atoi(s[i+1:])
		if err != nil || e > 100 || e < -100 {
			return 0, fmt.Errorf("%q: %w", clip(s), ErrSyntax)
		}
		exp += e
	}
	return scale(s, neg, mant, exp+places, over)
}

func scale(s string, neg bool, mant uint64, shift int, inexact bool) (int64, error) {
	for ; shift > 0 && mant != 0; shift-- {
		hi, lo := bits.Mul64(mant, 10)
		if hi != 0 {
			return 0, fmt.Errorf("%q: %w", clip(s), ErrRange)
		}
		mant = lo
	}
	for ; shift < 0 && mant != 0; shift++ {
		inexact = inexact || mant%10 != 0
		mant /= 10
	}
	if mant > uint64(MaxNanos) {
		return 0, fmt.Errorf("%q: %w", clip(s), ErrRange)
	}
	n := int64(mant)
	if neg {
		n = -n
	}
	if inexact {
		return n, fmt.Errorf("%q: %w", clip(s), ErrPrecision)
	}
	return n, nil
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}

// AppendMicros appends m as a decimal of main units without trailing zeros: "2.5".
func AppendMicros(dst []byte, m Micros) []byte { return appendDecimal(dst, int64(m), 1_000_000, 6) }

// AppendNanos appends n as a decimal of main units without trailing zeros.
func AppendNanos(dst []byte, n Nanos) []byte { return appendDecimal(dst, int64(n), 1_000_000_000, 9) }

func (m Micros) String() string { return string(AppendMicros(nil, m)) }
func (a Nanos) String() string  { return string(AppendNanos(nil, a)) }

func appendDecimal(dst []byte, v int64, unit uint64, places int) []byte {
	u := uint64(v)
	if v < 0 {
		dst = append(dst, '-')
		u = -u
	}
	dst = strconv.AppendUint(dst, u/unit, 10)
	frac := u % unit
	if frac == 0 {
		return dst
	}
	dst = append(dst, '.')
	for i := 0; i < places && frac != 0; i++ {
		unit /= 10
		dst = append(dst, byte('0'+frac/unit))
		frac %= unit
	}
	return dst
}
