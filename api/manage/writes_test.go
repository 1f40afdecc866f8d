package manage_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestSameKeySameAnswer(t *testing.T) {
	w := newWorld(t)
	path, key := "/open_api/v1.3/campaign/create/", []string{"Idempotency-Key", "autumn-1"}
	first := w.post(w.a.token, path, w.a.newCampaign(), key...).ok()
	again := w.post(w.a.token, path, w.a.newCampaign(), key...).ok()
	if again.raw != first.raw || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("first %s\nagain %s", first.raw, again.raw)
	}
	w.post(w.a.token, path, with(w.a.newCampaign(), obj{"budget": raw("51")}), key...).refused(409, 40050, "Idempotency-Key", "IDEMPOTENCY_KEY_REUSED")
	w.post(w.a.token, "/open_api/v1.3/campaign/status/update/", obj{"advertiser_id": w.a.advertiser, "campaign_ids": []string{w.a.campaign}, "operation_status": "ENABLE"}, key...).refused(409, 40050, "", "")
	// Another tenant's key is another key, and a refusal does not use one up.
	if other := w.post(w.b.token, path, w.b.newCampaign(), key...).ok(); other.text("campaign_id") == first.text("campaign_id") {
		t.Error("keys of two tenants met")
	}
	w.post(w.a.token, path, with(w.a.newCampaign(), obj{"budget": raw("-1")}), "Idempotency-Key", "k2").refused(400, 40002, "", "")
	w.post(w.a.token, path, w.a.newCampaign(), "Idempotency-Key", "k2").ok()
	w.post(w.a.token, path, w.a.newCampaign(), "Idempotency-Key", strings.Repeat("k", 129)).refused(400, 40002, "Idempotency-Key", "MALFORMED")
	w.post(w.a.token, path, w.a.newCampaign(), "Idempotency-Key", "schön").refused(400, 40002, "Idempotency-Key", "MALFORMED")
	w.clock.Advance(49 * time.Hour) // the store keeps keys of creates for 48 h
	if later := w.post(w.a.token, path, w.a.newCampaign(), key...).ok(); later.text("campaign_id") == first.text("campaign_id") {
		t.Error("a key lives for ever")
	}
}

func TestRequestIDOfTheBodyIsAKey(t *testing.T) {
	w := newWorld(t)
	body := with(w.a.newAds(), obj{"request_id": "1802345678901234"})
	one, two := body["creatives"].([]obj)[0], with(body["creatives"].([]obj)[0], obj{"ad_name": "second"})
	body["creatives"] = []obj{one, two}
	first := w.post(w.a.token, "/open_api/v1.3/ad/create/", body).ok()
	again := w.post(w.a.token, "/open_api/v1.3/ad/create/", body).ok()
	if first.raw != again.raw || len(first.list("ad_ids")) != 2 {
		t.Errorf("%s\n%s", first.raw, again.raw)
	}
	if n := w.get(w.a.token, "/open_api/v1.3/ad/get/", "advertiser_id", w.a.advertiser).ok().text("page_info", "total_number"); n != "3" {
		t.Errorf("%s ads, want 3", n)
	}
}

// TestParallelRepeatsMakeOne: a client that loses patience sends again before
// the first answer; one campaign is made and all hear of the same.
func TestParallelRepeatsMakeOne(t *testing.T) {
	w := newWorld(t)
	ids := make([]string, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			ids[i] = w.post(w.a.token, "/open_api/v1.3/campaign/create/", w.a.newCampaign(), "Idempotency-Key", "parallel").ok().text("campaign_id")
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("two campaigns: %v", ids)
		}
	}
	if n := w.get(w.a.token, "/open_api/v1.3/campaign/get/", "advertiser_id", w.a.advertiser).ok().text("page_info", "total_number"); n != "2" {
		t.Errorf("%s campaigns, want 2", n)
	}
}

func TestTokensAreNotRepeated(t *testing.T) {
	w := newWorld(t)
	ask := func() answer {
		return w.post(w.a.token, "/mazad/v1/token/create/", obj{"name": "sync", "scope": "management"}, "Idempotency-Key", "t").ok()
	}
	first, again := ask(), ask()
	if first.text("token", "token_id") != again.text("token", "token_id") || again.text("access_token") != "" || first.text("access_token") == "" {
		t.Errorf("%s\n%s", first.raw, again.raw)
	}
	list := w.get(w.a.token, "/mazad/v1/token/list/", "page_size", "100").ok()
	if strings.Contains(list.raw, first.text("access_token")) || !strings.Contains(list.raw, first.text("token", "prefix")) {
		t.Error("the list shows the wrong things")
	}
	w.post(w.a.token, "/mazad/v1/token/revoke/", obj{"token_id": first.text("token", "token_id")}).ok()
	w.get(first.text("access_token"), "/mazad/v1/token/list/").refused(401, 40105, "", "")
	// An advertiser's token cannot make one for its business center or for another advertiser.
	w.post(w.a.token, "/mazad/v1/token/create/", obj{"name": "up", "scope": "management", "bc_id": w.a.bc}).refused(404, 40001, "bc_id", "NO_PERMISSION")
	w.post(w.a.token, "/mazad/v1/token/create/", obj{"name": "aside", "scope": "management", "advertiser_id": w.b.advertiser}).refused(404, 40001, "advertiser_id", "NO_PERMISSION")
	w.post(operatorKey, "/mazad/v1/token/create/", obj{"name": "all", "scope": "management"}).refused(400, 40002, "advertiser_id", "REQUIRED")
	w.post(operatorKey, "/mazad/v1/token/create/", obj{"name": "feed", "scope": "decision"}).ok()
	// Nobody but the operator gets a key that acts for everybody at the ads door.
	w.post(w.a.token, "/mazad/v1/token/create/", obj{"name": "feed", "scope": "decision"}).refused(400, 40002, "scope", "NOT_ALLOWED_TOGETHER")
	w.post(w.a.bcToken, "/mazad/v1/token/create/", obj{"name": "feed", "scope": "decision"}).refused(400, 40002, "scope", "NOT_ALLOWED_TOGETHER")
	w.post(w.a.bcToken, "/mazad/v1/token/create/", obj{"name": "pixel", "scope": "event"}).refused(400, 40002, "bc_id", "NOT_ALLOWED_TOGETHER")
	w.post(w.a.bcToken, "/mazad/v1/token/create/", obj{"name": "pixel", "scope": "event", "advertiser_id": w.a.advertiser}).ok()
}

