package events_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"mazad/events"
	"mazad/internal/id"
	"mazad/internal/money"

	"pgregory.net/rapid"
)

// keyring is a fixed set of user keys.
type keyring map[uint32][32]byte

func (k keyring) Key(ord uint32) ([32]byte, bool) { key, ok := k[ord]; return key, ok }

// fixedRand gives the same nonces in every run.
func fixedRand() *rand.ChaCha8 { return rand.NewChaCha8([32]byte{7}) }

func testKeys() keyring {
	k := keyring{}
	for i := range uint32(8) {
		k[i] = [32]byte{byte(i), 1, 2, 3}
	}
	return k
}

// drawRecord makes any record that a writer may produce.
func drawRecord(t *rapid.T) *events.Record {
	r := &events.Record{
		ID:        id.Event{Hi: rapid.Uint64Min(1).Draw(t, "id"), Lo: rapid.Uint64().Draw(t, "idlo")},
		Kind:      events.Kind(rapid.IntRange(1, int(events.KindDelivered)).Draw(t, "kind")),
		Verdict:   events.Verdict(rapid.IntRange(0, 3).Draw(t, "verdict")),
		Reason:    events.Reason(rapid.Uint16().Draw(t, "reason")),
		Use:       events.Use(rapid.IntRange(0, int(events.UseCount)-1).Draw(t, "use")),
		Flags:     events.Flags(rapid.IntRange(0, 7).Draw(t, "flags")),
		AuctionID: id.Event{Hi: rapid.Uint64().Draw(t, "auction"), Lo: 5},
		Token: events.TokenID{Partition: rapid.Uint16().Draw(t, "part"), Generation: rapid.Uint32().Draw(t, "gen"),
			Serial: rapid.Uint64Range(0, events.MaxSerial).Draw(t, "serial")},
		TimeMS: rapid.Int64().Draw(t, "time"), AuctionMS: rapid.Int64().Draw(t, "auctionms"),
		PriceNanos: money.Nanos(rapid.Int64().Draw(t, "price")), BidNanos: money.Nanos(rapid.Int64().Draw(t, "bid")),
		BillingEvent: rapid.Byte().Draw(t, "be"), Door: rapid.Byte().Draw(t, "door"), Slot: rapid.Byte().Draw(t, "slot"),
		Currency: [3]byte{'E', 'U', 'R'}, Advertiser: id.Advertiser(rapid.Int64().Draw(t, "adv")),
		Campaign: id.Campaign(rapid.Int64().Draw(t, "camp")), AdGroup: id.AdGroup(rapid.Int64().Draw(t, "ag")),
		Ad: id.Ad(rapid.Int64().Draw(t, "ad")), Revision: rapid.Int64().Draw(t, "rev"), Model: rapid.Uint32().Draw(t, "model"),
		Day: rapid.Int32().Draw(t, "day"), Country: [2]byte{'D', 'E'}, Region: rapid.Uint64().Draw(t, "region"),
		Language: rapid.Uint16().Draw(t, "lang"), Age: rapid.Byte().Draw(t, "age"), Gender: 1, OS: 2, Placement: 3, Universe: 1,
		LossCode: rapid.Uint16().Draw(t, "loss"),
	}
	if r.Verdict == events.VerdictBilled {
		r.BilledNanos = money.Nanos(rapid.Int64Range(0, 1<<62).Draw(t, "billed"))
	}
	if b := rapid.SliceOfN(rapid.Byte(), 0, events.MaxFeatures).Draw(t, "features"); len(b) > 0 {
		r.Features = b
	}
	if b := rapid.SliceOfN(rapid.Byte(), 0, 400).Draw(t, "body"); len(b) > 0 {
		r.Body = b
	}
	if r.Kind == events.KindConversion {
		r.Conversion = events.Conversion{
			Name: []byte(rapid.StringMatching(`[A-Z_]{1,64}`).Draw(t, "name")), EventID: []byte{},
			ValueNanos: money.Nanos(rapid.Int64().Draw(t, "value")), Currency: [3]byte{'U', 'S', 'D'},
			Match: events.MatchUser, ClickID: id.Event{Hi: 4, Lo: 9}, ClickMS: rapid.Int64().Draw(t, "clickms"),
		}
		if rapid.Bool().Draw(t, "has event id") {
			r.Conversion.EventID = []byte(rapid.StringMatching(`[a-z0-9]{1,128}`).Draw(t, "event id"))
		}
	}
	if rapid.Bool().Draw(t, "personal") {
		r.Personal = events.Personal{State: events.PrivacyOpen, Ord: rapid.Uint32Range(0, 7).Draw(t, "ord"),
			City: rapid.Uint32().Draw(t, "city"), IP24: [3]byte{10, 2, 3},
			UserAgent: []byte(rapid.StringMatching(`[a-z ]{0,512}`).Draw(t, "ua")),
			Segments:  rapid.SliceOfN(rapid.Uint32(), 0, 50).Draw(t, "segments"),
			Interests: rapid.SliceOfN(rapid.Uint32(), 0, 50).Draw(t, "interests")}
	}
	return r
}

