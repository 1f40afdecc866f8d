package money

import "math/bits"

// Split divides total into parts proportional to weights by the largest
// remainder method, so that the parts add up to total exactly. Ties go to the
// earlier part. total must not be negative, the weights must not all be zero,
// and dst must have len(weights) elements; it is returned.
func Split(dst []Nanos, total Nanos, weights []uint32) []Nanos {
	var all uint64
	for _, w := range weights {
		all += uint64(w)
	}
	left := total
	for i, w := range weights {
		dst[i] = mulDiv(uint64(total), uint64(w), all, 0)
		left -= dst[i]
	}
	for ; left > 0; left-- {
		best, bestRem := 0, uint64(0)
		for i, w := range weights {
			r := remainder(uint64(total), uint64(w), all)
			if taken := dst[i] > mulDiv(uint64(total), uint64(w), all, 0); !taken && r > bestRem {
				best, bestRem = i, r
			}
		}
		dst[best]++
	}
	return dst
}

func remainder(a, b, d uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	_, r := bits.Div64(hi%d, lo, d)
	return r
}
