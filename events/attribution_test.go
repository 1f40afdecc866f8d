package events_test

import (
	"fmt"
	"testing"

	"mazad/events"
	"mazad/internal/id"
)

const dayMS = 24 * hour

type shop struct {
	t *testing.T
	a *events.Attribution
	n uint64
}

func newShop(t *testing.T, cfg events.AttributionConfig) *shop {
	return &shop{t: t, a: events.NewAttribution(cfg)}
}

func (s *shop) click(adv id.Advertiser, user uint32, at int64) events.TokenID {
	s.n++
	c := events.Click{ID: id.MakeEvent(at, 0, 0, s.n), Token: events.TokenID{Serial: s.n}, TimeMS: at, Advertiser: adv,
		Ad: id.Ad(s.n), HasUser: user != 0, User: user}
	s.a.Click(&c)
	return c.Token
}

// sale asks for credit and checks the ad (0 = none) and whether it was a duplicate.
func (s *shop) sale(sale events.Sale, wantAd id.Ad, wantDup bool) events.Credit {
	s.t.Helper()
	if sale.Advertiser == 0 {
		sale.Advertiser = 1
	}
	if sale.ReceivedMS == 0 {
		sale.ReceivedMS = sale.TimeMS
	}
	sale.Name, sale.HasUser = []byte("PAY"), sale.User != 0
	c := s.a.Credit(&sale)
	if c.Duplicate != wantDup || c.Click.Ad != wantAd || (c.Match != events.MatchNone) != (wantAd != 0) {
		s.t.Errorf("credited to ad %d (%s), duplicate %v; want ad %d, duplicate %v", c.Click.Ad, c.Match, c.Duplicate, wantAd, wantDup)
	}
	return c
}

func TestLastClickOfTheUserWithinSevenDays(t *testing.T) {
	s := newShop(t, events.AttributionConfig{})
	s.click(1, 5, 1*dayMS)
	s.click(1, 5, 3*dayMS)
	s.click(2, 5, 4*dayMS) // another advertiser's
	s.click(1, 6, 4*dayMS) // another user's
	s.click(1, 0, 4*dayMS) // nobody's
	s.sale(events.Sale{User: 5, TimeMS: 5 * dayMS}, 2, false)
	s.sale(events.Sale{User: 5, TimeMS: 2 * dayMS}, 1, false) // late report of an earlier sale
	s.sale(events.Sale{User: 5, TimeMS: 10 * dayMS}, 2, false)
	s.sale(events.Sale{User: 5, TimeMS: 10*dayMS + 1}, 0, false)
	s.sale(events.Sale{User: 7, TimeMS: 5 * dayMS}, 0, false)
	s.sale(events.Sale{TimeMS: 5 * dayMS}, 0, false)
	s.click(1, 5, 2*dayMS) // arrives late and out of order
	s.sale(events.Sale{User: 5, TimeMS: 5 * dayMS}, 2, false)
	s.sale(events.Sale{User: 5, TimeMS: 2*dayMS + 1}, 6, false)
	s.sale(events.Sale{User: 5, TimeMS: 1*dayMS - 4*60_000}, 1, false) // the shop's clock is slow
	s.sale(events.Sale{User: 5, TimeMS: 1*dayMS - 6*60_000}, 0, false)
}

func TestClickIDBeatsUser(t *testing.T) {
	s := newShop(t, events.AttributionConfig{})
	first := s.click(1, 5, dayMS)
	s.click(1, 5, 2*dayMS)
	tok := &events.Token{ID: first, Advertiser: 1, Ad: 1, AuctionID: id.MakeEvent(dayMS, 0, 0, 1)}
	c := s.sale(events.Sale{User: 5, Click: tok, TimeMS: 3 * dayMS}, 1, false)
	if c.Match != events.MatchToken || c.Click.ID.IsZero() || c.Click.TimeMS != dayMS {
		t.Errorf("credit is %+v", c)
	}
	// A click id whose click is not known (evicted, or not yet arrived) counts from its auction.
	tok = &events.Token{ID: events.TokenID{Serial: 999}, Advertiser: 1, Ad: 77, AuctionID: id.MakeEvent(dayMS, 0, 0, 2)}
	c = s.sale(events.Sale{Click: tok, TimeMS: 3 * dayMS}, 77, false)
	if !c.Click.ID.IsZero() || c.Click.TimeMS != dayMS {
		t.Errorf("credit is %+v", c)
	}
	s.sale(events.Sale{Click: tok, TimeMS: 8*dayMS + 1}, 0, false)
	s.sale(events.Sale{Advertiser: 2, Click: tok, TimeMS: 3 * dayMS}, 0, false) // not theirs
	if st := s.a.Stats(); st.ForeignToken != 1 || st.ByToken != 2 {
		t.Errorf("stats are %+v", st)
	}
}

