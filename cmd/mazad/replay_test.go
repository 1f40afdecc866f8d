package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mazad/campaign"
	"mazad/events"
	"mazad/events/diary"
	"mazad/internal/id"
	"mazad/serving"
)

// shifted is the machine's clock, some time ahead.
type shifted struct{ ahead atomic.Int64 }

func (s *shifted) Now() time.Time { return time.Now().UTC().Add(time.Duration(s.ahead.Load())) }

// lateEvening puts the clock a minute before midnight in a zone.
func lateEvening(t testing.TB, zone string) *shifted {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().In(loc)
	c := &shifted{}
	c.ahead.Store(int64(time.Date(now.Year(), now.Month(), now.Day(), 23, 59, 0, 0, loc).Sub(now)))
	return c
}

// served is an auction with what it answered.
type served struct {
	who, auction string
	ads          []string
}

func (h *testHouse) serve(who, body string) served {
	h.t.Helper()
	a := h.feed(body)
	s := served{who: who, auction: a.AuctionID}
	for _, ad := range a.Ads {
		s.ads = append(s.ads, ad.AdID)
	}
	return s
}

// replayed asks for a replay; a recording reaches its stream some milliseconds
// after the answer.
func (h *testHouse) replayed(auction string) (a replayAnswer) {
	h.t.Helper()
	h.until("the recording of "+auction, 5*time.Second, func() bool {
		a = replayAnswer{}
		if status := h.call("GET", h.admin+"/replay/"+auction, "", nil, &a); status != 200 {
			h.t.Fatalf("replay: %d", status)
		}
		return a.Kept
	})
	return a
}

// same checks that every auction is decided as it was.
func (h *testHouse) same(when string, all []served) {
	h.t.Helper()
	for _, s := range all {
		a := h.replayed(s.auction)
		var ads []string
		for _, ad := range a.Ads {
			ads = append(ads, ad.Ad)
		}
		if !a.Equal || !slices.Equal(ads, s.ads) {
			h.t.Fatalf("%s: auction %s of %s, which showed %q: %+v", when, s.auction, s.who, s.ads, a)
		}
	}
}

const (
	knownRequest = `{"user_id":"known","session_id":"s1","country":"NP","age":30,"slots":2,"consent":{"personalized_ads":true}}`
	minorRequest = `{"user_id":"minor","session_id":"s2","country":"NP","age":15,"slots":1}`
)

// TestI8ReplaysAfterEditsMidnightAndRestart: whatever was edited since, whatever
// day it is and however often the node was restarted, a recorded auction is decided
// again as it was; those of a forgotten user no longer, and they say so.
func TestI8ReplaysAfterEditsMidnightAndRestart(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.Replay.Sample = "1"
	clk := lateEvening(t, "Asia/Kathmandu") // the advertiser's zone
	h := openHouseAt(t, cfg, clk)
	a := h.newAgency()
	capped := a.adGroup(`,"frequency":2,"frequency_schedule":1`)
	users := `[{"id":"known","age":30,"gender":"female","segments":[9001],"consent":"granted"}]`
	key := h.post(h.operator, "/mazad/v1/token/create/", `{"name":"events","scope":"event"}`).Data.Token
	if status := h.call("POST", h.ads+"/v1/users", key, users, nil); status != 200 {
		t.Fatalf("users: %d", status)
	}
	h.until("the first ad", time.Second, func() bool { return len(h.feed(plainRequest).Ads) > 0 })

	var known, others []served
	round := func() {
		for range 4 { // more than the cap allows
			known = append(known, h.serve("known", knownRequest))
		}
		others = append(others, h.serve("minor", minorRequest), h.serve("stranger", plainRequest))
	}
	round()
	if n := len(known[3].ads); n != 0 {
		t.Fatalf("the cap lets %d ads through", n)
	}
	edit := func(body string) {
		h.post(a.token, "/open_api/v1.3/adgroup/update/", fmt.Sprintf(`{"advertiser_id":%q,"adgroup_id":%q,%s}`, a.advertiser, capped, body))
	}
	edit(`"bid_price":9`)
	other := a.adGroup("")
	h.until("the other ad group", time.Second, func() bool { return len(h.feed(knownRequest).Ads) > 0 })
	round()
	clk.ahead.Add(int64(2 * time.Minute))
	h.until("the ads of the next day", 5*time.Second, func() bool { s := h.serve("known", knownRequest); known = append(known, s); return len(s.ads) > 0 })
	round()
	a.setStatus(other, "DISABLE")
	edit(`"location_ids":["DE"]`)
	all := append(slices.Clone(known), others...)
	h.same("after edits and midnight", all)

	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	h = openHouseAt(t, cfg, clk)
	a.h = h
	a.setStatus(other, "ENABLE")
	h.same("after a restart", all)
	if status := h.call("DELETE", h.ads+"/v1/users/known", key, nil, nil); status != 200 {
		t.Fatalf("forget: %d", status)
	}
	h.same("after somebody else was forgotten", others)
	for _, s := range known {
		r := h.replayed(s.auction)
		if r.Equal || len(r.Ads) != 0 || !strings.Contains(r.Why, "forgotten") || len(s.ads) > 0 && !strings.Contains(r.Why, s.ads[0]) {
			t.Fatalf("auction %s of a forgotten user: %+v", s.auction, r)
		}
	}
}

