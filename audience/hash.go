package audience

import (
	"encoding/binary"
	"math/bits"
)

// Odd constants with as many ones as zeros, from the digits of pi and e.
const (
	mixA = 0x9E3779B97F4A7C15
	mixB = 0xD1B54A32D192ED03
)

// mix folds a 64x64 multiplication: every bit of a and b moves every bit of the
// result.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// hashBytes places an id; it is not a data format and differs with the seed.
func hashBytes(seed uint64, b []byte) uint64 {
	h := seed ^ mixA ^ uint64(len(b))*mixB
	for len(b) >= 8 {
		h = mix(h^binary.LittleEndian.Uint64(b), mixA)
		b = b[8:]
	}
	var last uint64
	for i, c := range b {
		last |= uint64(c) << (8 * i)
	}
	return mix(mix(h^last, mixB)^seed, mixA)
}

// hashPair places two numbers.
func hashPair(seed, a, b uint64) uint64 {
	return mix(mix(a^seed^mixA, mixB)^b, mixA^seed<<1)
}
