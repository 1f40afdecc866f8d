package ads_test

import (
	"strings"
	"testing"

	"mazad/api/ads"
	"mazad/internal/money"
	"mazad/serving"
)

func TestBeaconsAreAcknowledgedAfterTheVerdict(t *testing.T) {
	h := open(t, nil)
	f := func(uri string, status int, signal serving.Signal) {
		t.Helper()
		r := h.do("GET", uri, "")
		if r.StatusCode() != status {
			t.Errorf("%s: %d %s", uri, r.StatusCode(), r.Body())
		}
		if b := h.confirm.beacons[len(h.confirm.beacons)-1]; b.Signal != signal || string(b.Token) != "tok-1_x" {
			t.Errorf("%s: %+v", uri, b)
		}
		if string(r.Header.Peek("Cache-Control")) != "no-store" {
			t.Errorf("%s may be cached", uri)
		}
	}
	f("/t/i/tok-1_x", 200, serving.SignalImpression)
	f("/t/v/tok-1_x", 204, serving.SignalView)
	f("/t/b/tok-1_x?p=1.5", 204, serving.SignalBill)
	f("/t/w/tok-1_x?p=1.5", 204, serving.SignalWin)
	f("/t/l/tok-1_x?r=102", 204, serving.SignalLoss)
	if code := h.confirm.beacons[4].LossCode; code != 102 {
		t.Errorf("loss code %d", code)
	}
	if r := h.do("GET", "/t/i/tok-1_x", ""); !strings.HasPrefix(string(r.Body()), "GIF89a") || string(r.Header.ContentType()) != "image/gif" {
		t.Errorf("not a picture: %q", r.Body())
	}
	h.confirm.status = serving.BeaconOverload
	if r := h.do("GET", "/t/i/tok-1_x", ""); r.StatusCode() != 503 || string(r.Header.Peek("Retry-After")) != "1" {
		t.Errorf("overload: %d", r.StatusCode())
	}
	h.confirm.status = serving.BeaconRepeat
	if r := h.do("GET", "/t/i/tok-1_x", ""); r.StatusCode() != 200 || string(r.Header.Peek("X-Beacon")) != "repeat" || h.count("beacons_total", "repeat") != 1 {
		t.Errorf("repeat: %d", r.StatusCode())
	}
}

func TestClickGoesOnlyToTheSignedDestination(t *testing.T) {
	h := open(t, nil)
	r := h.do("GET", "/t/c/tok?url=https://evil.example", "")
	if r.StatusCode() != 302 || string(r.Header.Peek("Location")) != "https://shop.example/landing?a=1" {
		t.Fatalf("%d %s", r.StatusCode(), r.Header.Peek("Location"))
	}
	f := func(uri string, want int) {
		t.Helper()
		if r := h.do("GET", uri, ""); r.StatusCode() != want || len(r.Header.Peek("Location")) != 0 {
			t.Errorf("%s: %d to %q", uri, r.StatusCode(), r.Header.Peek("Location"))
		}
	}
	f("/t/c/forged", 404)
	f("/t/c/", 404)
	f("/t/c/a%20b", 404)
	f("/t/c/"+strings.Repeat("a", 2049), 404)
	f("/t/x/abc", 404)
	h.confirm.redirect = "javascript:alert(1)"
	f("/t/c/tok", 404)
	to := func(redirect, want string) {
		t.Helper()
		h.confirm.redirect = redirect
		if r := h.do("GET", "/t/c/tok", ""); r.StatusCode() != 302 || string(r.Header.Peek("Location")) != want {
			t.Errorf("%q: %d to %q, want %q", redirect, r.StatusCode(), r.Header.Peek("Location"), want)
		}
	}
	to("HTTPS://Shop.example/A", "HTTPS://Shop.example/A")
	to("https://shop.example/متجر?a=é", "https://shop.example/%D9%85%D8%AA%D8%AC%D8%B1?a=%C3%A9")
	to("https://shop.example/\r\nSet-Cookie:%20a=b\u0085\x00", "https://shop.example/%0D%0ASet-Cookie:%20a=b%C2%85%00")
	h.confirm.redirect = ""
	h.confirm.status = serving.BeaconOverload
	f("/t/c/tok", 503)
	h.confirm.redirect = "https://shop.example/landing"
	if r := h.do("GET", "/t/c/tok", ""); r.StatusCode() != 302 {
		t.Errorf("a user waits for our disk: %d", r.StatusCode())
	}
	if r := h.do("HEAD", "/t/c/tok", ""); r.StatusCode() != 405 {
		t.Errorf("a link checker counts as a click: %d", r.StatusCode())
	}
	if r := h.do("GET", "/t/i/forged", ""); r.StatusCode() != 404 {
		t.Errorf("forged impression: %d", r.StatusCode())
	}
}

func TestNoticePriceIsExactOrAbsent(t *testing.T) {
	h := open(t, nil)
	f := func(query string, has bool, want money.Nanos) {
		t.Helper()
		h.do("GET", "/t/b/tok"+query, "")
		if b := h.confirm.beacons[len(h.confirm.beacons)-1]; b.HasPrice != has || b.Price != want {
			t.Errorf("%s: %v %d, want %v %d", query, b.HasPrice, b.Price, has, want)
		}
	}
	f("?p=1.234567", true, 1_234_567)
	f("?p=0", true, 0)
	f("?p=1.23456789", true, 1_234_567)
	f("?p=2&c=USD", true, 2_000_000)
	f("?p=2&c=${AUCTION_CURRENCY}", true, 2_000_000)
	f("?p=2&c=", true, 2_000_000)
	f("?p=2&c=EUR", false, 0)
	f("?p=%24%7BAUCTION_PRICE%7D", false, 0)
	f("?p=${AUCTION_PRICE}", false, 0)
	f("?p=-1", false, 0)
	f("?p=1e300", false, 0)
	f("?p=NaN", false, 0)
	f("?p=", false, 0)
	f("", false, 0)
	if n := h.count("bad_notice_prices_total", ""); n != 8 {
		t.Errorf("%d counted", n)
	}
}

func TestBeaconsAreTurnedAwayLast(t *testing.T) {
	h := open(t, func(c *ads.Config) { c.Limits.BeaconsInFlight = 1 })
	// The batch holds the only place while its items are judged.
	h.engine.hold = nil
	wait := make(chan struct{})
	h2 := open(t, func(c *ads.Config) {
		c.Limits.BeaconsInFlight = 1
		c.Confirm = &slow{confirmer: h.confirm, wait: wait, inside: wait}
	})
	done := make(chan int)
	go func() { done <- h2.do("GET", "/t/i/tok", "").StatusCode() }()
	<-wait
	if r := h2.do("GET", "/t/v/tok", ""); r.StatusCode() != 503 || len(r.Header.Peek("Retry-After")) == 0 {
		t.Errorf("%d", r.StatusCode())
	}
	wait <- struct{}{}
	if s := <-done; s != 200 || h2.count("shed_beacons_total", "") != 1 {
		t.Errorf("%d", s)
	}
}
