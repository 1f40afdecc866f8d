package targeting_test

import (
	"testing"

	"mazad/targeting"
)

// FuzzMatchAgainstOracle reads rules and requests from bytes: byte i decides the
// i-th choice of decodeCase.
func FuzzMatchAgainstOracle(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{3, 2, 0, 2, 1, 2, 3, 15, 2, 2, 1, 2, 3, 1})
	f.Add([]byte{11, 4, 17, 1, 5, 3, 13, 3, 1, 2, 3, 14, 2, 1, 1, 9, 6, 7, 2, 255, 254, 3})
	f.Add([]byte("personal and contextual never meet"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rules, queries := decodeCase(func(n int) int {
			if len(data) == 0 {
				return 0
			}
			x := int(data[0]) % n
			data = data[1:]
			return x
		})
		few := len(rules)
		for i := range 200 { // enough for a cell
			rules = append(rules, rules[i%few])
		}
		ix := targeting.Build(rules)
		var s targeting.Scratch
		for i := range queries {
			compare(t, rules, ix, &queries[i], &s)
		}
	})
}
