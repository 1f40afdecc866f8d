package ads_test

import (
	"strings"
	"testing"

	"mazad/api/ads"
	"mazad/serving"
)

const bannerBid = `{"id":"r","site":{"id":"s"},"imp":[{"id":"1","banner":{"w":300,"h":250}}]}`

func TestBidAnswers(t *testing.T) {
	h := open(t, nil)
	h.engine.reason = serving.ReasonBudget
	f := func(body string, status int, reason string) {
		t.Helper()
		r := h.post("/openrtb2/bid", body)
		if r.StatusCode() != status || string(r.Header.Peek("X-No-Bid-Reason")) != reason || string(r.Header.Peek("X-Openrtb-Version")) != "2.6" {
			t.Errorf("%.80s: %d %s %s", body, r.StatusCode(), r.Header.Peek("X-No-Bid-Reason"), r.Body())
		}
	}
	f(bannerBid, 204, "budget")
	f(strings.Replace(bannerBid, `"id":"r"`, `"id":"r","cur":["EUR"]`, 1), 204, "currency")
	f(strings.Replace(bannerBid, `"id":"r"`, `"id":"r","tmax":3`, 1), 204, "deadline")
	f(strings.Replace(bannerBid, `"banner":{"w":300,"h":250}`, `"audio":{"mimes":["audio/mp4"]}`, 1), 204, "unsupported")
	f(`{"id":"r"}`, 400, "")
	h.engine.creatives = []*serving.Creative{video()}
	f(bannerBid, 204, "format")
	h.engine.creatives = []*serving.Creative{image()}
	f(bannerBid, 200, "")
	if h.count("no_ad_total", "unsupported") != 1 || h.count("unsold_impressions_total", "currency") != 1 || h.count("unsent_ads_total", "") != 1 || h.count("ads_total", "") != 1 {
		t.Error("not counted")
	}
}

func TestMalformedBidNamesLineAndColumn(t *testing.T) {
	h := open(t, nil)
	r := h.post("/openrtb2/bid", "{\"id\":\"r\",\n \"imp\":[{\"id\":\"1\" \"banner\":{}}]}")
	e := parsed(t, r)["errors"].([]any)[0].(map[string]any)
	if r.StatusCode() != 400 || e["line"] != 2.0 || e["column"] != 19.0 || e["field"] != "imp[0]" || e["code"] != "syntax" {
		t.Errorf("%d %s", r.StatusCode(), r.Body())
	}
}

func TestBidExplained(t *testing.T) {
	h := open(t, nil)
	r := h.do("POST", "/openrtb2/bid?explain=1", bannerBid, "X-Api-Key: explain")
	if m := parsed(t, r); r.StatusCode() != 200 || m["response"] != nil || m["trace"] == nil {
		t.Errorf("%d %s", r.StatusCode(), r.Body())
	}
	h.engine.creatives = []*serving.Creative{image()}
	r = h.do("POST", "/openrtb2/bid?explain=1", bannerBid, "X-Api-Key: explain")
	if m := parsed(t, r); m["response"].(map[string]any)["id"] != "r" {
		t.Errorf("%s", r.Body())
	}
}

func TestExchangesMayPutTheKeyIntoTheURL(t *testing.T) {
	h := open(t, nil)
	if r := h.do("POST", "/openrtb2/bid?key=decide", bannerBid); r.StatusCode() != 204 {
		t.Errorf("%d", r.StatusCode())
	}
	if r := h.do("POST", "/openrtb2/bid?key=wrong", bannerBid); r.StatusCode() != 401 || h.count("unauthorized_total", "") != 1 {
		t.Errorf("%d", r.StatusCode())
	}
}

func TestSeats(t *testing.T) {
	h := open(t, func(c *ads.Config) { c.Seat = "mazad" })
	h.engine.creatives = []*serving.Creative{image()}
	for member, want := range map[string]int{`"wseat":["other"]`: 204, `"wseat":["x","mazad"]`: 200, `"bseat":["mazad"]`: 204, `"bseat":["x"]`: 200, `"wseat":[]`: 200} {
		if r := h.post("/openrtb2/bid", strings.Replace(bannerBid, `"id":"r"`, `"id":"r",`+member, 1)); r.StatusCode() != want {
			t.Errorf("%s: %d", member, r.StatusCode())
		}
	}
}
