package serving

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mazad/campaign/campaigntest"
	"mazad/events"
	"mazad/events/diary"
	"mazad/internal/id"
	"mazad/internal/money"
)

// track adds a tracker and a real diary to a stage.
func (s *stage) track(t testing.TB) (*Tracker, *diary.Diary) {
	t.Helper()
	d, err := diary.Open(context.Background(), diary.Config{Dir: t.TempDir(), Clock: s.clock})
	must(t, err)
	t.Cleanup(func() { _ = d.Close(context.Background()) })
	return s.trackInto(t, d), d
}

func (s *stage) trackInto(t testing.TB, log Log) *Tracker {
	t.Helper()
	tr, err := NewTracker(TrackerConfig{
		Clock: s.clock, Sealer: s.sealer, Used: events.NewUsed(), Log: log, Treasurer: s.treasurer,
		Attribution: events.NewAttribution(events.AttributionConfig{}), Users: s.users,
	})
	must(t, err)
	return tr
}

// serveOne asks until an ad of the wanted billing comes, and returns a copy of
// its token.
func (s *stage) serveOne(t testing.TB, billing string, door Door) (Placed, []byte) {
	t.Helper()
	var req Request
	var resp Response
	for i := range 2000 {
		s.request(i, 3, &req)
		req.Door = door
		s.engine.Decide(&req, &resp)
		for _, p := range resp.Ads {
			if p.Creative.BillingEvent == billing {
				token := append([]byte(nil), p.Token...)
				p.Token = token
				return p, token
			}
		}
	}
	t.Fatalf("no %s ad in 2,000 requests", billing)
	return Placed{}, nil
}

// records reads the whole money stream.
func records(t testing.TB, d *diary.Diary) (out []events.Record) {
	t.Helper()
	_, last, err := d.Last(context.Background(), diary.Money)
	must(t, err)
	must(t, d.Read(context.Background(), diary.Money, 1, last, func(b *diary.Batch) error {
		return b.Each(nil, func(r *events.Record) error {
			c := *r
			c.Features, c.Body, c.Personal = nil, nil, events.Personal{Ord: r.Personal.Ord, State: r.Personal.State}
			c.Conversion.Name, c.Conversion.EventID = append([]byte(nil), r.Conversion.Name...), append([]byte(nil), r.Conversion.EventID...)
			out = append(out, c)
			return nil
		})
	}))
	return out
}

// counted leaves the refusals out.
func counted(all []events.Record) (out []events.Record) {
	for _, r := range all {
		if r.Verdict != events.VerdictRefused {
			out = append(out, r)
		}
	}
	return out
}

func TestI4ATokenIsBilledOnce(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 500, Seed: 11, CPMOnly: true}, 1_000_000_000)
	tr, d := s.track(t)
	p, token := s.serveOne(t, "CPM", DoorFeed)
	var billed, repeated atomic.Int64
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			switch r := tr.Confirm(context.Background(), &Beacon{Signal: SignalImpression, Token: token}); r.Status {
			case BeaconBilled:
				billed.Add(1)
			case BeaconRepeat:
				repeated.Add(1)
			default:
				t.Errorf("status %s", r.Status)
			}
		})
	}
	wg.Wait()
	if billed.Load() != 1 || repeated.Load() != 99 {
		t.Errorf("%d billed, %d repeats; want 1 and 99", billed.Load(), repeated.Load())
	}
	got := counted(records(t, d))
	if len(got) != 1 || got[0].BilledNanos != p.Price || got[0].AdGroup != p.Creative.AdGroup {
		t.Errorf("the diary holds %+v, want one record billed %s", got, p.Price)
	}
}

func TestOnlyTheBillingEventBills(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 2000, Seed: 12}, 1_000_000_000)
	tr, _ := s.track(t)
	f := func(billing string, bills Signal) {
		t.Helper()
		_, token := s.serveOne(t, billing, DoorFeed)
		for _, sig := range []Signal{SignalImpression, SignalClick, SignalView} {
			want := BeaconFree
			if sig == bills {
				want = BeaconBilled
			}
			r := tr.Confirm(context.Background(), &Beacon{Signal: sig, Token: token})
			if r.Status != want {
				t.Errorf("%s ad, %s: %s, want %s", billing, sig, r.Status, want)
			}
			if r := tr.Confirm(context.Background(), &Beacon{Signal: sig, Token: token}); r.Status != BeaconRepeat {
				t.Errorf("%s ad, second %s: %s, want repeat", billing, sig, r.Status)
			}
		}
	}
	f("CPM", SignalImpression)
	f("CPC", SignalClick)
	f("CPV", SignalView)
}

