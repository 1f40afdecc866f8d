package manage_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestBadInputNamesFieldAndLimit: one mistake per line, each answered with the
// field, a code of the closed list, and nothing changed.
func TestBadInputNamesFieldAndLimit(t *testing.T) {
	w := newWorld(t)
	before := w.revision()
	campaign := func(change obj, field, code string) {
		t.Helper()
		w.post(w.a.token, "/open_api/v1.3/campaign/create/", with(w.a.newCampaign(), change)).refused(400, 40002, field, code)
	}
	campaign(obj{"campaign_name": nil}, "campaign_name", "WRONG_TYPE")
	campaign(obj{"campaign_name": ""}, "campaign_name", "TOO_SHORT")
	campaign(obj{"campaign_name": "   "}, "campaign_name", "REQUIRED")
	campaign(obj{"campaign_name": strings.Repeat("ü", 513)}, "campaign_name", "TOO_LONG")
	campaign(obj{"campaign_name": "a\u0000b"}, "campaign_name", "MALFORMED")
	campaign(obj{"objective_type": "WORLD_PEACE"}, "objective_type", "UNKNOWN_VALUE")
	campaign(obj{"objective_type": 7}, "objective_type", "WRONG_TYPE")
	campaign(obj{"budget": raw("-1")}, "budget", "OUT_OF_RANGE")
	campaign(obj{"budget": raw("-99999999999999999999999999")}, "budget", "OUT_OF_RANGE")
	campaign(obj{"budget": raw("0")}, "budget", "OUT_OF_RANGE")
	campaign(obj{"budget": raw("1000000000000.1")}, "budget", "OUT_OF_RANGE")
	campaign(obj{"budget": raw("1e99")}, "budget", "OUT_OF_RANGE")
	campaign(obj{"budget": raw("0.0000001")}, "budget", "TOO_PRECISE")
	campaign(obj{"budget": "50"}, "budget", "WRONG_TYPE")
	campaign(obj{"budget": true}, "budget", "WRONG_TYPE")
	campaign(obj{"budget_mode": "BUDGET_MODE_INFINITE"}, "budget", "NOT_ALLOWED_TOGETHER")
	campaign(obj{"special_industries": []string{"HOUSING", "HOUSING"}}, "special_industries[1]", "DUPLICATE_VALUE")
	campaign(obj{"special_industries": "HOUSING"}, "special_industries", "WRONG_TYPE")
	campaign(obj{"campaignName": "x"}, "campaignName", "UNKNOWN_FIELD")
	campaign(obj{"app_id": "1"}, "app_id", "NOT_OFFERED_YET")
	campaign(obj{"operation_status": "DELETE"}, "operation_status", "UNKNOWN_VALUE")

	group := func(change obj, field, code string) {
		t.Helper()
		w.post(w.a.token, "/open_api/v1.3/adgroup/create/", with(w.a.newAdGroup(), change)).refused(400, 40002, field, code)
	}
	group(obj{"billing_event": "OCPM"}, "billing_event", "NOT_OFFERED_YET")
	group(obj{"billing_event": "CPM"}, "billing_event", "NOT_ALLOWED_TOGETHER")
	group(obj{"bid_price": raw("-0.01")}, "bid_price", "OUT_OF_RANGE")
	group(obj{"bid_price": raw("999999999999")}, "bid_price", "OUT_OF_RANGE")
	group(obj{"schedule_type": "SCHEDULE_START_END", "schedule_start_time": "2026-11-21 09:00:00", "schedule_end_time": "2026-11-30 09:00:00"}, "schedule_start_time", "IN_THE_PAST")
	group(obj{"schedule_type": "SCHEDULE_START_END", "schedule_start_time": "2026-11-25T09:00:00+01:00", "schedule_end_time": "2026-11-25T09:00:00+02:00"}, "schedule_end_time", "OUT_OF_RANGE")
	group(obj{"schedule_start_time": "next week"}, "schedule_start_time", "MALFORMED")
	group(obj{"schedule_start_time": 1700000000}, "schedule_start_time", "WRONG_TYPE")
	group(obj{"dayparting": "0101"}, "dayparting", "TOO_SHORT")
	group(obj{"age_groups": []string{"AGE_12"}}, "age_groups[0]", "UNKNOWN_VALUE")
	group(obj{"age_groups": []string{"AGE_13_17"}, "gender": "GENDER_FEMALE"}, "gender", "AGE_TARGETING_NOT_ALLOWED")
	group(obj{"location_ids": []string{"ATLANTIS"}}, "location_ids[0]", "MALFORMED")
	group(obj{"frequency": 99}, "frequency", "OUT_OF_RANGE")
	group(obj{"frequency": raw("1.5"), "frequency_schedule": 1}, "frequency", "WRONG_TYPE")
	group(obj{"audience_rule": [][]string{{"1"}, {"x"}}}, "audience_rule[1][0]", "MALFORMED")

	ad := func(change obj, field, code string) {
		t.Helper()
		b := w.a.newAds()
		b["creatives"] = []obj{b["creatives"].([]obj)[0], with(b["creatives"].([]obj)[0], change)}
		w.post(w.a.token, "/open_api/v1.3/ad/create/", b).refused(400, 40002, field, code)
	}
	ad(obj{"ad_text": strings.Repeat("a", 101)}, "creatives[1].ad_text", "TOO_LONG")
	ad(obj{"landing_page_url": "javascript:alert(1)"}, "creatives[1].landing_page_url", "MALFORMED")
	ad(obj{"video_url": ""}, "creatives[1].video_id", "REQUIRED")
	ad(obj{"call_to_action": "CLICK_HERE"}, "creatives[1].call_to_action", "UNKNOWN_VALUE")
	ad(obj{"music_id": "1"}, "creatives[1].music_id", "NOT_OFFERED_YET")

	if w.revision() != before {
		t.Error("something was written")
	}
}