// TestReplayCommand: the command asks the running server or opens the data
// directory, explained auctions are always kept, and what cannot be replayed is
// told with the reason.
func TestReplayCommand(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.Replay.Sample = "0"
	h := openHouse(t, cfg)
	h.newAgency().adGroup("")
	h.until("the first ad", time.Second, func() bool { return len(h.feed(plainRequest).Ads) > 0 })
	var explained feedAnswer
	if status := h.call("POST", h.ads+"/v1/ads?explain=1", "", plainRequest, &explained); status != 200 {
		t.Fatalf("explain: %d", status)
	}
	r := h.replayed(explained.AuctionID)
	if !r.Equal || !r.Explained || len(r.Ads) != 1 || r.Engine != serving.EngineVersion || r.Outcomes["won"] != 1 {
		t.Fatalf("an explained auction: %+v", r)
	}
	other := h.otherEngine(explained.AuctionID)
	plain, now := h.feed(plainRequest).AuctionID, time.Now().UnixMilli()
	part := h.n.life.Node
	file := filepath.Join(cfg.DataDir, "replay.yaml")
	command := func(args ...string) (string, error) {
		_, _, admin := h.n.addresses()
		text := fmt.Sprintf("data_dir: %s\nadmin: {listen: %q}\nclickhouse: {off: true}\nsecrets: {token_key_file: %q}\nreplay: {sample: \"0\"}\ncapacity: {outstanding_tokens: 65536, frequency_entries: 4096}\n",
			cfg.DataDir, strings.TrimPrefix(admin, "http://"), cfg.Secrets.TokenKeyFile)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, logs bytes.Buffer
		err := run(t.Context(), append([]string{"replay", "-c", file}, args...), &out, &logs)
		return out.String(), err
	}
	check := func(when string) {
		t.Helper()
		for _, c := range []struct{ auction, says, fails string }{
			{explained.AuctionID, "EQUAL: the same decision, bit for bit", ""},
			{other, fmt.Sprintf("another engine: version 0 (an older build) decided it, version %d", serving.EngineVersion), errReplayDiffers.Error()},
			{plain, "not in the sample: a share of 0 ", errNotReplayed.Error()},
			{"nonsense", "want 32 hexadecimal digits", errNotReplayed.Error()},
			{id.MakeEvent(now, 0, part, 1<<40).String(), "no auction with this id is known here", errNotReplayed.Error()},
			{id.MakeEvent(now, 0, part+1, 1).String(), fmt.Sprintf("decided by node %d of region 0", part+1), errNotReplayed.Error()},
			{id.MakeEvent(now-25*3600_000, 0, part, 1).String(), "recordings are kept for 24h0m0s", errNotReplayed.Error()},
			{id.MakeEvent(now+25*3600_000, 0, part, 1).String(), "in the future", errNotReplayed.Error()},
		} {
			out, err := command(c.auction)
			if !strings.Contains(out, c.says) || (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: replay %s: %v\n%s want %q, %q", when, c.auction, err, out, c.says, c.fails)
			}
		}
	}
	h.until("the decision of the plain request", 5*time.Second, func() bool {
		r, err := h.n.replay(t.Context(), plain)
		return err == nil && strings.Contains(r.Why, "sample")
	})
	check("running")
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	check("stopped")
	out, err := command("--json", explained.AuctionID)
	var a replayAnswer
	if err != nil || json.Unmarshal([]byte(out), &a) != nil || !a.Equal {
		t.Errorf("as JSON: %v %s", err, out)
	}
}

