package events_test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"mazad/events"
	"mazad/internal/id"
	"mazad/internal/money"
)

var update = flag.Bool("update", false, "write testdata anew: only for a new format version")

// goldenRecords is a small day: repeats, free, refused, conversions, decisions.
func goldenRecords() []*events.Record {
	rng := rand.New(rand.NewPCG(1, 2))
	var out []*events.Record
	const start = 1_790_000_000_000
	for i := range uint64(600) {
		ms := int64(start + i*97_003)
		r := &events.Record{
			ID: id.MakeEvent(ms, 1, 7, i+1), Kind: events.Kind(1 + rng.IntN(9)), AuctionID: id.MakeEvent(ms-900, 1, 7, i),
			Token:  events.TokenID{Partition: 7, Generation: 3, Serial: rng.Uint64N(300)},
			TimeMS: ms, AuctionMS: ms - 900, PriceNanos: 4_000_000, BidNanos: 5_000_000, BillingEvent: 1, Slot: uint8(i % 10),
			Currency: [3]byte{'E', 'U', 'R'}, Advertiser: id.Advertiser(1 + i%3), Campaign: id.Campaign(10 + i%3),
			AdGroup: id.AdGroup(100 + i%6), Ad: id.Ad(1000 + i%6), Revision: 42, Day: 20260921, Country: [2]byte{'D', 'E'},
			Age: uint8(rng.IntN(7)), Gender: uint8(rng.IntN(3)), OS: uint8(1 + rng.IntN(2)), Placement: 1, Universe: uint8(rng.IntN(2)),
		}
		switch rng.IntN(6) {
		case 0:
			r.Verdict, r.Reason = events.VerdictRefused, events.ReasonExpired
		case 1:
			r.Verdict, r.Reason = events.VerdictFree, events.ReasonOverLimit
		default:
			if r.Kind != events.KindWin && r.Kind != events.KindLoss && r.Kind != events.KindDecision && r.Kind != events.KindConversion {
				r.Verdict, r.BilledNanos = events.VerdictBilled, money.Nanos(rng.Int64N(9_000_000_000))
			}
		}
		if r.Kind == events.KindConversion {
			r.Conversion = events.Conversion{Name: []byte("COMPLETE_PAYMENT"), EventID: fmt.Appendf(nil, "order-%d", i),
				ValueNanos: 19_990_000_000, Currency: [3]byte{'E', 'U', 'R'}, Match: events.MatchToken, ClickMS: ms - 60_000}
		}
		if r.Universe == 1 {
			r.Personal = events.Personal{State: events.PrivacyOpen, Ord: uint32(i % 8), City: 99, Segments: []uint32{5, 6}}
		}
		out = append(out, r)
	}
	return out
}

func foldText(f *events.Fold) string {
	var b strings.Builder
	fmt.Fprintf(&b, "records=%d repeats=%d refused=%d cells=%d\n", f.Records, f.Repeats, f.Refused, len(f.Cells))
	fmt.Fprintf(&b, "spend=%s imp=%d clk=%d view=%d conv=%d value=%s\n", f.Total.Spend, f.Total.Impressions,
		f.Total.Clicks, f.Total.Views, f.Total.Conversions, f.Total.Value)
	for _, row := range f.Rows() {
		fmt.Fprintln(&b, row)
	}
	return b.String()
}

// TestGoldenDiary: the bytes that an earlier build wrote fold to the figures
// that it folded them to, with the keys and without.
func TestGoldenDiary(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	data, err := os.ReadFile("testdata/golden.v1")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/golden.v1.figures")
	if err != nil {
		t.Fatal(err)
	}
	for _, keys := range []events.Keys{testKeys(), nil, keyring{}} {
		var f events.Fold
		for rest := data; len(rest) > 0; {
			n := int(rest[4]) | int(rest[5])<<8 | int(rest[6])<<16 | int(rest[7])<<24
			b, err := events.OpenBatch(rest[:n])
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Each(keys, func(r *events.Record) error { f.Add(r); return nil }); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if got := foldText(&f); got != string(want) {
			t.Errorf("the golden diary folds to other figures (%s); the first lines are\n%s", firstDifference(got, string(want)), got[:200])
		}
	}
}

func firstDifference(got, want string) string {
	g, w := bufio.NewScanner(strings.NewReader(got)), bufio.NewScanner(strings.NewReader(want))
	for line := 1; ; line++ {
		a, b := g.Scan(), w.Scan()
		if !a && !b {
			return "equal"
		}
		if g.Text() != w.Text() {
			return fmt.Sprintf("line %d: got %q, want %q", line, g.Text(), w.Text())
		}
	}
}

func writeGolden(t *testing.T) {
	enc := events.Encoder{Keys: testKeys(), Rand: fixedRand()}
	var out bytes.Buffer
	var w events.BatchWriter
	var f events.Fold
	for i, r := range goldenRecords() {
		b, err := enc.Append(nil, r)
		if err != nil {
			t.Fatal(err)
		}
		w.Add(b)
		f.Add(r)
		if i%50 == 49 {
			out.Write(w.Finish(1, uint64(i/50+1), r.TimeMS))
			w.Reset()
		}
	}
	if err := os.WriteFile("testdata/golden.v1", out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("testdata/golden.v1.figures", []byte(foldText(&f)), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestFoldCountsTheFirstUseOnly(t *testing.T) {
	var f events.Fold
	tok := events.TokenID{Partition: 1, Generation: 1, Serial: 9}
	add := func(kind events.Kind, v events.Verdict, billed money.Nanos, want bool) {
		t.Helper()
		r := events.Record{Kind: kind, Verdict: v, BilledNanos: billed, Token: tok, AuctionMS: 899_999}
		if got := f.Add(&r); got != want {
			t.Errorf("%s %s counted: %v, want %v", kind, v, got, want)
		}
	}
	add(events.KindImpression, events.VerdictRefused, 0, false)
	add(events.KindImpression, events.VerdictBilled, 10, true)
	add(events.KindImpression, events.VerdictBilled, 10, false)
	add(events.KindClick, events.VerdictFree, 0, true)
	add(events.KindClick, events.VerdictBilled, 5, false)
	add(events.KindView, events.VerdictBilled, 7, true)
	add(events.KindDecision, events.VerdictNone, 0, false)
	if f.Total.Spend != money.SumOf(17) || f.Total.Impressions != 1 || f.Total.Clicks != 1 || f.Total.Views != 1 {
		t.Errorf("total is %+v", f.Total)
	}
	if f.Repeats != 2 || f.Refused != 1 || f.Rows()[0].QuarterMS != 0 {
		t.Errorf("fold is %+v, quarter %d", f, f.Rows()[0].QuarterMS)
	}
}