func with(o, change obj) obj {
	out := obj{}
	for k, v := range o {
		out[k] = v
	}
	for k, v := range change {
		out[k] = v
	}
	return out
}

func TestMalformedBodies(t *testing.T) {
	w := newWorld(t)
	path := "/open_api/v1.3/campaign/create/"
	bad := func(body, field, code string) {
		t.Helper()
		w.post(w.a.token, path, body).refused(400, 40002, field, code)
	}
	bad(``, "body", "MALFORMED")
	bad(`{`, "body", "MALFORMED")
	bad(`{"advertiser_id":"1",}`, "body", "MALFORMED")
	bad(`[]`, "body", "WRONG_TYPE")
	bad(`null`, "body", "WRONG_TYPE")
	bad(`{} {}`, "body", "MALFORMED")
	bad(`{"a":NaN}`, "body", "MALFORMED")
	bad("{\"a\":\"\xff\"}", "body", "MALFORMED")
	bad(`{"advertiser_id":"1","advertiser_id":"2"}`, "advertiser_id", "DUPLICATE_VALUE")
	bad(`{"a":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+`}`, "a"+strings.Repeat("[0]", 15), "TOO_DEEP")
	bad(strings.Repeat(`{"a":`, 100_000), strings.TrimPrefix(strings.Repeat(".a", 16), "."), "TOO_DEEP")
	w.post(w.a.token, path, `{"campaign_name":"`+strings.Repeat("x", 1<<20)+`"}`).refused(413, 40002, "body", "TOO_LONG")
	w.post(w.a.token, path, `{}`, "Content-Type", "text/plain").refused(415, 40002, "Content-Type", "UNKNOWN_VALUE")
	w.post(w.a.token, path, `{}`, "Content-Type", "application/x-www-form-urlencoded").refused(415, 40002, "Content-Type", "UNKNOWN_VALUE")
	w.post(w.a.token, path, `{}`, "Content-Encoding", "gzip").refused(415, 40002, "Content-Encoding", "UNKNOWN_VALUE")
	many := w.post(w.a.token, path, `{"advertiser_id":`+w.a.advertiser+`,"q":1}`).refused(400, 40002, "advertiser_id", "WRONG_TYPE")
	many.refused(400, 40002, "campaign_name", "REQUIRED").refused(400, 40002, "q", "UNKNOWN_FIELD")
}

func TestBadQueries(t *testing.T) {
	w := newWorld(t)
	get := func(field, code string, pairs ...any) {
		t.Helper()
		w.get(w.a.token, "/open_api/v1.3/adgroup/get/", append([]any{"advertiser_id", w.a.advertiser}, pairs...)...).refused(400, 40002, field, code)
	}
	get("page", "OUT_OF_RANGE", "page", "0")
	get("page", "WRONG_TYPE", "page", "one")
	get("page_size", "OUT_OF_RANGE", "page_size", "1001")
	get("page_size", "WRONG_TYPE", "page_size", "1e1")
	get("pagesize", "UNKNOWN_FIELD", "pagesize", "5")
	get("filtering", "MALFORMED", "filtering", "{")
	get("filtering", "WRONG_TYPE", "filtering", "[]")
	get("filtering.adgroup_ids[0]", "MALFORMED", "filtering", `{"adgroup_ids":["-1"]}`)
	get("filtering.primary_status", "UNKNOWN_VALUE", "filtering", `{"primary_status":"STATUS_GOOD"}`)
	get("filtering.secondary_status", "NOT_OFFERED_YET", "filtering", `{"secondary_status":"X"}`)
	get("filtering.ad_ids", "UNKNOWN_FIELD", "filtering", `{"ad_ids":["1"]}`)
	get("fields", "UNKNOWN_VALUE", "fields", []string{"budget", "colour"})
	get("advertiser_id", "DUPLICATE_VALUE", "advertiser_id", w.b.advertiser)
	w.get(w.a.token, "/open_api/v1.3/adgroup/get/").refused(400, 40002, "advertiser_id", "REQUIRED")
	w.get(w.a.token, "/open_api/v1.3/adgroup/get/", "advertiser_id", "abc").refused(400, 40002, "advertiser_id", "MALFORMED")
	w.get(w.a.token, "/open_api/v1.3/adgroup/get/", "advertiser_id", strings.Repeat("1", 20_000)).refused(400, 40002, "query", "TOO_LONG")
	w.send(http.MethodGet, w.a.token, "/open_api/v1.3/adgroup/get/?advertiser_id=%zz", nil).refused(400, 40002, "query", "MALFORMED")
}

func TestBadReports(t *testing.T) {
	w := newWorld(t)
	bad := func(field, code string, change ...any) {
		t.Helper()
		q := map[string]any{"advertiser_id": w.a.advertiser, "report_type": "BASIC", "data_level": "AUCTION_CAMPAIGN", "dimensions": []string{"campaign_id"},
			"start_date": "2026-11-01", "end_date": "2026-11-22"}
		for i := 0; i < len(change); i += 2 {
			q[change[i].(string)] = change[i+1]
		}
		var pairs []any
		for k, v := range q {
			if v != nil {
				pairs = append(pairs, k, v)
			}
		}
		w.get(w.a.token, "/open_api/v1.3/report/integrated/get/", pairs...).refused(400, 40002, field, code)
	}
	bad("dimensions[1]", "UNKNOWN_VALUE", "dimensions", []string{"campaign_id", "colour"})
	bad("dimensions", "NOT_ALLOWED_TOGETHER", "dimensions", []string{"ad_id"})
	bad("dimensions", "NOT_ALLOWED_TOGETHER", "dimensions", []string{"campaign_id", "stat_time_day", "stat_time_hour"})
	bad("dimensions", "TOO_MANY", "dimensions", []string{"campaign_id", "stat_time_day", "age", "gender", "platform"})
	bad("metrics[0]", "UNKNOWN_VALUE", "metrics", []string{"love"})
	bad("report_type", "NOT_OFFERED_YET", "report_type", "AUDIENCE")
	bad("start_date", "REQUIRED", "start_date", nil)
	bad("start_date", "MALFORMED", "start_date", "2026-13-01")
	bad("end_date", "OUT_OF_RANGE", "end_date", "2026-10-01")
	bad("end_date", "OUT_OF_RANGE", "start_date", "2024-10-01")
	bad("end_date", "OUT_OF_RANGE", "start_date", "2026-10-01", "dimensions", []string{"campaign_id", "stat_time_hour"})
	bad("query_lifetime", "NOT_ALLOWED_TOGETHER", "query_lifetime", "true")
	bad("order_field", "NOT_ALLOWED_TOGETHER", "order_field", "clicks")
	bad("filtering[0].filter_value", "MALFORMED", "filtering", []obj{{"field_name": "campaign_ids", "filter_type": "IN", "filter_value": "7123"}})
	bad("filtering[0].filter_value", "MALFORMED", "filtering", []obj{{"field_name": "country_code", "filter_type": "IN", "filter_value": `["de'"]`}})
	bad("filtering[0].filter_type", "NOT_OFFERED_YET", "filtering", []obj{{"field_name": "campaign_ids", "filter_type": "BETWEEN", "filter_value": `["1"]`}})
	if len(w.reports.asked) != 0 {
		t.Error("a bad report was asked for")
	}
	w.reports.away = true
	a := w.get(w.a.token, "/open_api/v1.3/report/integrated/get/", "advertiser_id", w.a.advertiser, "report_type", "BASIC", "data_level", "AUCTION_ADVERTISER",
		"dimensions", []string{"stat_time_day"}, "start_date", "2026-11-01", "end_date", "2026-11-22").refused(503, 50002, "", "")
	if a.header.Get("Retry-After") == "" || a.body["transient"] != true || strings.Contains(a.raw, "ClickHouse") {
		t.Errorf("unavailable: %v %s", a.header, a.raw)
	}
}
