package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// object is what an answer of the marketing API holds.
type object struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    struct {
		BC         string   `json:"bc_id"`
		Advertiser string   `json:"advertiser_id"`
		Campaign   string   `json:"campaign_id"`
		AdGroup    string   `json:"adgroup_id"`
		AdIDs      []string `json:"ad_ids"`
		Token      string   `json:"access_token"`
		List       []struct {
			Dimensions map[string]string `json:"dimensions"`
			Metrics    map[string]string `json:"metrics"`
		} `json:"list"`
		DataThrough string `json:"data_through"`
	} `json:"data"`
}

// agency is a business center with one advertiser that has money.
type agency struct {
	h                           *testHouse
	token, advertiser, campaign string
}

func (h *testHouse) post(token, path string, body string) object {
	h.t.Helper()
	var o object
	if status := h.call("POST", h.manage+path, token, body, &o); status != 200 || o.Code != 0 {
		h.t.Fatalf("POST %s %s: %d, %d %s", path, body, status, o.Code, o.Message)
	}
	return o
}

func (h *testHouse) newAgency() *agency {
	h.t.Helper()
	op := h.operator
	bc := h.post(op, "/mazad/v1/bc/create/", `{"bc_name":"North Media"}`).Data.BC
	a := &agency{h: h, token: h.post(op, "/mazad/v1/token/create/", fmt.Sprintf(`{"name":"agency","scope":"management","bc_id":%q}`, bc)).Data.Token}
	a.advertiser = h.post(a.token, "/open_api/v1.3/advertiser/create/", `{"advertiser_name":"Alpha Shoes","currency":"USD","timezone":"Asia/Kathmandu"}`).Data.Advertiser
	h.post(op, "/mazad/v1/wallet/topup/", fmt.Sprintf(`{"advertiser_id":%q,"amount":500,"request_id":"bank-1"}`, a.advertiser))
	a.campaign = h.post(a.token, "/open_api/v1.3/campaign/create/", fmt.Sprintf(`{"advertiser_id":%q,"campaign_name":"Autumn","objective_type":"REACH","budget_mode":"BUDGET_MODE_DAY","budget":50}`, a.advertiser)).Data.Campaign
	return a
}

// adGroup makes an ad group with one video ad.
func (a *agency) adGroup(members string) string {
	a.h.t.Helper()
	g := a.h.post(a.token, "/open_api/v1.3/adgroup/create/", fmt.Sprintf(
		`{"advertiser_id":%q,"campaign_id":%q,"adgroup_name":"G","optimization_goal":"SHOW","billing_event":"CPM","bid_price":4,"pacing":"PACING_MODE_FAST"%s}`,
		a.advertiser, a.campaign, members)).Data.AdGroup
	a.h.post(a.token, "/open_api/v1.3/ad/create/", fmt.Sprintf(
		`{"advertiser_id":%q,"adgroup_id":%q,"creatives":[{"ad_name":"Clip","ad_format":"SINGLE_VIDEO","video_url":"https://cdn.example.com/a.mp4","landing_page_url":"https://shoes.example.com/p?x=1","call_to_action":"SHOP_NOW"}]}`,
		a.advertiser, g))
	return g
}

func (a *agency) setStatus(g, status string) {
	a.h.t.Helper()
	a.h.post(a.token, "/open_api/v1.3/adgroup/status/update/", fmt.Sprintf(`{"advertiser_id":%q,"adgroup_ids":[%q],"operation_status":%q}`, a.advertiser, g, status))
}

const plainRequest = `{"user_id":"u1","session_id":"s1","country":"NP","age":30,"slots":1,"consent":{"personalized_ads":true}}`

// TestI6AnEditAndAPauseAreLiveWithinASecond goes through the marketing API and
// the feed, as people do.
func TestI6AnEditAndAPauseAreLiveWithinASecond(t *testing.T) {
	h := openHouse(t, testConfig(t, t.TempDir()))
	a := h.newAgency()
	serves := func() bool { return len(h.feed(plainRequest).Ads) > 0 }
	g := a.adGroup("")
	h.until("a new ad", time.Second, serves)
	a.setStatus(g, "DISABLE")
	h.until("a pause", time.Second, func() bool { return !serves() })
	a.setStatus(g, "ENABLE")
	h.until("a resume", time.Second, serves)
	h.post(a.token, "/open_api/v1.3/adgroup/update/", fmt.Sprintf(`{"advertiser_id":%q,"adgroup_id":%q,"location_ids":["DE"]}`, a.advertiser, g))
	h.until("an edit of the targeting", time.Second, func() bool { return !serves() })
}

