package money_test

import (
	"errors"
	"math/big"
	"testing"

	"mazad/internal/money"

	"pgregory.net/rapid"
)

func bigOf(s money.Sum) *big.Int {
	b := big.NewInt(s.Hi)
	b.Lsh(b, 64)
	return b.Add(b, new(big.Int).SetUint64(s.Lo))
}

func genSum(t *rapid.T, name string) money.Sum {
	return money.Sum{Hi: rapid.Int64Range(-1<<40, 1<<40).Draw(t, name+"hi"), Lo: rapid.Uint64().Draw(t, name+"lo")}
}

func TestSumEqualsBigInt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genSum(t, "a"), genSum(t, "b")
		k := rapid.Uint64Range(0, 1<<20).Draw(t, "k")
		eq := func(what string, got money.Sum, want *big.Int) {
			if bigOf(got).Cmp(want) != 0 {
				t.Fatalf("%s: got %v, want %v", what, bigOf(got), want)
			}
		}
		A, B := bigOf(a), bigOf(b)
		eq("add", a.Add(b), new(big.Int).Add(A, B))
		eq("sub", a.Sub(b), new(big.Int).Sub(A, B))
		eq("mul", a.Mul(k), new(big.Int).Mul(A, new(big.Int).SetUint64(k)))
		if a.Cmp(b) != A.Cmp(B) || a.Sign() != A.Sign() {
			t.Fatalf("compare %v %v", A, B)
		}
		unit := big.NewInt(1_000_000_000)
		r := new(big.Rat).SetFrac(A, unit)
		if a.String() != r.FloatString(9) {
			t.Fatalf("string: got %s, want %s", a, r.FloatString(9))
		}
	})
}

func TestParseDecimal(t *testing.T) {
	ok := func(s string, want money.Micros) {
		t.Helper()
		got, err := money.ParseMicros(s)
		if err != nil || got != want {
			t.Errorf("%q: got %d, %v; want %d", s, got, err, want)
		}
	}
	bad := func(s string, want error) {
		t.Helper()
		if got, err := money.ParseMicros(s); !errors.Is(err, want) {
			t.Errorf("%q: got %d, %v; want %v", s, got, err, want)
		}
	}
	ok("0", 0)
	ok("12.5", 12_500_000)
	ok("-0.000001", -1)
	ok("1e3", 1_000_000_000)
	ok("2.50E-2", 25_000)
	ok("9223372036854.775807", money.MaxMicros)
	ok("1.0000000", 1_000_000)
	bad("9223372036854.775808", money.ErrRange)
	bad("99999999999999999999999999", money.ErrRange)
	bad("0.0000001", money.ErrPrecision)
	for _, s := range []string{"", "-", ".", "1.", "1.2.3", "NaN", "Inf", "0x10", "1e", "1e999", "+1", " 1", "1 ", "١"} {
		bad(s, money.ErrSyntax)
	}
	if got, err := money.ParseCPMMicros("1.23456789", true); got != 1_234_567 || err != nil {
		t.Errorf("cut: got %d, %v", got, err)
	}
}

func TestDecimalRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := money.Nanos(rapid.Int64Range(-1<<62, 1<<62).Draw(t, "n"))
		got, err := money.ParseNanos(n.String())
		if err != nil || got != n {
			t.Fatalf("%d -> %q -> %d, %v", n, n.String(), got, err)
		}
	})
}

func TestScaleRoundsAsNamed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := money.Nanos(rapid.Int64Range(0, 1<<50).Draw(t, "a"))
		r := money.PPB(rapid.Uint64Range(1, 4_000_000_000).Draw(t, "r"))
		down, up := a.MulPPB(r), a.MulPPBUp(r)
		exact := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(int64(a)), new(big.Int).SetUint64(uint64(r))), big.NewInt(1_000_000_000))
		d, u := new(big.Rat).SetInt64(int64(down)), new(big.Rat).SetInt64(int64(up))
		if d.Cmp(exact) > 0 || u.Cmp(exact) < 0 || up-down > 1 {
			t.Fatalf("%d * %d: %d..%d around %s", a, r, down, up, exact.FloatString(3))
		}
		if x := a.DivPPBUp(r); x != money.MaxNanos && (x.MulPPBUp(r) < a || x > 0 && (x-1).MulPPBUp(r) > a) {
			t.Fatalf("%d / %d = %d is not the smallest", a, r, x)
		}
	})
}

func TestSplitAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := rapid.SliceOfN(rapid.Uint32Range(0, 1000), 1, 8).Draw(t, "weights")
		w[0]++
		total := money.Nanos(rapid.Int64Range(0, 1<<60).Draw(t, "total"))
		parts := money.Split(make([]money.Nanos, len(w)), total, w)
		var all uint64
		for _, x := range w {
			all += uint64(x)
		}
		var sum money.Nanos
		for i, p := range parts {
			sum += p
			exact := new(big.Int).Div(new(big.Int).Mul(big.NewInt(int64(total)), big.NewInt(int64(w[i]))), new(big.Int).SetUint64(all)).Int64()
			if d := int64(p) - exact; d < 0 || d > 1 {
				t.Fatalf("part %d is %d, exact share rounded down is %d", i, p, exact)
			}
		}
		if sum != total {
			t.Fatalf("parts add up to %d, not %d", sum, total)
		}
	})
}
