package ads_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"mazad/api/ads"
	"mazad/audience"
	"mazad/internal/id"
	"mazad/serving"
	"mazad/targeting"
)

const fullFeed = `{"request_id":"r1","user_id":"u1","session_id":"s1","age":29,"gender":"female","language":"de","country":"DE","region":"DE-BE","city":2950159,
 "os":"iOS","os_version":"17.4.1","placement":"search","slots":3,"floor_cpm":"1.2500001","formats":["video","image"],"max_duration_ms":60000,
 "context":{"hashtags":["#Fitness","run"],"sound":"7001","creator_id":"c9","categories":["IAB17"],"live_session_id":"l5","unknown":{"a":[1,null]}},
 "recent_ads":["123","456"],"consent":{"personalized_ads":true,"gdpr":true,"gpc":false,"lmt":false,"coppa":false},
 "device":{"ip":"192.0.2.77","user_agent":"UA/1.0"},"new_member":{"x":1}}`

func TestFeedFillsTheRequest(t *testing.T) {
	h := open(t, nil)
	var got serving.Request
	h.engine.check = func(r *serving.Request) { got = *r; got.Slots = append([]serving.Slot(nil), r.Slots...) }
	if r := h.post("/v1/ads", fullFeed); r.StatusCode() != 200 {
		t.Fatalf("%d %s", r.StatusCode(), r.Body())
	}
	tag := func(s string) targeting.Tag { return targeting.TagOf([]byte(s)) }
	want := []targeting.Tag{tag("fitness"), tag("run"), tag("sound:7001"), tag("creator:c9"), tag("cat:IAB17"), tag("live:l5")}
	if !reflect.DeepEqual(got.Tags, want) {
		t.Errorf("tags %v, want %v", got.Tags, want)
	}
	if string(got.ID) != "r1" || string(got.UserID) != "u1" || string(got.Session) != "s1" || got.Door != serving.DoorFeed {
		t.Errorf("who: %+v", got)
	}
	if got.Signals != (audience.Signals{Age: 29, GDPR: true, Consent: audience.ConsentGranted, Country: [2]byte{'D', 'E'}}) {
		t.Errorf("signals %+v", got.Signals)
	}
	if got.Gender != targeting.Female || got.Language.String() != "de" || got.Country.String() != "DE" || got.Region.String() != "DE-BE" || got.City != 2950159 {
		t.Errorf("person: %+v", got)
	}
	if got.OS != targeting.IOS || got.OSVersion != 17<<16|4<<8|1 || got.Placement != targeting.PlacementSearch {
		t.Errorf("device: %+v", got)
	}
	if len(got.Slots) != 3 || got.Slots[2].Floor != 1_250_001 || string(got.Slots[2].ID) != "2" || got.Slots[0].Formats != serving.FormatVideo|serving.FormatImage || got.Slots[0].MaxDurationMS != 60000 {
		t.Errorf("slots: %+v", got.Slots)
	}
	if !reflect.DeepEqual(got.Recent, []id.Ad{123, 456}) || got.IP24 != [3]byte{192, 0, 2} || string(got.UserAgent) != "UA/1.0" {
		t.Errorf("rest: %+v", got)
	}
}

func TestFeedNeedsNothingButBraces(t *testing.T) {
	h := open(t, nil)
	h.engine.reason = serving.ReasonNoMatch
	r := h.post("/v1/ads", `{}`)
	if m := parsed(t, r); r.StatusCode() != 200 || m["reason"] != "no_match" || len(m["ads"].([]any)) != 0 || m["auction_id"] == "" {
		t.Fatalf("%d %s", r.StatusCode(), r.Body())
	}
	if h.count("no_ad_total", "no_match") != 1 {
		t.Error("the reason was not counted")
	}
}