// otherEngine writes the recording of an auction as another engine would have,
// that priced one nano higher.
func (h *testHouse) otherEngine(auction string) string {
	h.t.Helper()
	event, err := id.ParseEvent(auction)
	if err != nil {
		h.t.Fatal(err)
	}
	kept, err := h.n.diary.Find(h.t.Context(), h.n.diary.ReplayStream(), event)
	if err != nil || kept == nil {
		h.t.Fatal(kept, err)
	}
	rec, err := serving.ParseRecording(kept.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	rec.Engine, rec.Build = 0, "an older build"
	rec.Ads[0].Price++
	rec.Auction.Lo += 1 << 20
	again := events.Record{ID: rec.Auction, AuctionID: rec.Auction, Kind: events.KindReplay, Body: rec.Append(nil), Personal: kept.Personal}
	if !h.n.diary.OfferReplay(&again) {
		h.t.Fatal("dropped")
	}
	r := h.replayed(rec.Auction.String())
	if r.Equal || len(r.Differences) == 0 || !strings.Contains(r.Differences[0], "slot 0: recorded ad") {
		h.t.Fatalf("another price: %+v", r)
	}
	return rec.Auction.String()
}

// TestI8EveryAuctionOfADemoIsReplayed: real traffic, many requests at once beside
// ticks, learning and running budgets: whatever an auction met in that moment is in
// its recording.
func TestI8EveryAuctionOfADemoIsReplayed(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.Replay.Sample = "1"
	cfg.Privacy.OptOutCountries = []string{"US", "AE", "SA"}
	h := openHouse(t, cfg)
	w, err := h.n.demoWorld(t.Context(), filepath.Join(cfg.DataDir, "demo.json"), 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.n.demoTraffic(ctx, io.Discard, w, demoOptions{rate: 400, seed: 1}) }()
	want := uint64(1500)
	if testing.Short() {
		want = 300
	}
	h.until("the traffic", time.Minute, func() bool { return h.n.diary.Stats().Replays >= want })
	cancel()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	key, err := h.n.tokenKey()
	if err != nil {
		t.Fatal(err)
	}
	nobody, err := nobodysKey(key)
	if err != nil {
		t.Fatal(err)
	}
	auctions, refused, ads, trees := 0, 0, 0, map[int64]campaign.Tree{}
	_, last, err := h.n.diary.Last(t.Context(), diary.Replays)
	if err != nil {
		t.Fatal(err)
	}
	err = h.n.diary.Read(t.Context(), diary.Replays, 0, last, func(b *diary.Batch) error {
		return b.Each(userKeys{h.n.users, nobody}, func(r *events.Record) error {
			rec, err := serving.ParseRecording(r.Body)
			if err != nil {
				return err
			}
			tree, ok := trees[rec.Revision]
			if !ok {
				if tree, err = h.n.campaigns.LoadAt(t.Context(), campaign.Revision(rec.Revision)); err != nil {
					return err
				}
				trees[rec.Revision] = tree
			}
			again, err := serving.Replay(rec, &tree)
			if err != nil {
				return err
			}
			if diff := rec.Differences(again); len(diff) > 0 {
				return fmt.Errorf("auction %s: %q", rec.Auction, diff)
			}
			auctions, ads = auctions+1, ads+len(rec.Ads)
			for _, a := range rec.Auctions {
				refused += len(a.Refused)
			}
			return nil
		})
	})
	if err != nil || auctions < int(want) || ads < auctions {
		t.Errorf("%d auctions replayed, %d ads: %v", auctions, ads, err)
	}
	t.Logf("%d auctions, %d ads, %d refused holds, %d revisions", auctions, ads, refused, len(trees))
}