func TestExchangePaysTheClearingPriceUpToTheBid(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 1000, Seed: 13}, 1_000_000_000)
	tr, d := s.track(t)
	f := func(price func(bid money.Nanos) (money.Nanos, bool), want func(bid money.Nanos) money.Nanos, reason events.Reason) {
		t.Helper()
		p, token := s.serveOne(t, "CPM", DoorOpenRTB)
		for _, sig := range []Signal{SignalWin, SignalImpression} {
			if r := tr.Confirm(context.Background(), &Beacon{Signal: sig, Token: token}); r.Status != BeaconFree {
				t.Errorf("%s: %s, want free", sig, r.Status)
			}
		}
		b := Beacon{Signal: SignalBill, Token: token}
		b.Price, b.HasPrice = price(p.Price)
		if r := tr.Confirm(context.Background(), &b); r.Status != BeaconBilled {
			t.Errorf("burl: %s", r.Status)
		}
		got := records(t, d)
		if last := got[len(got)-1]; last.BilledNanos != want(p.Price) || last.Reason != reason {
			t.Errorf("billed %s (%s), want %s (%s); the bid was %s", last.BilledNanos, last.Reason, want(p.Price), reason, p.Price)
		}
	}
	bid := func(b money.Nanos) money.Nanos { return b }
	f(func(b money.Nanos) (money.Nanos, bool) { return b / 2, true }, func(b money.Nanos) money.Nanos { return b / 2 }, events.ReasonNone)
	f(func(b money.Nanos) (money.Nanos, bool) { return b, true }, bid, events.ReasonNone)
	f(func(money.Nanos) (money.Nanos, bool) { return 0, true }, func(money.Nanos) money.Nanos { return 0 }, events.ReasonNone)
	f(func(b money.Nanos) (money.Nanos, bool) { return b + 1, true }, bid, events.ReasonBadPrice)
	f(func(money.Nanos) (money.Nanos, bool) { return -1, true }, bid, events.ReasonBadPrice)
	f(func(money.Nanos) (money.Nanos, bool) { return 0, false }, bid, events.ReasonBadPrice)
	if got := tr.Stats().BadPrice.Load(); got != 3 {
		t.Errorf("%d bad prices counted, want 3", got)
	}
}

func TestALostAuctionGivesItsHoldBack(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 1000, Seed: 14}, 1_000_000_000)
	tr, _ := s.track(t)
	_, before := s.treasurer.Pacing()
	_, token := s.serveOne(t, "CPM", DoorOpenRTB)
	_, served := s.treasurer.Pacing()
	tr.Confirm(context.Background(), &Beacon{Signal: SignalLoss, Token: token, LossCode: 102})
	_, after := s.treasurer.Pacing()
	if after.Held != served.Held-1 || served.Held <= before.Held {
		t.Errorf("holds: %d before, %d served, %d after the loss", before.Held, served.Held, after.Held)
	}
	if r := tr.Confirm(context.Background(), &Beacon{Signal: SignalBill, Token: token}); r.Status != BeaconBilled {
		t.Errorf("an exchange that bills a lost auction all the same: %s", r.Status) // from what is left of the budget, up to the bid
	}
}

func TestForgedAndExpiredTokens(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 500, Seed: 15, CPMOnly: true}, 1_000_000_000)
	tr, d := s.track(t)
	_, token := s.serveOne(t, "CPM", DoorFeed)
	ask := func(sig Signal, tok string) Receipt {
		return tr.Confirm(context.Background(), &Beacon{Signal: sig, Token: []byte(tok)})
	}
	for _, bad := range []string{"", "x", strings.Repeat("A", 300), string(token[:len(token)-1]), flip(token, 5), flip(token, len(token)/2)} {
		if r := ask(SignalClick, bad); r.Status != BeaconForged || r.Redirect != "" {
			t.Errorf("token %.20q: %s, redirect %q", bad, r.Status, r.Redirect)
		}
	}
	s.clock.Advance(holdLifetime + time.Second)
	if r := ask(SignalImpression, string(token)); r.Status != BeaconExpired {
		t.Errorf("impression after %s: %s", holdLifetime, r.Status)
	}
	if r := ask(SignalClick, string(token)); r.Status != BeaconFree || r.Redirect == "" {
		t.Errorf("a click token lives 24 hours: %s, redirect %q", r.Status, r.Redirect)
	}
	s.clock.Advance(24 * time.Hour)
	if r := ask(SignalClick, string(token)); r.Status != BeaconExpired || !strings.Contains(r.Redirect, "mzclid=") {
		t.Errorf("an old click still goes to its page: %s, redirect %q", r.Status, r.Redirect)
	}
	if n := len(counted(records(t, d))); n != 1 {
		t.Errorf("%d records, want the one click", n)
	}
}

