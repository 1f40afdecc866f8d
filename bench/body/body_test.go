package body_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"mazad/api/ads/openrtb"
	"mazad/audience"
	"mazad/bench/body"
	"mazad/serving"
	"mazad/targeting"
)

func TestBodiesHaveTheirSizeAndRepeat(t *testing.T) {
	f := func(name string, size int, next func(*body.Generator, []byte) []byte) {
		t.Helper()
		a, b, other := body.New(7, 1000), body.New(7, 1000), body.New(8, 1000)
		var dst []byte
		different := 0
		for i := range 2000 {
			dst = next(a, dst)
			if len(dst) != size || !json.Valid(dst) {
				t.Fatalf("%s %d: %d bytes, want %d of valid JSON: %s", name, i, len(dst), size, dst)
			}
			if !bytes.Equal(dst, next(b, nil)) {
				t.Fatalf("%s %d: the same seed gives another body", name, i)
			}
			if !bytes.Equal(dst, next(other, nil)) {
				different++
			}
		}
		if different != 2000 {
			t.Errorf("%s: another seed repeats %d bodies", name, 2000-different)
		}
	}
	f("OpenRTB", body.OpenRTBBytes, (*body.Generator).OpenRTB)
	f("feed", body.FeedBytes, (*body.Generator).Feed)
}

func TestOpenRTBHasWhatARequestNeeds(t *testing.T) {
	g, countries := body.New(1, 0), map[string]int{}
	for range 2000 {
		var r struct {
			ID  string
			Imp []struct {
				ID     string
				Banner *struct{ Format []struct{ W, H int } }
				Video  *struct{ Mimes []string }
			}
			App    struct{ Bundle string }
			Device struct {
				UA, IP, OS string
				Geo        struct{ Country string }
			}
			User struct{ ID string }
		}
		if err := json.Unmarshal(g.OpenRTB(nil), &r); err != nil {
			t.Fatal(err)
		}
		if r.ID == "" || len(r.Imp) != 1 || r.Imp[0].Banner == nil || r.Imp[0].Video == nil || r.App.Bundle == "" || r.Device.UA == "" || r.User.ID == "" {
			t.Fatalf("request %+v", r)
		}
		countries[r.Device.Geo.Country]++
	}
	if len(countries) != 11 || countries["USA"] < countries["JPN"] {
		t.Errorf("countries %v", countries)
	}
}

func TestFeedHasWhatARequestNeeds(t *testing.T) {
	g, users := body.New(1, 50), map[string]bool{}
	for range 2000 {
		var r struct {
			User    string `json:"user_id"`
			Slots   int
			Country string
			Age     int
			Device  struct{ OS string }
			Recent  []string `json:"recent_ads"`
			Context struct{ Hashtags []string }
			Consent struct {
				Personal bool `json:"personalized_ads"`
			}
		}
		if err := json.Unmarshal(g.Feed(nil), &r); err != nil {
			t.Fatal(err)
		}
		if r.Slots != body.FeedSlots || len(r.Country) != 2 || r.Age < 18 || r.Device.OS == "" || len(r.Recent) != 4 || len(r.Context.Hashtags) != 3 || !r.Consent.Personal {
			t.Fatalf("request %+v", r)
		}
		users[r.User] = true
	}
	if len(users) != 50 {
		t.Errorf("%d users, want 50", len(users))
	}
}

// The bodies must be sellable, and to a personal audience where silence permits
// it: else a benchmark measures the path of a refusal.
func TestOpenRTBIsSellable(t *testing.T) {
	agents, err := openrtb.NewAgents(100)
	if err != nil {
		t.Fatal(err)
	}
	defer agents.Close()
	everywhere, err := audience.CountriesOf("US", "ID", "BR", "MX", "VN", "SA", "GB", "DE", "FR", "EG", "JP")
	if err != nil {
		t.Fatal(err)
	}
	policy := audience.Policy{OptOut: everywhere}
	g, d := body.New(3, 0), openrtb.NewDecoder(&openrtb.Config{Currency: "USD", Agents: agents})
	var req serving.Request
	for range 500 {
		req.Reset()
		text := g.OpenRTB(nil)
		if !d.Decode(text, time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), &req) {
			t.Fatalf("refused: %v: %s", d.Fault(), text)
		}
		if u, why := policy.Decide(req.Signals, nil); len(req.Slots) != 1 || u != audience.Personal {
			t.Fatalf("%d slots (%v), universe %v because %v: %s", len(req.Slots), d.Reason, u, why, text)
		}
		if req.Country == 0 || req.OS == targeting.OSUnknown || req.OSVersion == 0 || req.Language == 0 || req.Gender == targeting.GenderUnlimited {
			t.Fatalf("lost on the way: %+v", req)
		}
	}
}
