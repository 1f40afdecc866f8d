package events_test

import (
	"bytes"
	"encoding/base64"
	"reflect"
	"testing"

	"mazad/events"
	"mazad/internal/id"
	"mazad/internal/money"

	"pgregory.net/rapid"
)

const auctionMS = 1_790_000_000_000

func secret(n uint8) events.Secret {
	return events.Secret{ID: n, Bytes: bytes.Repeat([]byte{n + 1}, 32)}
}

func newSealer(t testing.TB, current events.Secret, older ...events.Secret) *events.Sealer {
	s, err := events.NewSealer(current, older...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sampleToken() *events.Token {
	return &events.Token{
		ID:        events.TokenID{Partition: 3, Generation: 9, Serial: 1 << 40},
		AuctionID: id.MakeEvent(auctionMS, 1, 3, 77), Advertiser: 1 << 61, Campaign: 2 << 60, AdGroup: 3 << 60, Ad: 4 << 60,
		Revision: 1234, PriceNanos: 4_200_000, BidNanos: 5_000_000, BillingEvent: 1, Door: 1, Slot: 4,
		Currency: [3]byte{'E', 'U', 'R'}, Test: true, Day: 20260921, Country: [2]byte{'D', 'E'}, Age: 3, Gender: 2, OS: 1,
		Placement: 4, Universe: 1, Region: 0x4544_2d42, Language: 0x6564, Model: 17, HasUser: true, UserOrd: 123456, Chain: 88,
		Hold: 4_200_000, Features: []byte{1, 2, 3, 4}, Destination: []byte("https://shop.example/p/1?x=2"),
	}
}

func sameToken(t interface{ Fatalf(string, ...any) }, got, want *events.Token) {
	g, w := reflect.ValueOf(*got), reflect.ValueOf(*want)
	for i := range g.NumField() {
		f := g.Type().Field(i)
		a, b := "", ""
		if f.Type.Kind() == reflect.Slice && f.IsExported() {
			a, b = string(g.Field(i).Bytes()), string(w.Field(i).Bytes())
		}
		if a != b || f.IsExported() && f.Type.Kind() != reflect.Slice && g.Field(i).Interface() != w.Field(i).Interface() {
			t.Fatalf("%s is %v, want %v", f.Name, g.Field(i), w.Field(i))
		}
	}
}

func TestTokenRoundTrip(t *testing.T) {
	s := newSealer(t, secret(1))
	var got events.Token
	rapid.Check(t, func(t *rapid.T) {
		want := sampleToken()
		want.ID = events.TokenID{Partition: rapid.Uint16().Draw(t, "p"), Generation: rapid.Uint32().Draw(t, "g"),
			Serial: rapid.Uint64Range(0, events.MaxSerial).Draw(t, "s")}
		want.PriceNanos = money.Nanos(rapid.Int64Min(0).Draw(t, "price"))
		want.BidNanos = money.Nanos(rapid.Int64().Draw(t, "bid"))
		want.Revision, want.Hold, want.Region = rapid.Int64().Draw(t, "rev"), rapid.Uint64().Draw(t, "hold"), rapid.Uint64().Draw(t, "region")
		want.Model, want.UserOrd, want.Chain = rapid.Uint32().Draw(t, "m"), rapid.Uint32().Draw(t, "u"), rapid.Uint32().Draw(t, "c")
		want.Features = rapid.SliceOfN(rapid.Byte(), 0, events.MaxTokenFeatures).Draw(t, "features")
		want.Destination = rapid.SliceOfN(rapid.Byte(), 0, events.MaxDestination).Draw(t, "destination")
		text := s.Append([]byte("prefix/"), want)
		if !bytes.HasPrefix(text, []byte("prefix/")) || len(text)-7 > events.MaxToken {
			t.Fatalf("sealed to %d characters, %q...", len(text), text[:7])
		}
		if st := s.Open(&got, text[7:], events.UseClick, auctionMS+1); st != events.StateOK {
			t.Fatalf("state %s", st)
		}
		sameToken(t, &got, want)
	})
}

func TestEveryFlippedBitOfATokenIsRefused(t *testing.T) {
	s := newSealer(t, secret(1), secret(0), secret(2))
	text := s.Append(nil, sampleToken())
	var tok events.Token
	for i := range text {
		for bit := range 8 {
			b := bytes.Clone(text)
			b[i] ^= 1 << bit
			if st := s.Open(&tok, b, events.UseClick, auctionMS); st.Authentic() {
				t.Fatalf("bit %d of character %d flipped: %s", bit, i, st)
			}
		}
	}
	raw, _ := base64.RawURLEncoding.DecodeString(string(text))
	for i := range raw {
		for bit := range 8 {
			raw[i] ^= 1 << bit
			b := []byte(base64.RawURLEncoding.EncodeToString(raw))
			raw[i] ^= 1 << bit
			if st := s.Open(&tok, b, events.UseClick, auctionMS); st.Authentic() {
				t.Fatalf("bit %d of byte %d flipped: %s", bit, i, st)
			}
		}
	}
	for i := range text {
		for _, b := range [][]byte{text[:i], append(bytes.Clone(text[:i]), append([]byte("\n"), text[i:]...)...)} {
			if st := s.Open(&tok, b, events.UseClick, auctionMS); st.Authentic() {
				t.Fatalf("cut or broken at %d: %s", i, st)
			}
		}
	}
}

func TestTokenStates(t *testing.T) {
	s := newSealer(t, secret(1))
	var tok events.Token
	text := s.Append(nil, sampleToken())
	state := func(by *events.Sealer, b []byte, use events.Use, at int64, want events.State) {
		t.Helper()
		before := by.Opened(want)
		if got := by.Open(&tok, b, use, at); got != want {
			t.Errorf("state is %s, want %s", got, want)
		}
		if by.Opened(want) != before+1 {
			t.Errorf("%s is not counted", want)
		}
	}
	const minute, day = int64(60_000), int64(86_400_000)
	state(s, text, events.UseImpression, auctionMS+30*minute, events.StateOK)
	state(s, text, events.UseImpression, auctionMS+30*minute+1, events.StateExpired)
	if string(tok.Destination) != "https://shop.example/p/1?x=2" {
		t.Error("an expired token lost its destination")
	}
	state(s, text, events.UseBill, auctionMS+30*minute+1, events.StateExpired)
	state(s, text, events.UseClick, auctionMS+day, events.StateOK)
	state(s, text, events.UseView, auctionMS+day+1, events.StateExpired)
	state(s, text, events.UseAttribution, auctionMS+7*day, events.StateOK)
	state(s, text, events.UseAttribution, auctionMS+7*day+1, events.StateExpired)
	state(s, text, events.UseClick, auctionMS-day, events.StateOK) // our clock jumped back
	state(s, nil, events.UseClick, auctionMS, events.StateMalformed)
	state(s, []byte("not a token, clearly not a token at all"), events.UseClick, auctionMS, events.StateMalformed)
	state(s, bytes.Repeat([]byte("A"), events.MaxToken+1), events.UseClick, auctionMS, events.StateMalformed)
	state(newSealer(t, secret(2)), text, events.UseClick, auctionMS, events.StateUnknownKey)
	state(newSealer(t, secret(2), secret(1)), text, events.UseClick, auctionMS, events.StateOK) // rotated
	other := secret(1)
	other.Bytes = bytes.Repeat([]byte{9}, 40)
	state(newSealer(t, other), text, events.UseClick, auctionMS, events.StateBadSeal)
	raw, _ := base64.RawURLEncoding.DecodeString(string(text))
	change := func(at int, v byte) []byte {
		b := bytes.Clone(raw)
		b[at] = v
		return []byte(base64.RawURLEncoding.EncodeToString(b))
	}
	state(s, change(0, 7), events.UseClick, auctionMS, events.StateUnsupported)
	state(s, change(2, byte(events.PurposeLink)), events.UseClick, auctionMS, events.StateWrongType)
}

func TestSealerRefusesWeakKeys(t *testing.T) {
	if _, err := events.NewSealer(events.Secret{ID: 1, Bytes: make([]byte, 31)}); err == nil {
		t.Error("a secret of 31 bytes was accepted")
	}
	if _, err := events.NewSealer(secret(1), secret(2), secret(1)); err == nil {
		t.Error("one key id was accepted twice")
	}
}

func FuzzOpen(f *testing.F) {
	s := newSealer(f, secret(1))
	f.Add(s.Append(nil, sampleToken()))
	f.Add([]byte("AQEB"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var tok events.Token
		if st := s.Open(&tok, b, events.UseClick, auctionMS); st.Authentic() {
			if again := s.Append(nil, &tok); !bytes.Equal(again, b) {
				t.Fatalf("a second spelling of one token was accepted: %q", b)
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(sampleBatch(f, testKeys()))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r events.Record
		events.Decode(b, &r, testKeys())
		if batch, err := events.OpenBatch(b); err == nil {
			batch.Each(testKeys(), func(*events.Record) error { return nil })
		}
	})
}

// TestTheHomeOfATokenIsReadWithoutItsKey, and is only a hint: it needs no seal.
func TestTheHomeOfATokenIsReadWithoutItsKey(t *testing.T) {
	s, err := events.NewSealer(events.Secret{ID: 3, Bytes: make([]byte, events.MinSecret)})
	if err != nil {
		t.Fatal(err)
	}
	for _, home := range []uint16{0, 1, 255, 256, 65535} {
		sealed := s.Append(nil, &events.Token{ID: events.TokenID{Partition: home, Generation: 9, Serial: 7}})
		if got, ok := events.HomeOf(sealed); !ok || got != home {
			t.Errorf("home %d is read as %d %v", home, got, ok)
		}
	}
	for _, bad := range []string{"", "short", "!!!!!!!!!!", "ab\ndefgh"} {
		if got, ok := events.HomeOf([]byte(bad)); ok {
			t.Errorf("%q names the home %d", bad, got)
		}
	}
}
