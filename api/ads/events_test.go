package ads_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"mazad/api/ads"
	"mazad/audience"
	"mazad/internal/id"
	"mazad/serving"
)

// slow is a confirmer that says when it was asked and waits.
type slow struct {
	*confirmer
	wait, inside chan struct{}
}

func (s *slow) Confirm(ctx context.Context, b *serving.Beacon) serving.Receipt {
	s.inside <- struct{}{}
	<-s.wait
	return s.confirmer.Confirm(ctx, b)
}

func TestEventsAreJudgedOneByOne(t *testing.T) {
	h := open(t, nil)
	body := `{"events":[
	 {"type":"impression","token":"a"}, {"type":"click","token":"forged"}, {"type":"view"}, {"type":"dance"}, 7,
	 {"type":"purchase","event_id":"o-1","click_id":"ct","value":"12.345","currency":"EUR","timestamp":1795348800,"user_id":"u"},
	 {"type":"purchase","event_id":"o-2","click_id":"ct","value":-1,"currency":"EUR"},
	 {"type":"install","event_id":"i-1","advertiser_id":"5","timestamp":"2026-11-21T10:00:00+02:00"},
	 {"type":"custom","event_id":"c-1","click_id":"ct"},
	 {"type":"purchase","event_id":"o-3"},
	 {"type":"purchase","event_id":"o-4","click_id":"x","timestamp":1}]}`
	r := h.do("POST", "/v1/events", body, "X-Api-Key: operator")
	m := parsed(t, r)
	var got []string
	for i, e := range m["results"].([]any) {
		item := e.(map[string]any)
		line := fmt.Sprint(item["status"])
		if list, ok := item["errors"].([]any); ok {
			one := list[0].(map[string]any)
			line += " " + fmt.Sprint(one["field"], " ", one["code"])
		}
		if item["index"] != float64(i) {
			t.Errorf("item %d has index %v", i, item["index"])
		}
		got = append(got, line)
	}
	want := []string{"billed", "forged", "invalid token missing", "invalid type unknown", "invalid  wrong_type", "free", "invalid value out_of_range", "free",
		"invalid event missing", "invalid advertiser_id missing", "invalid timestamp out_of_range"}
	if r.StatusCode() != 200 || m["code"] != 20001.0 || strings.Join(got, "|") != strings.Join(want, "|") {
		t.Fatalf("%d %v\n got %v\nwant %v", r.StatusCode(), m["code"], got, want)
	}
	if len(h.confirm.conversions) != 2 {
		t.Fatalf("%+v", h.confirm.conversions)
	}
	for _, v := range h.confirm.conversions {
		switch v.EventID {
		case "o-1":
			if v.Name != "COMPLETE_PAYMENT" || v.Value != 12_345_000_000 || v.Currency != "EUR" || v.TimeMS != 1795348800000 || string(v.ClickToken) != "ct" || v.UserID != "u" {
				t.Errorf("%+v", v)
			}
		case "i-1":
			if v.Name != "INSTALL" || v.Advertiser != 5 || v.TimeMS != 1795248000000 {
				t.Errorf("%+v", v)
			}
		default:
			t.Errorf("%+v", v)
		}
	}
}

// The key of one advertiser cannot report for another (I11).
func TestEventsStayInsideTheKey(t *testing.T) {
	h := open(t, nil)
	r := h.do("POST", "/v1/events", `[{"type":"install","event_id":"1","advertiser_id":"5"},{"type":"install","event_id":"2"}]`, "X-Api-Key: advertiser")
	results := parsed(t, r)["results"].([]any)
	if results[0].(map[string]any)["status"] != "invalid" || len(h.confirm.conversions) != 1 || h.confirm.conversions[0].Advertiser != 77 {
		t.Fatalf("%s", r.Body())
	}
	if r := h.do("POST", "/v1/users", `[{"id":"u"}]`, "X-Api-Key: advertiser"); r.StatusCode() != 403 {
		t.Errorf("an advertiser writes profiles: %d", r.StatusCode())
	}
}

// census knows one advertiser, or cannot say.
type census struct{ away bool }

func (c *census) Exists(adv id.Advertiser) (exists, told bool) { return adv == 5, !c.away }

// A mistake in whose conversion it is, or of which click, is named: else it would
// silently count for nobody.
func TestConversionsNameWhatIsWrong(t *testing.T) {
	known := &census{}
	h := open(t, func(c *ads.Config) { c.Advertisers = known })
	f := func(item, want string) {
		t.Helper()
		one := `{"type":"view","token":"a"}` // so that the batch is not overload as a whole
		results := parsed(t, h.do("POST", "/v1/events", `[`+one+`,`+item+`]`, "X-Api-Key: operator"))["results"].([]any)
		got := results[1].(map[string]any)
		line := fmt.Sprint(got["status"])
		if list, ok := got["errors"].([]any); ok {
			line += fmt.Sprint(" ", list[0].(map[string]any)["field"], " ", list[0].(map[string]any)["code"])
		}
		if line != want {
			t.Errorf("%s: %q, want %q", item, line, want)
		}
	}
	f(`{"type":"install","event_id":"1","advertiser_id":"5"}`, "free")
	f(`{"type":"install","event_id":"2","advertiser_id":"6"}`, "invalid advertiser_id unknown")
	f(`{"type":"install","event_id":"3","advertiser_id":"6","click_id":"ct"}`, "invalid advertiser_id unknown")
	f(`{"type":"install","event_id":"4","advertiser_id":"5","click_id":"forged"}`, "invalid click_id invalid")
	f(`{"type":"install","event_id":"5","click_id":"ct"}`, "free")
	known.away = true
	f(`{"type":"install","event_id":"6","advertiser_id":"5"}`, "overload")
	f(`{"type":"install","event_id":"7","click_id":"ct"}`, "free")
	if n := len(h.confirm.conversions); n != 3 {
		t.Errorf("%d conversions were recorded, want 3", n)
	}
}

