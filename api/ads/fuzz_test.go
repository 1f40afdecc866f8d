package ads_test

import (
	"encoding/json"
	"testing"

	"mazad/audience"
	"mazad/serving"

	"pgregory.net/rapid"
)

// feedOnce sends one body and checks what must hold for every one.
func feedOnce(t interface{ Fatalf(string, ...any) }, h *house, body string) {
	var got *serving.Request
	h.engine.check = func(r *serving.Request) {
		got = r
		if n := len(r.Slots); n < 1 || n > serving.MaxSlots || len(r.Tags) > serving.MaxTags || len(r.Recent) > serving.MaxRecent || len(r.UserID) > serving.MaxUserID ||
			len(r.Session) > serving.MaxSession || r.Signals.Age > audience.MaxAge || r.Slots[0].Floor < 0 || r.Slots[0].Formats == 0 || len(r.UserAgent) > serving.MaxUserAgent {
			t.Fatalf("%q: past a limit: %+v", body, r)
		}
	}
	r := h.post("/v1/ads", body)
	switch r.StatusCode() {
	case 200:
		if got == nil || !json.Valid([]byte(body)) {
			t.Fatalf("%q: accepted", body)
		}
	case 400:
		var answer struct {
			Message string
			Errors  []struct{ Code, Message string }
		}
		if err := json.Unmarshal(r.Body(), &answer); err != nil || len(answer.Errors) != 1 || answer.Errors[0].Code == "" {
			t.Fatalf("%q: refused without a reason: %s", body, r.Body())
		}
		if answer.Errors[0].Code == "syntax" && json.Valid([]byte(body)) {
			t.Fatalf("%q is JSON: %s", body, r.Body())
		}
	default:
		t.Fatalf("%q: status %d", body, r.StatusCode())
	}
}

func FuzzFeed(f *testing.F) {
	f.Add(fullFeed)
	f.Add(feedBody)
	f.Add(`{"consent":null,"context":{"hashtags":["\ud83d\ude00"]}}`)
	h := open(f, nil)
	f.Fuzz(func(t *testing.T, body string) { feedOnce(t, h, body) })
}

func TestMutatedFeedRequests(t *testing.T) {
	h := open(t, nil)
	rapid.Check(t, func(t *rapid.T) {
		doc := []byte(fullFeed)
		for range rapid.IntRange(0, 4).Draw(t, "edits") {
			i := rapid.IntRange(0, len(doc)-1).Draw(t, "at")
			if rapid.Bool().Draw(t, "drop") {
				doc = append(doc[:i], doc[min(i+rapid.IntRange(1, 5).Draw(t, "n"), len(doc)):]...)
			} else {
				doc[i] = rapid.SampledFrom([]byte("{}[]\",:0129.eE+-tfn\\u \x00\xff")).Draw(t, "byte")
			}
		}
		feedOnce(t, h, string(doc))
	})
}

func FuzzEvents(f *testing.F) {
	f.Add(`[{"type":"impression","token":"a"},{"type":"purchase","event_id":"o","click_id":"c","value":"1.5","currency":"USD"}]`)
	f.Add(`{"events":[{"type":"install","event_id":"i","advertiser_id":"5","timestamp":"2026-11-21T10:00:00Z"}]}`)
	h := open(f, nil)
	f.Fuzz(func(t *testing.T, body string) {
		for _, uri := range []string{"/v1/events", "/v1/users"} {
			r := h.do("POST", uri, body, "X-Api-Key: operator")
			if s := r.StatusCode(); s != 200 && s != 400 || !json.Valid(r.Body()) {
				t.Fatalf("%s %q: %d %s", uri, body, s, r.Body())
			}
			if r.StatusCode() == 200 && !json.Valid([]byte(body)) {
				t.Fatalf("%s %q: accepted", uri, body)
			}
		}
	})
}