func TestFeedAnswer(t *testing.T) {
	h := open(t, nil)
	h.engine.creatives = []*serving.Creative{video(), image()}
	r := h.post("/v1/ads", `{"slots":2}`)
	m := parsed(t, r)
	list := m["ads"].([]any)
	ad := list[1].(map[string]any)
	if len(list) != 2 || ad["ad_id"] != "12" || ad["slot"] != 1.0 || ad["price"] != nil || m["reason"] != nil {
		t.Fatalf("%s", r.Body())
	}
	for name, kind := range map[string]string{"imp_url": "i", "click_url": "c", "view_url": "v"} {
		if want := "https://ads.example.com/t/" + kind + "/" + string(token); ad[name] != want {
			t.Errorf("%s is %v, want %s", name, ad[name], want)
		}
	}
}

func TestExplainNeedsPermission(t *testing.T) {
	h := open(t, nil)
	h.engine.creatives = []*serving.Creative{video()}
	if r := h.post("/v1/ads?explain=1", `{}`); r.StatusCode() != 403 {
		t.Errorf("an ordinary key may explain: %d", r.StatusCode())
	}
	r := h.do("POST", "/v1/ads?explain=1", `{}`, "Authorization: Bearer explain")
	if m := parsed(t, r); r.StatusCode() != 200 || m["trace"].(map[string]any)["why"] != "because" || len(m["ads"].([]any)) != 1 {
		t.Errorf("%d %s", r.StatusCode(), r.Body())
	}
}

func TestFeedRefusals(t *testing.T) {
	h := open(t, nil)
	f := func(body, field, code, value, limit string) {
		t.Helper()
		r := h.post("/v1/ads", body)
		m := parsed(t, r)
		e := m["errors"].([]any)[0].(map[string]any)
		str := func(k string) string { s, _ := e[k].(string); return s }
		if r.StatusCode() != 400 || str("field") != field || str("code") != code || str("value") != value || !strings.Contains(str("limit"), limit) || m["code"] != 40002.0 {
			t.Errorf("%s:\n%d %s", body, r.StatusCode(), r.Body())
		}
	}
	f(`{"slots":0}`, "slots", "out_of_range", "0", "at least 1")
	f(`{"slots":11}`, "slots", "out_of_range", "11", "at most 10")
	f(`{"slots":"3"}`, "slots", "wrong_type", `"3"`, "a number")
	f(`{"age":-1}`, "age", "out_of_range", "-1", "at least 0")
	f(`{"age":121}`, "age", "out_of_range", "121", "at most 120")
	f(`{"birth_year":2027}`, "birth_year", "out_of_range", "2027", "at most 2026")
	f(`{"country":"de"}`, "country", "invalid", `"de"`, "capital letters")
	f(`{"region":"FR-75","country":"DE"}`, "region", "invalid", `FR-75`, "region of the country")
	f(`{"os":""}`, "os", "unknown", `""`, "android")
	f(`{"os_version":"x"}`, "os_version", "invalid", `"x"`, "numbers")
	f(`{"placement":"moon"}`, "placement", "unknown", `"moon"`, "feed, search")
	f(`{"gender":1}`, "gender", "wrong_type", "1", "a string")
	f(`{"floor_cpm":-0.5}`, "floor_cpm", "out_of_range", "-0.5", "at least 0")
	f(`{"floor_cpm":"1e30"}`, "floor_cpm", "out_of_range", `"1e30"`, "at most")
	f(`{"floor_cpm":"x"}`, "floor_cpm", "invalid", `"x"`, "a decimal number")
	f(`{"formats":[]}`, "formats", "missing", "[]", "at least one")
	f(`{"formats":["text"]}`, "formats[0]", "unknown", `"text"`, "video")
	f(`{"recent_ads":["1",5]}`, "recent_ads[1]", "wrong_type", "5", "a string")
	f(`{"recent_ads":["x"]}`, "recent_ads[0]", "invalid", `"x"`, "an ad id")
	f(`{"consent":{"coppa":"yes"}}`, "consent.coppa", "wrong_type", `"yes"`, "true or false")
	f(`{"context":{"hashtags":["a",{}]}}`, "context.hashtags[1]", "wrong_type", "{", "a string")
	f(`{"user_id":"`+strings.Repeat("x", 129)+`"}`, "user_id", "too_long", `"`+strings.Repeat("x", 47)+"...", "at most 128 bytes")
	f(`{"context":{"hashtags":[`+strings.Repeat(`"a",`, 64)+`"a"]}}`, "context.hashtags[64]", "too_many", "", "at most 64 elements")
	f(`{"min_duration_ms":5,"max_duration_ms":4}`, "max_duration_ms", "invalid", "", "min_duration_ms")
	f(`[]`, "", "wrong_type", "[", "an object")
	f(`{"a":1,}`, "", "syntax", "}", "a member name")
	f(``, "", "syntax", "", "an object")
	f(strings.Repeat(`{"a":`, 70), "a", "too_deep", "", "64 levels")
}

