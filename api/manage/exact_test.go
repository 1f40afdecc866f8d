package manage_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"mazad/api/manage/wire"
	"mazad/internal/money"

	"pgregory.net/rapid"
)

// TestMoneyIsExact: what is written comes back digit by digit, through HTTP,
// the store and back, whatever a float would make of it.
func TestMoneyIsExact(t *testing.T) {
	w := newWorld(t)
	for _, text := range []string{"0.1", "0.3", "1.000001", "123456789012.345678", "999999999999.999999", "1000000000000", "20.10"} {
		got := w.post(w.a.token, "/open_api/v1.3/campaign/create/", with(w.a.newCampaign(), obj{"budget": raw(text)})).ok()
		want := strings.TrimSuffix(text, "0")
		if text == "1000000000000" {
			want = text
		}
		if got.text("budget") != want {
			t.Errorf("%s came back as %s", text, got.text("budget"))
		}
	}
	if got := w.post(w.a.token, "/open_api/v1.3/campaign/create/", with(w.a.newCampaign(), obj{"budget": raw("2.5e1")})).ok().text("budget"); got != "25" {
		t.Errorf("2.5e1 came back as %s", got)
	}
}

func TestDecimalRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := money.Micros(rapid.Int64Range(0, 1_000_000_000_000_000_000).Draw(t, "micros"))
		b, err := json.Marshal(struct{ V wire.Decimal }{wire.DecimalOf(m)})
		if err != nil {
			t.Fatal(err)
		}
		var back struct{ V wire.Decimal }
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		got, err := back.V.Micros()
		if err != nil || got != m {
			t.Fatalf("%d -> %s -> %d, %v", m, b, got, err)
		}
		if code, _, _ := wire.CheckAmount(string(back.V)); code != "" {
			t.Fatalf("%s is refused: %s", back.V, code)
		}
	})
}

func TestTimesKeepTheInstant(t *testing.T) {
	w := newWorld(t)
	same := func(start, end, wantStart, wantEnd string) {
		t.Helper()
		g := w.post(w.a.token, "/open_api/v1.3/adgroup/create/", with(w.a.newAdGroup(), obj{"schedule_type": "SCHEDULE_START_END", "schedule_start_time": start, "schedule_end_time": end})).ok()
		if g.text("schedule_start_time") != wantStart || g.text("schedule_end_time") != wantEnd {
			t.Errorf("%s..%s came back as %s..%s", start, end, g.text("schedule_start_time"), g.text("schedule_end_time"))
		}
	}
	same("2026-12-01 08:00:00", "2026-12-02T00:00:00+01:00", "2026-12-01T08:00:00Z", "2026-12-01T23:00:00Z")
	same("2026-12-01T08:00:00-05:30", "2027-01-01T00:00:00Z", "2026-12-01T13:30:00Z", "2027-01-01T00:00:00Z")
}

func TestTopUps(t *testing.T) {
	w := newWorld(t)
	top := func(change obj) answer {
		t.Helper()
		return w.post(operatorKey, "/mazad/v1/wallet/topup/", with(obj{"advertiser_id": w.a.advertiser, "amount": raw("10.01"), "request_id": "r1"}, change))
	}
	if got := top(nil).ok().text("account_balance"); got != "110.51" {
		t.Errorf("balance %s", got)
	}
	if got := top(nil).ok().text("account_balance"); got != "110.51" {
		t.Errorf("the repeat booked again: %s", got)
	}
	top(obj{"amount": raw("10.02")}).refused(409, 40050, "", "")
	w.clock.Advance(25 * 60 * 60 * 1e9) // the answer is forgotten, the books are not
	if got := top(nil).ok().text("account_balance"); got != "110.51" {
		t.Errorf("a day later the repeat booked again: %s", got)
	}
	w.clock.Advance(25 * 60 * 60 * 1e9)
	top(obj{"amount": raw("10.02")}).refused(409, 40050, "", "")
	top(obj{"amount": raw("0.001"), "request_id": "r2"}).refused(400, 40002, "amount", "TOO_PRECISE")
	top(obj{"amount": raw("0"), "request_id": "r2"}).refused(400, 40002, "amount", "OUT_OF_RANGE")
	top(obj{"amount": raw("-5"), "request_id": "r2"}).refused(400, 40002, "amount", "OUT_OF_RANGE")
	top(obj{"currency": "USD", "request_id": "r2"}).refused(400, 40002, "currency", "UNKNOWN_VALUE")
	top(obj{"advertiser_id": "111111111111111112", "request_id": "r2"}).refused(404, 40001, "advertiser_id", "NO_PERMISSION")
	w.post(w.a.token, "/mazad/v1/wallet/topup/", obj{"advertiser_id": w.a.advertiser, "amount": raw("1"), "request_id": "r3"}).refused(403, 40001, "", "")
}

// TestTikTokMode: always 200, unknown fields ignored, TikTok's own fields that
// are not offered refused by name.
func TestTikTokMode(t *testing.T) {
	w := newWorld(t)
	tok := w.a.tiktokToken
	w.post(tok, "/open_api/v1.3/campaign/create/", with(w.a.newCampaign(), obj{"colour": "red", "BUDGET": raw("-5")})).ok()
	w.post(tok, "/open_api/v1.3/campaign/create/", with(w.a.newCampaign(), obj{"rta_id": "1"})).refused(http.StatusOK, 40002, "rta_id", "NOT_OFFERED_YET")
	w.post(tok, "/open_api/v1.3/campaign/create/", with(w.a.newCampaign(), obj{"budget": raw("-5")})).refused(http.StatusOK, 40002, "budget", "OUT_OF_RANGE")
	w.get(tok, "/open_api/v1.3/campaign/get/", "advertiser_id", w.b.advertiser).refused(http.StatusOK, 40001, "advertiser_id", "NO_PERMISSION")
	w.get(tok, "/open_api/v1.3/campaign/get/", "advertiser_id", w.a.advertiser, "colour", "red").ok()
	w.send(http.MethodGet, tok, "/open_api/v1.3/campaign/create/", nil).refused(http.StatusMethodNotAllowed, 40002, "method", "UNKNOWN_VALUE")
}

func TestListsAreFilteredPagedAndProjected(t *testing.T) {
	w := newWorld(t)
	for range 24 {
		w.post(w.a.token, "/open_api/v1.3/campaign/create/", w.a.newCampaign()).ok()
	}
	list := func(pairs ...any) answer {
		t.Helper()
		return w.get(w.a.token, "/open_api/v1.3/campaign/get/", append([]any{"advertiser_id", w.a.advertiser}, pairs...)...).ok()
	}
	if a := list("page", "3"); len(a.list("list")) != 5 || a.text("page_info", "total_number") != "25" || a.text("page_info", "total_page") != "3" {
		t.Errorf("%s", a.raw)
	}
	if a := list("page", "4"); len(a.list("list")) != 0 {
		t.Errorf("%s", a.raw)
	}
	a := list("fields", []string{"budget", "campaign_id"}, "filtering", obj{"campaign_ids": []string{w.a.campaign, w.b.campaign}})
	if !strings.Contains(a.raw, `"list":[{"budget":50.25,"campaign_id":"`+w.a.campaign+`"}]`) {
		t.Errorf("%s", a.raw)
	}
	if a := list("filtering", obj{"objective_type": "REACH"}); a.text("page_info", "total_number") != "0" {
		t.Errorf("%s", a.raw)
	}
}
