package main

import (
	"fmt"
	"net/http"
	"path"
	"sync/atomic"
	"testing"
	"time"
)

// wallClock runs like the machine's and can be set.
type wallClock struct{ ahead atomic.Int64 }

func (c *wallClock) Now() time.Time        { return time.Now().UTC().Add(time.Duration(c.ahead.Load())) }
func (c *wallClock) jump(by time.Duration) { c.ahead.Add(int64(by)) }

// beaconStatus sends an impression and says what it was taken for.
func (h *testHouse) beaconStatus(url string) string {
	h.t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	return fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("X-Beacon"))
}

// untilHalfPast23 is how far ahead 23:30 is in a zone.
func untilHalfPast23(t *testing.T, zone string) time.Duration {
	t.Helper()
	z, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().In(z)
	return (24*time.Hour + time.Date(now.Year(), now.Month(), now.Day(), 23, 30, 0, 0, z).Sub(now)) % (24 * time.Hour)
}

// TestI4ClockJumps sets the clock of a serving node an hour forth and back: after
// each jump ads are placed and billed within a second, tokens that were used stay
// used, users and sales are taken, reports go on, and the books are equal, also
// for the life after.
func TestI4ClockJumps(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.ClickHouse.Off, cfg.ClickHouse.Library = false, engines(t)
	clk := &wallClock{}
	clk.ahead.Store(int64(untilHalfPast23(t, "Asia/Kathmandu"))) // the jumps pass the advertiser's midnight, both ways
	h := openHouseAt(t, cfg, clk)
	a := h.newAgency()
	a.adGroup("")
	a.adGroup("") // one that nobody has a token of
	key := h.post(h.operator, "/mazad/v1/token/create/", `{"name":"events","scope":"event"}`).Data.Token
	var old []string
	placed, sold := 0, 0
	for _, by := range []time.Duration{0, time.Hour, time.Hour, -time.Hour, -time.Hour, time.Hour} {
		clk.jump(by)
		if err := h.n.tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			var ad feedAd
			h.until(fmt.Sprintf("an ad after a jump of %s", by), 2*time.Second, func() bool {
				if got := h.feed(plainRequest).Ads; len(got) > 0 {
					ad = got[0]
				}
				return ad.ImpURL != ""
			})
			if got := h.beaconStatus(ad.ImpURL); got != "200 billed" {
				t.Errorf("after a jump of %s an impression is %q, want billed", by, got)
			}
			placed++
			old = append(old, ad.ImpURL)
			sold++
			var answer struct{ Results []struct{ Status string } }
			body := fmt.Sprintf(`[{"type":"click","token":%[1]q},{"type":"purchase","event_id":"sale-%d","click_id":%[1]q,"value":"9.99","currency":"USD"}]`, path.Base(ad.ClickURL), sold)
			if status := h.call("POST", h.ads+"/v1/events", key, body, &answer); status != 200 || len(answer.Results) != 2 || answer.Results[0].Status != "free" || answer.Results[1].Status != "free" {
				t.Errorf("after a jump of %s events are %d %+v", by, status, answer)
			}
		}
		for _, url := range old {
			if got := h.beaconStatus(url); got != "200 repeat" && got != "200 expired" {
				t.Errorf("after a jump of %s a used token is %q", by, got)
			}
		}
		if status := h.call("POST", h.ads+"/v1/users", key, `[{"id":"u9","age":30,"consent":"granted"}]`, nil); status != 200 {
			t.Errorf("after a jump of %s a user is %d", by, status)
		}
		if err := h.n.clickhouse.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		if v := h.verify(); v.Spend["USD"] == "" {
			t.Errorf("after a jump of %s nothing was spent", by)
		}
	}
	spent := a.ledgerSpend()
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	clk.jump(-time.Hour) // set right while it was off
	a.h = openHouseAt(t, cfg, clk)
	if err := a.h.n.clickhouse.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, url := range old {
		if got := a.h.beaconStatus(rebase(t, url, a.h.ads)); got != "200 repeat" && got != "200 expired" {
			t.Errorf("in the next life a used token is %q", got)
		}
	}
	if got := a.ledgerSpend(); got != spent {
		t.Errorf("the next life says %s was spent, it was %s", got, spent)
	}
	a.h.until("an ad in the next life", 2*time.Second, func() bool { return len(a.h.feed(plainRequest).Ads) > 0 })
}