// The age is the youngest that is consistent with what was said.
func TestYoungestAgeCounts(t *testing.T) {
	h := open(t, nil)
	var got uint8
	h.engine.check = func(r *serving.Request) { got = r.Signals.Age }
	for body, want := range map[string]uint8{
		`{}`: 0, `{"birth_year":2008}`: 17, `{"birth_year":2007}`: 18, `{"birth_year":2026}`: 1, `{"age":30,"birth_year":2010}`: 15, `{"birth_year":1980,"age":20}`: 20, `{"birth_year":1900}`: 120,
	} {
		if r := h.post("/v1/ads", body); r.StatusCode() != 200 || got != want {
			t.Errorf("%s: status %d, age %d, want %d", body, r.StatusCode(), got, want)
		}
	}
}

// What is said twice counts as the more restrictive, in any order.
func TestRepeatedSignalsCountAsTheStricter(t *testing.T) {
	h := open(t, nil)
	var got audience.Signals
	h.engine.check = func(r *serving.Request) { got = r.Signals }
	f := func(consent string, want audience.Signals) {
		t.Helper()
		if r := h.post("/v1/ads", `{"consent":{`+consent+`},"consent":{"personalized_ads":true,"coppa":false,"gpc":false,"gdpr":false,"lmt":false}}`); r.StatusCode() != 200 || got != want {
			t.Errorf("%s: status %d, %+v, want %+v", consent, r.StatusCode(), got, want)
		}
	}
	f(``, audience.Signals{Consent: audience.ConsentGranted})
	f(`"personalized_ads":false`, audience.Signals{Consent: audience.ConsentDenied})
	f(`"personalized_ads":false,"personalized_ads":true`, audience.Signals{Consent: audience.ConsentDenied})
	f(`"coppa":true`, audience.Signals{Consent: audience.ConsentGranted, COPPA: true})
	f(`"gpc":true,"lmt":true,"gdpr":true`, audience.Signals{Consent: audience.ConsentGranted, GPC: true, LMT: true, GDPR: true})
}

func TestGlobalPrivacyControlHeader(t *testing.T) {
	h := open(t, nil)
	var gpc bool
	h.engine.check = func(r *serving.Request) { gpc = r.Signals.GPC }
	if h.post("/v1/ads", `{}`, "Sec-GPC: 1"); !gpc {
		t.Error("the header was not honoured")
	}
}

func TestKeysAndMethods(t *testing.T) {
	h := open(t, nil)
	for header, want := range map[string]int{"X-Api-Key: decide": 200, "Authorization: Bearer decide": 200, "X-Api-Key: operator": 401, "X: y": 401, "Authorization: Basic decide": 401} {
		if r := h.do("POST", "/v1/ads", `{}`, header); r.StatusCode() != want {
			t.Errorf("%s: %d, want %d", header, r.StatusCode(), want)
		}
	}
	if r := h.do("GET", "/v1/ads", "", "X-Api-Key: decide"); r.StatusCode() != 405 || string(r.Header.Peek("Allow")) != "POST" {
		t.Errorf("GET: %d", r.StatusCode())
	}
	if r := h.do("POST", "/v1/ads?key=decide", `{}`); r.StatusCode() != 401 {
		t.Errorf("the feed takes a key from the URL: %d", r.StatusCode())
	}
	if r := h.do("GET", "/nowhere", ""); r.StatusCode() != 404 {
		t.Errorf("%d", r.StatusCode())
	}
}

func gzipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, s)
	_ = w.Close()
	return b.String()
}

