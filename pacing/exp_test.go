package pacing

import (
	"math"
	"testing"

	"mazad/internal/money"
)

// In the package: the fixed-point exponential is not exported.
func TestExpPPBEqualsExp(t *testing.T) {
	for x := int64(0); x > 20*lowestLog/14; x -= 7_777_777 {
		want := math.Exp(float64(x)/logOne) * 1e9
		if got := float64(expPPB(x)); math.Abs(got-math.Max(want, 1)) > .5+want*1e-9 {
			t.Fatalf("exp(%v) is %v ppb, want %v", float64(x)/logOne, got, want)
		}
	}
	if expPPB(5) != money.One || expPPB(math.MinInt64/4) != 1 {
		t.Error("the ends are not bounded")
	}
	for _, p := range []money.PPB{1000, 12_345, money.One / 2, money.One - 1, money.One} {
		if got := expPPB(logPPB(p)); got != p {
			t.Errorf("exp(ln %d) is %d", p, got)
		}
	}
}

func TestDayNumberCountsDays(t *testing.T) {
	last := dayNumber(19991231)
	for _, key := range []int32{20000101, 20000102} {
		if n := dayNumber(key); n != last+1 {
			t.Fatalf("day %d is number %d after %d", key, n, last)
		}
		last++
	}
	f := func(a, b int32) {
		t.Helper()
		if dayNumber(b) != dayNumber(a)+1 {
			t.Errorf("%d does not follow %d", b, a)
		}
	}
	f(20240228, 20240229)
	f(20240229, 20240301)
	f(20230228, 20230301)
	f(21000228, 21000301)
	f(20261231, 20270101)
	f(20260430, 20260501)
	f(20260731, 20260801)
}