func TestVersionsGuardUpdates(t *testing.T) {
	w := newWorld(t)
	update := func(name, version string) answer {
		return w.post(w.a.token, "/open_api/v1.3/campaign/update/", obj{"advertiser_id": w.a.advertiser, "campaign_id": w.a.campaign, "campaign_name": name}, "If-Match", version)
	}
	if got := update("one", `"1"`).ok().text("version"); got != "2" {
		t.Errorf("version %s", got)
	}
	update("two", `"1"`).refused(412, 40051, "If-Match", "VERSION_CONFLICT")
	update("three", "2").ok()
	update("four", "*").ok()
	update("five", "soon").refused(400, 40002, "If-Match", "MALFORMED")
}

func TestValidateOnlyChangesNothing(t *testing.T) {
	w := newWorld(t)
	before := w.revision()
	dry := obj{"validate_only": true, "request_id": "dry"}
	w.post(w.a.token, "/open_api/v1.3/campaign/create/", with(w.a.newCampaign(), dry)).ok()
	w.post(w.a.token, "/open_api/v1.3/adgroup/create/", with(w.a.newAdGroup(), dry)).ok()
	w.post(w.a.token, "/open_api/v1.3/ad/create/", with(w.a.newAds(), dry)).ok()
	w.post(w.a.token, "/open_api/v1.3/campaign/status/update/", obj{"advertiser_id": w.a.advertiser, "campaign_ids": []string{w.a.campaign}, "operation_status": "DELETE", "validate_only": true}).ok()
	w.post(w.a.token, "/open_api/v1.3/campaign/create/", with(w.a.newCampaign(), obj{"validate_only": true, "budget": raw("0")})).refused(400, 40002, "budget", "OUT_OF_RANGE")
	if w.revision() != before {
		t.Error("a dry run wrote something")
	}
	w.post(w.a.token, "/open_api/v1.3/campaign/create/", with(w.a.newCampaign(), obj{"request_id": "dry"})).ok()
}

func TestStatusChangesAllOrNone(t *testing.T) {
	w := newWorld(t)
	before := w.revision()
	w.post(w.a.token, "/open_api/v1.3/campaign/status/update/", obj{"advertiser_id": w.a.advertiser, "campaign_ids": []string{w.a.campaign, w.b.campaign}, "operation_status": "DISABLE"}).refused(404, 40007, "campaign_id", "NOT_FOUND")
	if w.revision() != before {
		t.Error("one of two was changed")
	}
	// A deleted object can be read when asked for, and not changed.
	w.post(w.a.token, "/open_api/v1.3/campaign/status/update/", obj{"advertiser_id": w.a.advertiser, "campaign_ids": []string{w.a.campaign}, "operation_status": "DELETE"}).ok()
	w.post(w.a.token, "/open_api/v1.3/campaign/update/", obj{"advertiser_id": w.a.advertiser, "campaign_id": w.a.campaign, "campaign_name": "back"}).refused(400, 40002, "campaign_id", "DELETED")
	all := w.get(w.a.token, "/open_api/v1.3/campaign/get/", "advertiser_id", w.a.advertiser, "filtering", obj{"primary_status": "STATUS_DELETE"}).ok()
	if got := all.list("list")[0].(map[string]any); got["secondary_status"] != "CAMPAIGN_STATUS_DELETE" {
		t.Errorf("%v", got)
	}
}

// TestNullClearsAndAbsentKeeps reads back an ad group after each kind of update.
func TestNullClearsAndAbsentKeeps(t *testing.T) {
	w := newWorld(t)
	update := func(change obj) answer {
		t.Helper()
		return w.post(w.a.token, "/open_api/v1.3/adgroup/update/", with(obj{"advertiser_id": w.a.advertiser, "adgroup_id": w.a.adGroup}, change))
	}
	g := update(obj{"frequency": 2, "frequency_schedule": 1, "min_ios_version": "14.0", "contextual_tag_ids": []string{"#running"}}).ok()
	if fmt.Sprintf("%v %v %v %v", g.at("frequency"), g.at("min_ios_version"), g.at("contextual_tag_ids"), g.at("bid_price")) != "2 14.0 [#running] 0.35" {
		t.Errorf("%s", g.raw)
	}
	g = update(obj{"frequency": nil, "frequency_schedule": nil, "min_ios_version": nil, "contextual_tag_ids": []string{}}).ok()
	if fmt.Sprintf("%v %v %v %v", g.at("frequency"), g.at("min_ios_version"), g.at("contextual_tag_ids"), g.at("location_ids")) != "0 <nil> [] [DE]" {
		t.Errorf("%s", g.raw)
	}
	update(obj{"bid_price": nil}).refused(400, 40002, "bid_price", "WRONG_TYPE")
	update(obj{"billing_event": "CPM"}).refused(400, 40002, "billing_event", "FIXED")
}
