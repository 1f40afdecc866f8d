package events_test

import (
	"testing"

	"mazad/events"
	"mazad/internal/id"

	"pgregory.net/rapid"
)

// TestAttributionComesBackAsItWas: what was written down answers every conversion
// as the original does, also when records that were in it already come again.
func TestAttributionComesBackAsItWas(t *testing.T) {
	const at = int64(1_790_000_000_000)
	rapid.Check(t, func(t *rapid.T) {
		cfg := events.AttributionConfig{MaxClicks: 20}
		live := events.NewAttribution(cfg)
		var clicks []*events.Click
		sale := func(i int) *events.Sale {
			return &events.Sale{Advertiser: id.Advertiser(1 + i%3), Name: []byte("BUY"), EventID: []byte{byte(i)}, TimeMS: at + int64(i)*1000,
				ReceivedMS: at + int64(i)*1000, HasUser: i%2 == 0, User: uint32(i % 5)}
		}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			i := rapid.IntRange(0, 200).Draw(t, "i")
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				live.Credit(sale(i))
			case 1:
				s := sale(i)
				live.Forget(s.Advertiser, s.Name, s.EventID)
			default:
				c := &events.Click{ID: id.Event{Hi: 1, Lo: uint64(i)}, Token: events.TokenID{Partition: 3, Serial: uint64(i)}, TimeMS: at + int64(i)*10,
					Advertiser: id.Advertiser(1 + i%3), Ad: id.Ad(i), Region: uint64(i), HasUser: true, User: uint32(i % 5), Currency: [3]byte{'E', 'U', 'R'}, Age: 3}
				clicks = append(clicks, c)
				live.Click(c)
			}
		}
		b := live.AppendState(nil, live.Heard(), nil)
		back := events.NewAttribution(cfg)
		if err := back.LoadState(b); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{0, 1, len(b) / 2, len(b) - 1} {
			if n < len(b) && events.NewAttribution(cfg).LoadState(b[:n]) == nil {
				t.Fatalf("%d of %d bytes were read as all", n, len(b))
			}
		}
		for i := range 200 {
			if got, want := back.Credit(sale(i)), live.Credit(sale(i)); got != want {
				t.Fatalf("conversion %d: %+v, want %+v", i, got, want)
			}
		}
	})
}

// TestUnsureConversionsAreNotWrittenDown: the sender of one that is not known to
// be on disk may have to repeat it after a crash.
func TestUnsureConversionsAreNotWrittenDown(t *testing.T) {
	live, back := events.NewAttribution(events.AttributionConfig{}), events.NewAttribution(events.AttributionConfig{})
	sure := &events.Sale{Advertiser: 1, Name: []byte("BUY"), EventID: []byte("sure"), ReceivedMS: 5}
	unsure := &events.Sale{Advertiser: 1, Name: []byte("BUY"), EventID: []byte("unsure"), ReceivedMS: 5}
	late := &events.Sale{Advertiser: 1, Name: []byte("BUY"), EventID: []byte("late"), ReceivedMS: 5}
	live.Credit(sure)
	live.Credit(unsure)
	heard := live.Heard()
	live.Credit(late) // came after the list was taken
	key := events.ConversionKey(1, unsure.Name, unsure.EventID)
	if err := back.LoadState(live.AppendState(nil, heard, func(k [16]byte) bool { return k == key })); err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		sale *events.Sale
		dup  bool
	}{{sure, true}, {unsure, false}, {late, false}} {
		if got := back.Credit(f.sale); got.Duplicate != f.dup {
			t.Errorf("%s: duplicate %t, want %t", f.sale.EventID, got.Duplicate, f.dup)
		}
	}
}

// TestSeededFlipsOfTokensAreRefused: any bit of any token.
func TestSeededFlipsOfTokensAreRefused(t *testing.T) {
	s := newSealer(t, secret(1), secret(0), secret(2))
	rng := fixedRand()
	tok, out := sampleToken(), []byte(nil)
	var opened events.Token
	for i := range 200_000 {
		if i%100 == 0 {
			tok.ID.Serial, tok.PriceNanos = rng.Uint64()%events.MaxSerial, tok.PriceNanos+1
			tok.Destination = []byte("https://shop.example/" + string(rune('a'+i%26)))
			out = s.Append(out[:0], tok)
		}
		n := int(rng.Uint64() % uint64(8*len(out)))
		out[n/8] ^= 1 << (n % 8)
		use := events.Use(rng.Uint64() % uint64(events.UseCount))
		if st := s.Open(&opened, out, use, auctionMS); st.Authentic() {
			t.Fatalf("trial %d: bit %d flipped, presented as %s: %s", i, n, use, st)
		}
		out[n/8] ^= 1 << (n % 8)
		if i%1000 == 0 {
			if st := s.Open(&opened, out, use, auctionMS); st != events.StateOK {
				t.Fatalf("trial %d: the token itself is %s", i, st)
			}
		}
	}
}
