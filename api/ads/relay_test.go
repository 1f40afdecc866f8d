package ads_test

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"mazad/api/ads"
	"mazad/internal/clock"
	"mazad/internal/id"
	"mazad/serving"

	"github.com/valyala/fasthttp"
)

var marketSecret = bytes.Repeat([]byte{7}, 32)

func newRelay(t testing.TB, secret []byte, peers map[uint16]string) *ads.Relay {
	t.Helper()
	r, err := ads.NewRelay(ads.RelayConfig{Secret: secret, Clock: clock.System{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	if err := r.SetPeers(peers); err != nil {
		t.Fatal(err)
	}
	return r
}

// listen puts a door that is home to tokens on an address of its own.
func (h *house) listen(t testing.TB) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- h.Serve(ln) }()
	t.Cleanup(func() {
		if err := h.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		<-done
	})
	return "http://" + ln.Addr().String()
}

// TestEventsGoHomeWhole: what the home is asked is what the other node was, marked
// as relayed, and its answer comes back.
func TestEventsGoHomeWhole(t *testing.T) {
	home := open(t, func(c *ads.Config) { c.Relay = newRelay(t, marketSecret, nil) })
	edge := newRelay(t, marketSecret, map[uint16]string{3: home.listen(t)})
	want := serving.Beacon{Signal: serving.SignalBill, Token: []byte("a-token"), Price: 123_456_789, HasPrice: true, LossCode: 102, AtMS: 1_795_000_000_123, Relayed: true}
	home.confirm.status = serving.BeaconBilled
	r, ok := edge.Beacon(t.Context(), 3, &want)
	got := home.confirm.beacons[0]
	if !ok || r.Status != serving.BeaconBilled || r.EventID != id.MakeEvent(1, 1, 1, 1) || string(got.Token) != "a-token" {
		t.Fatalf("%v %+v, asked %+v", ok, r, got)
	}
	if got.Token, want.Token = nil, nil; got.Signal != want.Signal || got.Price != want.Price || got.HasPrice != want.HasPrice ||
		got.LossCode != want.LossCode || got.AtMS != want.AtMS || !got.Relayed {
		t.Errorf("asked %+v, want %+v", got, want)
	}
	sale := serving.Conversion{Advertiser: 77, Name: "BUY", EventID: strings.Repeat("e", 128), ClickToken: []byte("click"), UserID: "u\x00é", TimeMS: 5, Value: 1e18, Currency: "EUR"}
	if r, ok := edge.Conversion(t.Context(), 3, &sale); !ok || r.Status != serving.BeaconFree || r.EventID != id.MakeEvent(2, 1, 1, 1) {
		t.Errorf("%v %+v", ok, r)
	}
	v := home.confirm.conversions[0]
	if v.Advertiser != 77 || v.Name != "BUY" || v.EventID != sale.EventID || string(v.ClickToken) != "click" || v.UserID != sale.UserID || v.TimeMS != 5 || v.Value != 1e18 || v.Currency != "EUR" || !v.Relayed {
		t.Errorf("asked %+v", v)
	}
	sale.ClickToken = []byte("forged")
	if r, ok := edge.Conversion(t.Context(), 3, &sale); !ok || r.Status != serving.BeaconForged {
		t.Errorf("a forged click id, asked of its home: %v %+v", ok, r)
	}
}

// TestManyEventsShareAParcel: 2,000 at once go in far fewer calls, and each gets
// its own answer.
func TestManyEventsShareAParcel(t *testing.T) {
	home := open(t, func(c *ads.Config) { c.Relay = newRelay(t, marketSecret, nil) })
	edge := newRelay(t, marketSecret, map[uint16]string{3: home.listen(t)})
	var all sync.WaitGroup
	for i := range 2000 {
		all.Go(func() {
			token := []byte("good")
			want := serving.BeaconBilled
			if i%2 == 1 {
				token, want = []byte("forged"), serving.BeaconForged
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if r, ok := edge.Beacon(ctx, 3, &serving.Beacon{Token: token, Relayed: true}); !ok || r.Status != want {
				t.Errorf("event %d: %v %s, want %s", i, ok, r.Status, want)
			}
		})
	}
	all.Wait()
	if n := edge.Parcels.Load(); n > 1000 {
		t.Errorf("%d parcels for 2,000 events", n)
	}
}

// TestOnlyNodesOfTheMarketAreHeard: a parcel sealed by another secret, changed, cut
// or without its seal is refused whole, and so is an answer.
func TestOnlyNodesOfTheMarketAreHeard(t *testing.T) {
	home := open(t, func(c *ads.Config) { c.Relay = newRelay(t, marketSecret, nil) })
	address := home.listen(t)
	var parcel []byte
	spy := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
		parcel = append([]byte(nil), ctx.Request.Body()...)
		ctx.SetBodyString("MzG\x01\x01\x00\x00................................................")
	}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = spy.Serve(ln) }()
	defer func() { _ = spy.Shutdown() }()
	liar := newRelay(t, marketSecret, map[uint16]string{3: "http://" + ln.Addr().String()})
	if r, ok := liar.Beacon(t.Context(), 3, &serving.Beacon{Token: []byte("good")}); ok {
		t.Errorf("an answer without a seal was believed: %+v", r)
	}
	if r := home.do("POST", "/internal/v1/relay", string(parcel)); r.StatusCode() != 200 {
		t.Fatalf("a sound parcel: %d %s", r.StatusCode(), r.Body())
	}
	before := len(home.confirm.beacons)
	for i := range parcel {
		b := bytes.Clone(parcel)
		b[i] ^= 1 << (i % 8)
		for _, body := range []string{string(b), string(parcel[:i])} {
			if r := home.do("POST", "/internal/v1/relay", body); r.StatusCode() != 401 {
				t.Fatalf("a parcel with a wrong byte %d: %d", i, r.StatusCode())
			}
		}
	}
	if r := home.do("GET", "/internal/v1/relay", ""); r.StatusCode() != 405 {
		t.Errorf("GET: %d", r.StatusCode())
	}
	alone := open(t, nil)
	if r := alone.do("POST", "/internal/v1/relay", string(parcel)); r.StatusCode() != 404 {
		t.Errorf("a node without others: %d", r.StatusCode())
	}
	stranger := newRelay(t, bytes.Repeat([]byte{8}, 32), map[uint16]string{3: address})
	if _, ok := stranger.Beacon(t.Context(), 3, &serving.Beacon{Token: []byte("good")}); ok || len(home.confirm.beacons) != before {
		t.Errorf("a stranger was heard: %t, %d beacons, %d before", ok, len(home.confirm.beacons), before)
	}
}

