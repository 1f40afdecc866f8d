package manage_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestEveryOperationAnswers walks through the life of an account and proves
// that every operation of the contract has answered with success, each answer
// checked against the contract by world.do.
func TestEveryOperationAnswers(t *testing.T) {
	w := newWorld(t)
	a := w.a
	w.get(a.bcToken, "/mazad/v1/bc/get/").ok()
	w.get(a.token, "/open_api/v1.3/oauth2/advertiser/get/").ok()
	info := w.get(a.token, "/open_api/v1.3/advertiser/info/", "advertiser_ids", []string{a.advertiser}).ok()
	if got := info.list("list")[0].(map[string]any); got["balance"].(interface{ String() string }).String() != "100.5" || got["currency"] != "EUR" {
		t.Errorf("info: %v", got)
	}
	w.post(a.token, "/open_api/v1.3/advertiser/update/", obj{"advertiser_id": a.advertiser, "advertiser_name": "Alpha Boots", "spend_cap": raw("1000")}).ok()
	w.post(operatorKey, "/mazad/v1/advertiser/status/update/", obj{"advertiser_id": a.advertiser, "status": "STATUS_ENABLE"}).ok()
	w.get(a.bcToken, "/open_api/v1.3/advertiser/balance/get/", "bc_id", a.bc).ok()
	w.get(a.token, "/mazad/v1/token/list/").ok()

	w.post(a.token, "/open_api/v1.3/campaign/update/", obj{"advertiser_id": a.advertiser, "campaign_id": a.campaign, "budget": raw("60"), "po_number": "PO-1"}).ok()
	w.post(a.token, "/open_api/v1.3/campaign/status/update/", obj{"advertiser_id": a.advertiser, "campaign_ids": []string{a.campaign}, "operation_status": "DISABLE"}).ok()
	got := w.get(a.token, "/open_api/v1.3/campaign/get/", "advertiser_id", a.advertiser).ok().list("list")[0].(map[string]any)
	if got["secondary_status"] != "CAMPAIGN_STATUS_DISABLE" || got["po_number"] != "PO-1" {
		t.Errorf("campaign: %v", got)
	}
	w.post(a.token, "/open_api/v1.3/adgroup/update/", obj{"advertiser_id": a.advertiser, "adgroup_id": a.adGroup, "bid_price": raw("0.4"), "frequency": 3, "frequency_schedule": 1}).ok()
	g := w.get(a.token, "/open_api/v1.3/adgroup/get/", "advertiser_id", a.advertiser).ok().list("list")[0].(map[string]any)
	if g["secondary_status"] != "ADGROUP_STATUS_CAMPAIGN_DISABLE" || g["timezone"] != "Europe/Berlin" {
		t.Errorf("ad group: %v", g)
	}
	w.post(a.token, "/open_api/v1.3/adgroup/status/update/", obj{"advertiser_id": a.advertiser, "adgroup_ids": []string{a.adGroup}, "operation_status": "ENABLE"}).ok()
	w.post(a.token, "/open_api/v1.3/ad/update/", obj{"advertiser_id": a.advertiser, "adgroup_id": a.adGroup, "creatives": []obj{{"ad_id": a.ad, "ad_text": "Walk far"}}}).ok()
	w.post(operatorKey, "/mazad/v1/ad/review/", obj{"advertiser_id": a.advertiser, "ad_id": a.ad, "review_status": "REJECTED", "reject_reasons": []string{"Shouting"}}).ok()
	ad := w.get(a.token, "/open_api/v1.3/ad/get/", "advertiser_id", a.advertiser).ok().list("list")[0].(map[string]any)
	if ad["review_status"] != "REJECTED" || ad["ad_text"] != "Walk far" || len(ad["issues_info"].([]any)) < 2 {
		t.Errorf("ad: %v", ad)
	}
	w.post(a.token, "/open_api/v1.3/ad/status/update/", obj{"advertiser_id": a.advertiser, "ad_ids": []string{a.ad}, "operation_status": "DELETE"}).ok()
	rep := w.get(a.token, "/open_api/v1.3/report/integrated/get/", "advertiser_id", a.advertiser, "report_type", "BASIC", "data_level", "AUCTION_CAMPAIGN",
		"dimensions", []string{"campaign_id", "stat_time_day"}, "start_date", "2026-11-01", "end_date", "2026-11-22", "enable_total_metrics", "true").ok()
	if rep.text("data_through") != "2026-11-22T09:00:00Z" || rep.text("timezone") != "Europe/Berlin" || rep.text("total_metrics", "spend") != "12.5" {
		t.Errorf("report: %s", rep.raw)
	}
	for path, item := range w.spec.doc.Paths.Map() {
		for method, op := range item.Operations() {
			if !w.spec.seen[op.OperationID] {
				t.Errorf("%s %s (%s) has not answered in this test", method, path, op.OperationID)
			}
		}
	}
}

func TestBothFormsOfAPathAreOneOperation(t *testing.T) {
	w := newWorld(t)
	w.get(w.a.token, "/open_api/v1.3/campaign/get", "advertiser_id", w.a.advertiser).ok()
	w.post(w.a.token, "/open_api/v1.3/campaign/create", w.a.newCampaign()).ok()
	for _, path := range []string{"/open_api/v1.3/campaign/get/x/", "/open_api/v1.2/campaign/get/", "/open_api/", "/mazad/v1/"} {
		if a := w.send(http.MethodGet, w.a.token, path, nil); a.status != http.StatusNotFound || a.code() != 40007 {
			t.Errorf("%s: %d %s", path, a.status, a.raw)
		}
	}
	got := w.send(http.MethodGet, w.a.token, "/open_api/v1.3/campaign/create/", nil).refused(405, 40002, "method", "UNKNOWN_VALUE")
	if got.header.Get("Allow") != "POST" {
		t.Errorf("Allow: %q", got.header.Get("Allow"))
	}
}

func TestTokensComeInTwoHeadersAndNeverInTheLog(t *testing.T) {
	w := newWorld(t)
	path := "/open_api/v1.3/campaign/get/?advertiser_id=" + w.a.advertiser
	w.send(http.MethodGet, "", path, nil, "Authorization", "Bearer "+w.a.token).ok()
	w.send(http.MethodGet, w.a.token, path, nil, "Authorization", "bearer "+w.a.token).ok()
	w.send(http.MethodGet, w.a.token, path, nil, "Authorization", "Bearer "+w.b.token).refused(401, 40105, "", "")
	w.send(http.MethodGet, "", path, nil).refused(401, 40104, "", "")
	w.send(http.MethodGet, strings.Repeat("x", 5000), path, nil).refused(401, 40105, "", "")
	w.send(http.MethodGet, "", path, nil, "Authorization", "Basic "+w.a.token).refused(401, 40104, "", "")
	if !strings.Contains(w.log.String(), "request_id=") {
		t.Error("the access log is empty")
	}
	for _, secret := range []string{w.a.token, w.a.bcToken, operatorKey} {
		if strings.Contains(w.log.String(), secret) {
			t.Error("a token is in the log")
		}
	}
}

func TestOtherSitesCannotWrite(t *testing.T) {
	w := newWorld(t)
	w.post(w.a.token, "/open_api/v1.3/campaign/create/", w.a.newCampaign(), "Sec-Fetch-Site", "cross-site").refused(403, 40001, "", "")
	w.post(w.a.token, "/open_api/v1.3/campaign/create/", w.a.newCampaign(), "Sec-Fetch-Site", "same-origin").ok()
}