// TestCorridor is the whole way: an agency makes an ad through the API, the feed
// shows it, the impression is billed and is in a report within three seconds, and
// the diary, ClickHouse and the ledger agree to the nano: also after ClickHouse
// was killed, and after a restart of the house.
func TestCorridor(t *testing.T) { corridor(t, testConfig(t, t.TempDir())) }

func corridor(t *testing.T, cfg Config) {
	lib := engines(t)
	cfg.ClickHouse.Off, cfg.ClickHouse.Library = false, lib
	h := openHouse(t, cfg)
	a := h.newAgency()
	a.adGroup("")
	h.until("the first ad", time.Second, func() bool { return len(h.feed(plainRequest).Ads) > 0 })
	if err := h.n.clickhouse.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := h.feed(plainRequest).Ads[0]
	if status := h.call("GET", first.ImpURL, "", nil, nil); status >= 300 {
		t.Fatalf("impression: %d", status)
	}
	if status := h.call("GET", first.ImpURL, "", nil, nil); status >= 400 { // a browser that repeats is not an error
		t.Errorf("repeated impression: %d", status)
	}
	h.until("the impression in a report", 3*time.Second, func() bool { return a.impressions() == "1" })
	h.verify()

	h.killClickHouse()
	for range 20 {
		ad := h.feed(plainRequest).Ads[0]
		h.call("GET", ad.ImpURL, "", nil, nil)
	}
	if v := h.verify(); v.Records < 21 {
		t.Errorf("%d records after ClickHouse was killed, want 21 at least", v.Records)
	}
	unused := h.feed(plainRequest).Ads[0]
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}

	cfg.Ads.PublicURL = "" // the next life has another port
	h2 := openHouse(t, cfg)
	a.h = h2
	for _, token := range []struct {
		url    string
		billed bool
	}{{first.ImpURL, false}, {unused.ImpURL, true}} {
		before := a.ledgerSpend()
		h2.call("GET", rebase(t, token.url, h2.ads), "", nil, nil)
		h2.verify()
		if changed := a.ledgerSpend() != before; changed != token.billed {
			t.Errorf("a token of the earlier life: spend changed %t, want %t", changed, token.billed)
		}
	}
	if got := a.impressions(); got != "22" {
		t.Errorf("%s impressions in the report after the restart, want 22", got)
	}
}

// impressions are those of the advertiser's today, by the report; empty while
// ClickHouse is starting.
func (a *agency) impressions() string { return a.metrics()["impressions"] }

// metrics asks the report of the advertiser's today.
func (a *agency) metrics() map[string]string {
	a.h.t.Helper()
	zone, err := time.LoadLocation("Asia/Kathmandu")
	if err != nil {
		a.h.t.Fatal(err)
	}
	today := time.Now().In(zone).Format(time.DateOnly)
	q := url.Values{
		"advertiser_id": {a.advertiser}, "report_type": {"BASIC"}, "data_level": {"AUCTION_ADVERTISER"}, "dimensions": {`["advertiser_id"]`},
		"metrics": {`["spend","impressions","clicks","ctr","cpm","reach","frequency"]`}, "start_date": {today}, "end_date": {today},
	}
	var o object
	status := a.h.call("GET", a.h.manage+"/open_api/v1.3/report/integrated/get/?"+q.Encode(), a.token, nil, &o)
	if status == 503 { // ClickHouse is starting
		return nil
	}
	if status != 200 {
		a.h.t.Fatalf("report: %d %s", status, o.Message)
	}
	if len(o.Data.List) == 0 {
		return map[string]string{"impressions": "0"}
	}
	return o.Data.List[0].Metrics
}

// ledgerSpend is what the verification says was spent.
func (a *agency) ledgerSpend() string { return a.h.verify().Spend["USD"] }