func TestEventBatchLimits(t *testing.T) {
	h := open(t, nil)
	one := `{"type":"view","token":"a"}`
	f := func(body string, want int, word string) {
		t.Helper()
		if r := h.do("POST", "/v1/events", body, "X-Api-Key: operator"); r.StatusCode() != want || !strings.Contains(string(r.Body()), word) {
			t.Errorf("%.60s: %d %s", body, r.StatusCode(), r.Body())
		}
	}
	f(`[`+strings.Repeat(one+",", 99)+one+`]`, 200, `"message":"OK"`)
	f(`[`+strings.Repeat(one+",", 100)+one+`]`, 400, "at most 100")
	f(`[]`, 400, "at least one")
	f(`{}`, 400, "at least one")
	f(`[`+one, 400, "column")
	f(`{"events":[{"type":"view",]}`, 400, "column 27")
	h.confirm.status = serving.BeaconOverload
	f(`[`+one+`]`, 503, "send the batch again")
}

func TestUsersNothingLost(t *testing.T) {
	h := open(t, nil)
	sum := strings.Repeat("ab", 32)
	body := `[{"id":"a","email_sha256":"` + sum + `","phone_sha256":["` + sum + `"],"age":30,"gender":"male","language":"de","consent":"granted","interests":[1,2],"segments":[9],"x":1},
	 {"id":"b","email_sha256":"secret@example.com"}, {"age":3}, {"id":"c","segments":[0]}, {"id":"d","birth_year":2000}]`
	r := h.do("POST", "/v1/users", body, "X-Api-Key: operator")
	m := parsed(t, r)
	if r.StatusCode() != 200 || m["accepted"] != 2.0 || m["rejected"] != 3.0 || len(m["errors"].([]any)) != 3 {
		t.Fatalf("%d %s", r.StatusCode(), r.Body())
	}
	if strings.Contains(string(r.Body()), "secret@") {
		t.Error("an e-mail address was repeated")
	}
	if e := m["errors"].([]any)[1].(map[string]any); e["index"] != 2.0 || e["field"] != "id" {
		t.Errorf("%v", e)
	}
	u := h.users.all[0]
	if len(h.users.all) != 2 || u.ID != "a" || u.Emails[0][0] != 0xab || len(u.Phones) != 1 || u.Age != 30 || u.Gender != audience.GenderMale || u.Consent != audience.ConsentGranted || u.Segments[0] != 9 || u.Language != 'd'<<8|'e' {
		t.Errorf("%+v", h.users.all)
	}
	if h.users.all[1].Age != 25 {
		t.Errorf("age %d", h.users.all[1].Age)
	}
	h.users.err = errors.New("disk")
	if r := h.do("POST", "/v1/users", `[{"id":"z"}]`, "X-Api-Key: operator"); r.StatusCode() != 503 || strings.Contains(string(r.Body()), "disk") {
		t.Errorf("%d %s", r.StatusCode(), r.Body())
	}
}

// What names a person in the clear is refused by name, not ignored, and not
// repeated.
func TestUsersInTheClearAreRefused(t *testing.T) {
	h := open(t, nil)
	f := func(user, field string) {
		t.Helper()
		m := parsed(t, h.do("POST", "/v1/users", `[`+user+`]`, "X-Api-Key: operator"))
		if field == "" && m["accepted"] == 1.0 {
			return
		}
		errs, _ := m["errors"].([]any)
		if len(errs) != 1 || errs[0].(map[string]any)["field"] != field || strings.Contains(fmt.Sprint(m), "alice") || strings.Contains(fmt.Sprint(m), "4917") {
			t.Errorf("%s: %v, want a fault of %q", user, m, field)
		}
	}
	f(`{"id":"a","email":"alice@mail.example"}`, "email")
	f(`{"id":"a","phone":"+491701234567"}`, "phone")
	f(`{"id":"a","phone_number":491701234567}`, "phone_number")
	f(`{"id":"a","idfa":["alice"]}`, "idfa")
	f(`{"id":"alice@mail.example"}`, "id")
	f(`{"id":"+491701234567"}`, "id")
	f(`{"id":"@alice"}`, "")
	f(`{"id":"alice@tenant7"}`, "")
	f(`{"id":"+1"}`, "")
	f(`{"id":"a","note":"alice"}`, "")
}

func TestForgetUser(t *testing.T) {
	h := open(t, nil)
	f := func(method, uri string, want int) {
		t.Helper()
		if r := h.do(method, uri, "", "X-Api-Key: operator"); r.StatusCode() != want {
			t.Errorf("%s %s: %d %s", method, uri, r.StatusCode(), r.Body())
		}
	}
	f("DELETE", "/v1/users/u%2F1", 200)
	f("DELETE", "/v1/users/nobody", 404)
	f("GET", "/v1/users/u%2F1", 405)
	f("DELETE", "/v1/users/"+strings.Repeat("a", 129), 400)
	f("DELETE", "/v1/users", 405)
}
