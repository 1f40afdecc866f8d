package serving

import (
	"math/rand/v2"
	"testing"
	"time"

	"mazad/audience"
	"mazad/campaign"
	"mazad/campaign/campaigntest"
	"mazad/events"
	"mazad/internal/money"
	"mazad/targeting"
)

func TestDecideFillsTheFeed(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 2000, Seed: 1}, 1_000_000_000_000)
	var req Request
	var resp Response
	ads, full := 0, 0
	for i := range 500 {
		s.request(i, 3, &req)
		s.engine.Decide(&req, &resp)
		ads += len(resp.Ads)
		if len(resp.Ads) == 3 {
			full++
		}
		seen := map[uint64]bool{}
		for _, p := range resp.Ads {
			if seen[uint64(p.Creative.Advertiser)] {
				t.Fatalf("request %d: advertiser %s twice", i, p.Creative.AdvertiserID)
			}
			seen[uint64(p.Creative.Advertiser)] = true
			var tok events.Token
			if st := s.sealer.Open(&tok, p.Token, events.UseImpression, s.clock.Now().UnixMilli()); st != events.StateOK {
				t.Fatalf("request %d: token is %s", i, st)
			}
			if tok.Ad != p.Creative.Ad || tok.PriceNanos != p.Price || tok.AuctionID != resp.AuctionID || string(tok.Destination) != p.Creative.LandingURL {
				t.Fatalf("request %d: token %+v does not tell of %+v", i, tok, p)
			}
		}
	}
	if full < 250 {
		t.Errorf("%d of 500 requests were filled (%d ads); the workload matches 0.85 %% of 2,000", full, ads)
	}
}

func TestI2PricesLieBetweenFloorAndBid(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 3000, Seed: 2}, 1_000_000_000_000)
	bids := map[uint64]money.Nanos{}
	for i := range s.engine.Snapshot().groups {
		g := &s.engine.Snapshot().groups[i]
		bids[uint64(g.id)] = g.bid
	}
	var req Request
	var resp Response
	for i := range 500 {
		s.request(i, 5, &req)
		s.engine.Decide(&req, &resp)
		for _, p := range resp.Ads {
			if p.Price <= 0 || p.Price > bids[uint64(p.Creative.AdGroup)] {
				t.Fatalf("request %d: price %s, bid %s", i, p.Price, bids[uint64(p.Creative.AdGroup)])
			}
			if p.Creative.BillingEvent == "CPM" && p.Price < s.market.Floor {
				t.Fatalf("request %d: price %s below the floor %s", i, p.Price, s.market.Floor)
			}
		}
	}
}

func TestI7DecideAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	s := newStage(t, campaigntest.Options{AdGroups: 10_000, Seed: 3}, 1_000_000_000_000)
	reqs := make([]Request, 64)
	for i := range reqs {
		s.request(i, 3, &reqs[i])
	}
	var resp Response
	n := 0
	run := func() {
		s.engine.Decide(&reqs[n%len(reqs)], &resp)
		n++
	}
	for range 4 * len(reqs) {
		run()
	}
	if a := testing.AllocsPerRun(1000, run); a != 0 {
		t.Errorf("Decide allocates %v times a request", a)
	}
}

func TestI9ReasonsAddUp(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 1500, Seed: 4}, 1_000_000_000_000)
	var req Request
	var resp Response
	var tr Trace
	for i := range 100 {
		s.request(i, 4, &req)
		if i%3 == 0 {
			req.Signals.LMT = true
		}
		s.engine.Explain(&req, &resp, &tr)
		active, matched, outcomes := tr.Counts()
		sum := 0
		for _, n := range outcomes {
			sum += n
		}
		if sum != matched || outcomes[ReasonNone] != len(resp.Ads) {
			t.Fatalf("request %d: %d matched, outcomes add up to %d; %d won, %d placed", i, matched, sum, outcomes[ReasonNone], len(resp.Ads))
		}
		outside := 0
		for _, n := range tr.outsiders {
			outside += n
		}
		if active != s.engine.Snapshot().AdGroups() || outside+matched != active {
			t.Fatalf("request %d: %d active, %d matched, %d did not", i, active, matched, outside)
		}
	}
}

func TestI9ExplainIsDecide(t *testing.T) {
	one := newStage(t, campaigntest.Options{AdGroups: 1500, Seed: 5}, 1_000_000_000_000)
	two := newStage(t, campaigntest.Options{AdGroups: 1500, Seed: 5}, 1_000_000_000_000)
	var req Request
	var a, b Response
	var tr Trace
	for i := range 200 {
		one.request(i, 3, &req)
		one.engine.Decide(&req, &a)
		two.engine.Explain(&req, &b, &tr)
		if len(a.Ads) != len(b.Ads) {
			t.Fatalf("request %d: %d ads, explained %d", i, len(a.Ads), len(b.Ads))
		}
		for k := range a.Ads {
			if string(a.Ads[k].Token) != string(b.Ads[k].Token) {
				t.Fatalf("request %d slot %d: explaining changed the outcome", i, k)
			}
		}
	}
}