// rebase moves a tracking URL to another address, as a load balancer would.
func rebase(t testing.TB, address, server string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return server + u.RequestURI()
}

func TestClickRedirectsAndForgeriesDoNot(t *testing.T) {
	h := openHouse(t, testConfig(t, t.TempDir()))
	h.newAgency().adGroup("")
	h.until("the first ad", time.Second, func() bool { return len(h.feed(plainRequest).Ads) > 0 })
	ad := h.feed(plainRequest).Ads[0]
	if status := h.call("GET", ad.ClickURL, "", nil, nil); status != 302 {
		t.Errorf("click: %d, want 302", status)
	}
	for _, bad := range []string{ad.ClickURL[:len(ad.ClickURL)-4] + "AAAA", h.ads + "/t/c/x", h.ads + "/t/c/", h.ads + "/t/c/?url=https://evil.example"} {
		if status := h.call("GET", bad, "", nil, nil); status < 400 {
			t.Errorf("%.80s: %d, want a refusal", bad, status)
		}
	}
}

// TestExplainAddsUp asks for the trace through the door.
func TestExplainAddsUp(t *testing.T) {
	h := openHouse(t, testConfig(t, t.TempDir()))
	a := h.newAgency()
	a.adGroup("")
	a.adGroup(`,"location_ids":["DE"]`)
	h.until("both ad groups", time.Second, func() bool { return h.n.engine.Snapshot().AdGroups() == 2 })
	var got struct {
		Trace struct {
			Active     int            `json:"active_ad_groups"`
			Matched    int            `json:"matched"`
			NotMatched map[string]int `json:"not_matched_by"`
			Outcomes   map[string]int `json:"outcomes"`
		} `json:"trace"`
	}
	if status := h.call("POST", h.ads+"/v1/ads?explain=1", "", plainRequest, &got); status != 200 {
		t.Fatalf("explain: %d", status)
	}
	if e := got.Trace; e.Active != 2 || e.Matched != 1 || e.NotMatched["place"] != 1 || e.Outcomes["won"] != 1 {
		t.Errorf("explained %+v", e)
	}
}

// TestServingGoesOnWithoutReports: a missing library stops reports only, and
// says how to install it.
func TestServingGoesOnWithoutReports(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.ClickHouse.Off, cfg.ClickHouse.Library = false, filepath.Join(t.TempDir(), "libchdb.so")
	h := openHouse(t, cfg)
	h.newAgency().adGroup("")
	h.until("an ad", time.Second, func() bool { return len(h.feed(plainRequest).Ads) > 0 })
	if status := h.call("GET", h.feed(plainRequest).Ads[0].ImpURL, "", nil, nil); status >= 300 {
		t.Errorf("impression without ClickHouse: %d", status)
	}
	h.until("the reason in /readyz", 5*time.Second, func() bool {
		var r readiness
		h.call("GET", h.admin+"/readyz", "", nil, &r)
		return r.Ready && strings.Contains(r.Reports, "npm ci") && strings.Contains(r.Reports, "missing")
	})
}

func TestASecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	openHouse(t, testConfig(t, dir))
	_, err := OpenNode(t.Context(), testConfig(t, dir), newLog(os.Stderr, "error"))
	if err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second node on one data directory: %v", err)
	}
}

// A signal that comes while the doors are being opened still stops the node.
func TestStoppedWhileItOpens(t *testing.T) {
	n, err := OpenNode(t.Context(), testConfig(t, t.TempDir()), newLog(os.Stderr, "error"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	select {
	case err = <-ended:
	case <-time.After(30 * time.Second):
		t.Fatal("the node runs on after it was stopped")
	}
	if err := errors.Join(err, n.Close()); err != nil {
		t.Error(err)
	}
}

func TestABadTokenKeyIsNamed(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	if err := os.WriteFile(cfg.Secrets.TokenKeyFile, []byte("too short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := OpenNode(t.Context(), cfg, newLog(os.Stderr, "error"))
	if err == nil || !strings.Contains(err.Error(), "token key") || !strings.Contains(err.Error(), "64 hexadecimal") {
		t.Errorf("a token key that is too short: %v", err)
	}
}