func TestGzipBothWays(t *testing.T) {
	h := open(t, func(c *ads.Config) { c.Limits.GzipAbove = 100; c.Limits.FeedBytes = 20_000 })
	h.engine.creatives = []*serving.Creative{video()}
	r := h.post("/v1/ads", gzipped(`{"slots":1}`), "Content-Encoding: gzip", "Accept-Encoding: gzip")
	plain, err := r.BodyGunzip()
	if err != nil || r.StatusCode() != 200 || !bytes.Contains(plain, []byte(`"ad_id":"11"`)) {
		t.Fatalf("%d %v %s", r.StatusCode(), err, r.Body())
	}
	f := func(body, encoding string, want int) {
		t.Helper()
		if r := h.post("/v1/ads", body, "Content-Encoding: "+encoding); r.StatusCode() != want {
			t.Errorf("%d, want %d: %s", r.StatusCode(), want, r.Body())
		}
	}
	bomb := gzipped(`{"x":"` + strings.Repeat("a", 1<<22) + `"}`)
	f(bomb, "gzip", 413)
	f("not gzip", "gzip", 400)
	f(gzipped(`{}`)[:10], "gzip", 400)
	f(`{}`, "br", 415)
	f(`{"x":"`+strings.Repeat("a", 20_000)+`"}`, "identity", 413)
}

func TestConfigIsChecked(t *testing.T) {
	h := open(t, nil)
	f := func(want string, change func(*ads.Config)) {
		t.Helper()
		cfg := config(h)
		change(&cfg)
		if _, err := ads.New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	f("Engine", func(c *ads.Config) { c.Engine = nil })
	f("Currency", func(c *ads.Config) { c.Currency = "XXX" })
	for _, u := range []string{"", "ads.example.com", "https://ads.example.com/", "https://a b", `https://a"b`, "ftp://x", "https://x?y"} {
		f("PublicURL", func(c *ads.Config) { c.PublicURL = u })
	}
	f("Limits.Idle", func(c *ads.Config) { c.Limits.Idle = -1 })
}

func TestPanicIsAnAnswer(t *testing.T) {
	h := open(t, nil)
	h.engine.check = func(*serving.Request) { panic("boom") }
	if r := h.post("/v1/ads", `{}`); r.StatusCode() != 500 || bytes.Contains(r.Body(), []byte("boom")) || h.count("panics_total", "") != 1 {
		t.Fatalf("%d %s", r.StatusCode(), r.Body())
	}
	h.engine.check = nil
	if r := h.post("/v1/ads", `{}`); r.StatusCode() != 200 {
		t.Fatalf("after a panic: %d", r.StatusCode())
	}
}

func TestOverloadTurnsAdRequestsAwayFirst(t *testing.T) {
	h := open(t, func(c *ads.Config) { c.Limits.AdsInFlight = 2 })
	h.engine.hold, h.engine.inside = make(chan struct{}), make(chan struct{})
	done := make(chan int)
	for range 2 {
		go func() { done <- h.post("/v1/ads", `{}`).StatusCode() }()
		<-h.engine.inside
	}
	r := h.post("/v1/ads", `{}`)
	if m := parsed(t, r); r.StatusCode() != 200 || m["reason"] != "overload" || fmt.Sprint(m["ads"]) != "[]" {
		t.Errorf("feed: %d %s", r.StatusCode(), r.Body())
	}
	if r := h.post("/openrtb2/bid", `{}`); r.StatusCode() != 204 || string(r.Header.Peek("X-No-Bid-Reason")) != "overload" {
		t.Errorf("bid: %d %s", r.StatusCode(), r.Body())
	}
	if r := h.do("GET", "/t/i/"+string(token), ""); r.StatusCode() != 200 {
		t.Errorf("a beacon was turned away with the ad requests: %d", r.StatusCode())
	}
	close(h.engine.hold)
	if a, b := <-done, <-done; a != 200 || b != 200 || h.count("shed_ad_requests_total", "") != 2 {
		t.Errorf("%d %d, shed %d", a, b, h.count("shed_ad_requests_total", ""))
	}
}