// TestI10ContextualIgnoresThePerson: without permission the decision is the same
// whatever the personal fields say.
func TestI10ContextualIgnoresThePerson(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	refusals := []func(*Request){
		func(r *Request) { r.Signals.COPPA = true },
		func(r *Request) { r.Signals.Age = 15 },
		func(r *Request) { r.Signals.LMT = true },
		func(r *Request) { r.Signals.GPC = true },
		func(r *Request) { r.Signals.Consent = audience.ConsentDenied },
	}
	for k, refuse := range refusals {
		one := newStage(t, campaigntest.Options{AdGroups: 1000, Seed: 7}, 1_000_000_000_000)
		two := newStage(t, campaigntest.Options{AdGroups: 1000, Seed: 7}, 1_000_000_000_000)
		for i := range two.queries { // other people with the same names
			two.users[userName(i)] = audience.Profile{Known: true, Ord: audience.UserOrd(9000 + i), Age: 44, Consent: audience.ConsentGranted, Segments: []uint32{uint32(rng.IntN(1000))}}
		}
		var x, y Request
		var a, b Response
		served := 0
		for i := range 150 {
			one.request(i, 3, &x)
			two.request(i, 3, &y)
			refuse(&x)
			refuse(&y)
			y.UserID = []byte(userName(rng.IntN(len(two.queries))))
			y.City, y.Gender, y.OSVersion = targeting.City(rng.Uint32()), targeting.Gender(1+rng.IntN(2)), targeting.Version(rng.Uint32())
			y.IP24, y.UserAgent = [3]byte{10, 1, byte(i)}, []byte("another device")
			one.engine.Decide(&x, &a)
			two.engine.Decide(&y, &b)
			if a.Universe != audience.Contextual || b.Universe != audience.Contextual {
				t.Fatalf("refusal %d request %d: universe %s and %s", k, i, a.Universe, b.Universe)
			}
			if len(a.Ads) != len(b.Ads) {
				t.Fatalf("refusal %d request %d: %d ads for one, %d for the other", k, i, len(a.Ads), len(b.Ads))
			}
			for n := range a.Ads {
				served++
				if string(a.Ads[n].Token) != string(b.Ads[n].Token) {
					t.Fatalf("refusal %d request %d: the token knows who asked", k, i)
				}
				var tok events.Token
				one.sealer.Open(&tok, a.Ads[n].Token, events.UseImpression, one.clock.Now().UnixMilli())
				if tok.HasUser || tok.Gender != 0 {
					t.Fatalf("refusal %d request %d: the token names the user", k, i)
				}
			}
		}
		if served == 0 {
			t.Errorf("refusal %d: nothing was served, so nothing was compared", k)
		}
	}
}

// TestI10ChildrenSeeNoShopAndNoLeadAds: under 13, or coppa=1, such campaigns do not
// compete; a teenager may see them by context.
func TestI10ChildrenSeeNoShopAndNoLeadAds(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 1, Seed: 9, CPMOnly: true}, 1_000_000_000)
	s.tree.AdGroups[0] = blank(s.tree.AdGroups[0])
	f := func(o campaign.Objective, signals audience.Signals, want Reason) {
		t.Helper()
		s.tree.Campaigns[0].Objective = o
		s.publish(t)
		var req Request
		var resp Response
		s.request(0, 1, &req)
		req.Signals = signals
		s.engine.Decide(&req, &resp)
		if resp.Reason != want || (len(resp.Ads) == 1) != (want == ReasonNone) {
			t.Errorf("%s for %+v: %d ads, %s; want %s", o, signals, len(resp.Ads), resp.Reason, want)
		}
	}
	child, coppa, teen := audience.Signals{Age: 9}, audience.Signals{Age: 30, COPPA: true}, audience.Signals{Age: 15}
	for _, o := range []campaign.Objective{campaign.ObjectiveProductSales, campaign.ObjectiveLeadGeneration} {
		f(o, child, ReasonMinorPolicy)
		f(o, coppa, ReasonMinorPolicy)
		f(o, teen, ReasonNone)
	}
	f(campaign.ObjectiveReach, child, ReasonNone)
	f(campaign.ObjectiveReach, coppa, ReasonNone)
}

func TestDaypartingFollowsTheClock(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 1, Seed: 8, CPMOnly: true}, 1_000_000_000_000)
	g := &s.tree.AdGroups[0]
	*g = blank(*g)
	open := []byte(targeting.Dayparting{}.String())
	for i := range open {
		open[i] = '0'
	}
	local := noon.In(mustZone(t, s.tree.Advertisers[0].Zone))
	at := (int(local.Weekday())+6)%7*48 + local.Hour()*2 + local.Minute()/30
	open[at] = '1'
	g.Dayparting = string(open)
	s.publish(t)
	var req Request
	var resp Response
	ask := func() int {
		s.request(0, 1, &req)
		s.engine.Decide(&req, &resp)
		return len(resp.Ads)
	}
	if ask() != 1 {
		t.Fatalf("closed in its own half-hour: %s", resp.Reason)
	}
	s.clock.Advance(time.Hour)
	if ask() != 0 {
		t.Error("open an hour later")
	}
	s.clock.Advance(7*24*time.Hour - time.Hour)
	must(t, s.treasurer.Tick(t.Context(), s.clock.Now()))
	if ask() != 1 {
		t.Errorf("closed a week later: %s", resp.Reason)
	}
}

func BenchmarkDecide10k(b *testing.B) {
	s := newStage(b, campaigntest.Options{AdGroups: 10_000, Seed: 3}, 1_000_000_000_000_000)
	reqs := make([]Request, 512)
	for i := range reqs {
		s.request(i, 3, &reqs[i])
	}
	var resp Response
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		s.engine.Decide(&reqs[n%len(reqs)], &resp)
		if n++; n%8192 == 0 { // the tokens of the benchmark are never shown
			s.pass(holdLifetime + time.Second)
		}
	}
}