func TestOneEventIsOneConversionFor48Hours(t *testing.T) {
	s := newShop(t, events.AttributionConfig{})
	sale := func(event string, received int64, dup bool) {
		t.Helper()
		s.sale(events.Sale{EventID: []byte(event), TimeMS: dayMS, ReceivedMS: 10*dayMS + received}, 0, dup)
	}
	sale("a", 0, false)
	sale("a", hour, true)
	sale("a", 2*dayMS-1, true)
	sale("b", 2*dayMS-1, false)
	sale("a", 2*dayMS, false)
	sale("a", 2*dayMS+1, true)
	sale("a", 2*dayMS-5, true) // received times out of order
	sale("", hour, false)
	sale("", hour, false) // without an id there is nothing to compare
	s.sale(events.Sale{Advertiser: 2, EventID: []byte("a"), TimeMS: dayMS}, 0, false)
	s.a.Forget(1, []byte("PAY"), []byte("a"))
	sale("a", 2*dayMS+2, false)
}

func TestAttributionMemoryIsBounded(t *testing.T) {
	s := newShop(t, events.AttributionConfig{MaxClicks: 100, MaxConversions: 50})
	for i := range int64(1000) {
		s.click(1, uint32(i%7+1), i)
		s.sale(events.Sale{EventID: fmt.Appendf(nil, "%d", i), TimeMS: i + 1, User: uint32(i%7 + 1)}, id.Ad(i+1), false)
	}
	st := s.a.Stats()
	if st.ClicksHeld != 100 || st.ConversionsHeld != 50 || st.ClicksEvicted != 900 || st.ConversionsEvicted != 950 {
		t.Errorf("stats are %+v", st)
	}
	s.sale(events.Sale{EventID: []byte("10"), TimeMS: 2000, User: 1}, 995, false) // forgotten early
}

func TestAttributionIsRebuiltFromRecords(t *testing.T) {
	a := events.NewAttribution(events.AttributionConfig{})
	click := events.Record{ID: id.MakeEvent(5*hour, 0, 0, 1), Kind: events.KindClick, Verdict: events.VerdictBilled, TimeMS: 5 * hour,
		Token: events.TokenID{Serial: 3}, Advertiser: 1, Ad: 8}
	click.Personal = events.Personal{State: events.PrivacyForgotten, Ord: 4}
	conv := events.Record{ID: id.MakeEvent(6*hour, 0, 0, 2), Kind: events.KindConversion, TimeMS: hour, Advertiser: 1}
	conv.Conversion.Name, conv.Conversion.EventID = []byte("PAY"), []byte("x")
	a.Apply(&click)
	a.Apply(&conv)
	s := &shop{t: t, a: a}
	s.sale(events.Sale{EventID: []byte("x"), TimeMS: 7 * hour}, 0, true)
	s.sale(events.Sale{EventID: []byte("y"), User: 4, TimeMS: 7 * hour}, 8, false)
	var r events.Record
	c := a.Credit(&events.Sale{Advertiser: 1, HasUser: true, User: 4, TimeMS: 7 * hour})
	c.Click.Fill(&r)
	if r.Ad != 8 || r.Conversion.ClickID != click.ID || r.Conversion.ClickMS != 5*hour {
		t.Errorf("filled record is %+v", r)
	}
}