func sameRecord(t interface{ Fatalf(string, ...any) }, got, want *events.Record) {
	g, w := *got, *want
	for _, r := range []*events.Record{&g, &w} {
		if len(r.Personal.Segments) == 0 {
			r.Personal.Segments = nil
		}
		if len(r.Personal.Interests) == 0 {
			r.Personal.Interests = nil
		}
		if len(r.Personal.UserAgent) == 0 {
			r.Personal.UserAgent = nil
		}
	}
	gv, wv := reflect.ValueOf(g), reflect.ValueOf(w)
	for i := range gv.NumField() {
		f := gv.Type().Field(i)
		if f.IsExported() && !reflect.DeepEqual(gv.Field(i).Interface(), wv.Field(i).Interface()) {
			t.Fatalf("%s is %v, want %v", f.Name, gv.Field(i).Interface(), wv.Field(i).Interface())
		}
	}
}

func TestRecordRoundTrip(t *testing.T) {
	keys := testKeys()
	enc := events.Encoder{Keys: keys, Rand: fixedRand()}
	var got, scratch events.Record
	rapid.Check(t, func(t *rapid.T) {
		want := drawRecord(t)
		b, err := enc.Append(nil, want)
		if err != nil {
			t.Fatal(err)
		}
		rest, err := events.Decode(b, &got, keys)
		if err != nil || len(rest) != 0 {
			t.Fatalf("decode: %v, %d bytes left", err, len(rest))
		}
		sameRecord(t, &got, want)

		clear, err := enc.AppendClear(nil, want)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := enc.Seal(nil, clear, &scratch)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := events.Decode(sealed, &got, keys); err != nil {
			t.Fatal(err)
		}
		sameRecord(t, &got, want)
		if want.Personal.State == events.PrivacyOpen {
			if _, err := events.Decode(clear, &got, keys); !errors.Is(err, events.ErrDamaged) {
				t.Fatalf("an unsealed personal block was read: %v", err)
			}
		}
	})
}

func TestForgottenUserKeepsFigures(t *testing.T) {
	keys := testKeys()
	enc := events.Encoder{Keys: keys}
	r := events.Record{ID: id.Event{Hi: 1}, Kind: events.KindClick, Verdict: events.VerdictBilled, BilledNanos: 77}
	r.Personal = events.Personal{State: events.PrivacyOpen, Ord: 3, UserAgent: []byte("findable-agent"), Segments: []uint32{0xfeedbeef}}
	b, err := enc.Append(nil, &r)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte("findable")) || bytes.Contains(b, []byte{0xef, 0xbe, 0xed, 0xfe}) {
		t.Fatal("the personal block is readable on disk")
	}
	delete(keys, 3)
	var got events.Record
	if _, err := events.Decode(b, &got, keys); err != nil {
		t.Fatal(err)
	}
	if got.Personal.State != events.PrivacyForgotten || got.BilledNanos != 77 || len(got.Personal.UserAgent) != 0 {
		t.Fatalf("after forgetting: %+v", got)
	}
	keys[3] = [32]byte{99}
	if _, err := events.Decode(b, &got, keys); !errors.Is(err, events.ErrDamaged) {
		t.Fatalf("a wrong key gave %v", err)
	}
	delete(keys, 3)
	if b, err = enc.Append(nil, &r); err != nil {
		t.Fatal(err)
	}
	if _, err := events.Decode(b, &got, keys); err != nil || got.Personal.State != events.PrivacyNone {
		t.Fatalf("a record of a forgotten user has a personal block: %v, %v", got.Personal.State, err)
	}
}