// TestAHomeThatIsAwayIsNotWaitedFor: no answer is no, at once after the first
// failure, and when it is back events get there again.
func TestAHomeThatIsAwayIsNotWaitedFor(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	_ = ln.Close()
	edge := newRelay(t, marketSecret, map[uint16]string{3: "http://" + address})
	b := serving.Beacon{Token: []byte("good"), Relayed: true}
	for range 100 {
		if _, ok := edge.Beacon(t.Context(), 3, &b); ok {
			t.Fatal("an answer from nobody")
		}
	}
	if _, ok := edge.Beacon(t.Context(), 9, &b); ok {
		t.Error("an answer from a node that nobody knows")
	}
	if n := edge.Parcels.Load(); n > 20 {
		t.Errorf("%d calls of a node that is away", n)
	}
	home := open(t, func(c *ads.Config) { c.Relay = newRelay(t, marketSecret, nil) })
	if ln, err = net.Listen("tcp", address); err != nil {
		t.Fatalf("the address was taken meanwhile: %v", err)
	}
	go func() { _ = home.Serve(ln) }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for ok := false; !ok && ctx.Err() == nil; _, ok = edge.Beacon(ctx, 3, &b) {
	}
	if ctx.Err() != nil {
		t.Error("not reached after it was back")
	}
	edge.Close()
	if _, ok := edge.Beacon(t.Context(), 3, &b); ok {
		t.Error("sent after Close")
	}
}

func TestPeersAreChecked(t *testing.T) {
	for _, bad := range []string{"", "10.0.0.1:80", "ftp://a:1", "http://a", "http://a:1/x", "http://u@a:1", "http://a:1?x=1", "http://:80"} {
		if ads.CheckPeer(bad) == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	r := newRelay(t, marketSecret, map[uint16]string{1: "http://10.0.0.1:80"})
	if err := r.SetPeers(map[uint16]string{1: "http://10.0.0.1:80", 2: "nonsense"}); err == nil || !strings.Contains(err.Error(), "node 2") {
		t.Errorf("a bad address: %v", err)
	}
	if got := r.Peers(); len(got) != 1 || got[1] != "http://10.0.0.1:80" {
		t.Errorf("peers %v", got)
	}
}

// BenchmarkRelay is one event there and back, and what many at once cost each.
func BenchmarkRelay(b *testing.B) {
	home := open(b, func(c *ads.Config) { c.Relay = newRelay(b, marketSecret, nil) })
	home.confirm.forget = true
	edge := newRelay(b, marketSecret, map[uint16]string{3: home.listen(b)})
	beacon := serving.Beacon{Token: bytes.Repeat([]byte("t"), 280), Relayed: true}
	send := func(b *testing.B) {
		if _, ok := edge.Beacon(context.Background(), 3, &beacon); !ok {
			b.Fatal("no answer")
		}
	}
	b.Run("one", func(b *testing.B) {
		for b.Loop() {
			send(b)
		}
	})
	b.Run("of256", func(b *testing.B) {
		b.SetParallelism(128)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				send(b)
			}
		})
	})
}