func flip(token []byte, i int) string {
	b := append([]byte(nil), token...)
	if b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return string(b)
}

func TestClickGoesOnlyToTheSignedDestination(t *testing.T) {
	f := func(destination, token, want string) {
		t.Helper()
		if got := withClickID([]byte(destination), []byte(token)); got != want {
			t.Errorf("%q: %q, want %q", destination, got, want)
		}
	}
	f("https://a.example/p", "T", "https://a.example/p?mzclid=T")
	f("https://a.example/p?x=1", "T", "https://a.example/p?x=1&mzclid=T")
	f("https://a.example/p#top", "T", "https://a.example/p?mzclid=T#top")
	f("https://a.example/?q=a#b?c", "T", "https://a.example/?q=a&mzclid=T#b?c")
}

// TestARefusedRecordIsNoVerdict: when the diary cannot take a record, nothing is
// billed, nothing is used up, and a retry is judged afresh.
func TestARefusedRecordIsNoVerdict(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 500, Seed: 16, CPMOnly: true}, 1_000_000_000)
	broken := &brokenLog{}
	tr := s.trackInto(t, broken)
	_, token := s.serveOne(t, "CPM", DoorFeed)
	for range 3 {
		if r := tr.Confirm(context.Background(), &Beacon{Signal: SignalImpression, Token: token}); r.Status != BeaconOverload {
			t.Fatalf("status %s while the diary is away", r.Status)
		}
	}
	d, err := diary.Open(context.Background(), diary.Config{Dir: t.TempDir(), Clock: s.clock})
	must(t, err)
	defer d.Close(context.Background())
	broken.real = d
	if r := tr.Confirm(context.Background(), &Beacon{Signal: SignalImpression, Token: token}); r.Status != BeaconBilled {
		t.Errorf("status %s after the diary came back", r.Status)
	}
	if got := tr.Stats().Undone.Load(); got != 3 {
		t.Errorf("%d verdicts taken back, want 3", got)
	}
}

type brokenLog struct{ real *diary.Diary }

func (b *brokenLog) Enqueue(rs ...*events.Record) (diary.Ticket, error) {
	if b.real != nil {
		return b.real.Enqueue(rs...)
	}
	return diary.Ticket{}, diary.ErrUnavailable
}

func TestConversionsAreCreditedOnce(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 2000, Seed: 17}, 1_000_000_000)
	tr, d := s.track(t)
	p, token := s.serveOne(t, "CPC", DoorFeed)
	tr.Confirm(context.Background(), &Beacon{Signal: SignalImpression, Token: token})
	tr.Confirm(context.Background(), &Beacon{Signal: SignalClick, Token: token})
	s.clock.Advance(time.Hour)
	sale := Conversion{Advertiser: p.Creative.Advertiser, Name: "COMPLETE_PAYMENT", EventID: "order-1", ClickToken: token, TimeMS: s.clock.Now().UnixMilli(), Value: 25_000_000_000, Currency: "USD"}
	if r := tr.Convert(context.Background(), &sale); r.Status != BeaconFree {
		t.Fatalf("first report: %s", r.Status)
	}
	if r := tr.Convert(context.Background(), &sale); r.Status != BeaconRepeat {
		t.Errorf("second report: %s", r.Status)
	}
	other := sale
	other.Advertiser, other.EventID = p.Creative.Advertiser+1, "order-2"
	tr.Convert(context.Background(), &other)
	got := records(t, d)
	credited, foreign := got[len(got)-2], got[len(got)-1]
	if credited.Kind != events.KindConversion || credited.Ad != p.Creative.Ad || credited.Conversion.Match != events.MatchToken {
		t.Errorf("credited: %+v", credited)
	}
	if string(foreign.Currency[:]) != "USD" {
		t.Errorf("an unattributed conversion has no currency: a report would show it on a line of its own")
	}
	if foreign.Ad != 0 || foreign.Reason != events.ReasonUnattributed || foreign.Advertiser != id.Advertiser(other.Advertiser) {
		t.Errorf("another advertiser's click id gave credit: %+v", foreign)
	}
}