// sampleBatch is three records of different shapes in one batch.
func sampleBatch(t testing.TB, keys keyring) []byte {
	enc := events.Encoder{Keys: keys, Rand: fixedRand()}
	var w events.BatchWriter
	for i, kind := range []events.Kind{events.KindImpression, events.KindConversion, events.KindDecision} {
		r := events.Record{ID: id.Event{Hi: uint64(i) + 1}, Kind: kind, Features: []byte("abc")}
		if kind == events.KindConversion {
			r.Conversion.Name, r.Conversion.EventID = []byte("PURCHASE"), []byte("order-1")
		}
		if kind == events.KindDecision {
			r.Body = []byte("trace")
			r.Personal = events.Personal{State: events.PrivacyOpen, Ord: 2, Segments: []uint32{1, 2}}
		}
		b, err := enc.Append(nil, &r)
		if err != nil {
			t.Fatal(err)
		}
		w.Add(b)
	}
	return w.Finish(11, 12, 13)
}

func TestEveryFlippedBitIsFound(t *testing.T) {
	keys := testKeys()
	data := sampleBatch(t, keys)
	read := func(b []byte) error {
		batch, err := events.OpenBatch(b)
		if err != nil {
			return err
		}
		return batch.Each(keys, func(*events.Record) error { return nil })
	}
	if err := read(data); err != nil {
		t.Fatal(err)
	}
	for i := range data {
		for bit := range 8 {
			data[i] ^= 1 << bit
			if err := read(data); !errors.Is(err, events.ErrDamaged) && !errors.Is(err, events.ErrVersion) {
				t.Fatalf("bit %d of byte %d flipped: %v", bit, i, err)
			}
			data[i] ^= 1 << bit
		}
	}
	for n := range data {
		if err := read(data[:n]); err == nil {
			t.Fatalf("a batch cut to %d of %d bytes was read", n, len(data))
		}
	}
	// Without the batch around it a single record finds its flips too.
	record := data[events.BatchOverhead:]
	var r events.Record
	first, _ := events.Decode(record, &r, keys)
	record = record[:len(record)-len(first)]
	for i := range record {
		for bit := range 8 {
			record[i] ^= 1 << bit
			if _, err := events.Decode(record, &r, keys); err == nil {
				t.Fatalf("record: bit %d of byte %d flipped unnoticed", bit, i)
			}
			record[i] ^= 1 << bit
		}
	}
}

func TestUnknownVersionStopsWithItsName(t *testing.T) {
	data := sampleBatch(t, testKeys())
	data[3] = 9
	if _, err := events.OpenBatch(data); !errors.Is(err, events.ErrVersion) || !strings.Contains(err.Error(), "v9") {
		t.Errorf("batch: %v", err)
	}
	var r events.Record
	data[events.BatchOverhead+2] = 8
	if _, err := events.Decode(data[events.BatchOverhead:], &r, nil); !errors.Is(err, events.ErrVersion) || !strings.Contains(err.Error(), "v8") {
		t.Errorf("record: %v", err)
	}
}

func TestEncodeRefusesWhatPassesALimit(t *testing.T) {
	refused := func(word string, change func(*events.Record)) {
		t.Helper()
		r := events.Record{ID: id.Event{Hi: 1}, Kind: events.KindClick}
		change(&r)
		enc := events.Encoder{Keys: testKeys()}
		b, err := enc.Append([]byte("kept"), &r)
		if err == nil || !strings.Contains(err.Error(), word) || string(b) != "kept" {
			t.Errorf("%s: got %v, %d bytes", word, err, len(b))
		}
	}
	big := make([]byte, 64<<10)
	refused("features has 257, the limit is 256", func(r *events.Record) { r.Features = big[:257] })
	refused("body has 65536", func(r *events.Record) { r.Body = big })
	refused("kind is 0", func(r *events.Record) { r.Kind = 0 })
	refused("kind is 200", func(r *events.Record) { r.Kind = 200 })
	refused("id is zero", func(r *events.Record) { r.ID = id.Event{} })
	refused("billed_nanos is -1", func(r *events.Record) { r.BilledNanos = -1 })
	refused("billed_nanos is 5", func(r *events.Record) { r.BilledNanos, r.Verdict = 5, events.VerdictFree })
	refused("conversion name", func(r *events.Record) { r.Kind = events.KindConversion })
	refused("conversion name", func(r *events.Record) { r.Conversion.Name = []byte("X") })
	refused("user agent has 513", func(r *events.Record) { r.Personal.UserAgent = big[:513] })
	refused("48 bits", func(r *events.Record) { r.Token.Serial = 1 << 48 })
}
