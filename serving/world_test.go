package serving

import (
	"context"
	"fmt"
	"testing"
	"time"

	"mazad/auction"
	"mazad/audience"
	"mazad/campaign"
	"mazad/campaign/campaigntest"
	"mazad/events"
	"mazad/internal/clock"
	"mazad/internal/money"
	"mazad/prediction"
	"mazad/serving/servingtest"
	"mazad/targeting"
	"mazad/targeting/targetingtest"
)

// fakeUsers knows the users it was given.
type fakeUsers map[string]audience.Profile

func (u fakeUsers) Lookup(userID []byte, p *audience.Profile) bool {
	have, ok := u[string(userID)]
	if !ok {
		p.Reset()
		return false
	}
	interests, segments := append(p.Interests[:0], have.Interests...), append(p.Segments[:0], have.Segments...)
	*p = have
	p.Interests, p.Segments = interests, segments
	return true
}

// stage is a whole corridor over fakes.
type stage struct {
	clock     *clock.Fake
	leases    *servingtest.Leases
	users     fakeUsers
	treasurer *Treasurer
	engine    *Engine
	sealer    *events.Sealer
	market    Market
	tree      campaign.Tree
	queries   []targeting.Personal
}

// noon is a Tuesday, in the middle of every zone's day that the tests use.
var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

func newStage(t testing.TB, o campaigntest.Options, funded money.Micros) *stage {
	t.Helper()
	o.Start = noon
	s := &stage{clock: clock.NewFake(noon), leases: servingtest.NewLeases(funded), users: fakeUsers{}, tree: campaigntest.Tree(o)}
	s.market = Market{Currency: "USD", Rule: auction.SecondPrice, Floor: 10_000, MaxPerAdvertiser: 1, SlotWeights: []money.PPB{money.One, money.One / 2}}
	frequency := audience.NewFrequency(1<<16, 1)
	var err error
	s.treasurer, err = OpenTreasurer(context.Background(), TreasurerConfig{Clock: s.clock, Leases: s.leases, Frequency: frequency, Generation: 7, MaxHolds: 1 << 16})
	must(t, err)
	s.sealer, err = events.NewSealer(events.Secret{ID: 1, Bytes: []byte("0123456789abcdef0123456789abcdef")})
	must(t, err)
	s.engine, err = NewEngine(Config{
		Clock: s.clock, Market: s.market, Users: s.users, Frequency: frequency, Treasurer: s.treasurer, Sealer: s.sealer,
	})
	must(t, err)
	s.publish(t)
	s.queries = targetingtest.Queries(512, o.Seed)
	for i, q := range s.queries {
		p := audience.Profile{Known: true, Ord: audience.UserOrd(i + 1), Age: 30, Consent: audience.ConsentGranted, Gender: audience.Gender(q.Gender)}
		for _, x := range q.Interests {
			p.Interests = append(p.Interests, uint32(x))
		}
		for _, x := range q.Segments {
			p.Segments = append(p.Segments, uint32(x))
		}
		s.users[userName(i)] = p
	}
	return s
}

func (s *stage) publish(t testing.TB) {
	t.Helper()
	s.publishInTiers(t, targeting.FirstTier)
}

func (s *stage) publishInTiers(t testing.TB, first int) {
	t.Helper()
	learner, err := prediction.NewLearner(prediction.Config{})
	must(t, err)
	must(t, s.treasurer.Apply(context.Background(), &s.tree, s.clock.Now()))
	snap, err := build(&s.tree, &s.market, s.treasurer, learner.Publish(1), s.clock.Now(), first)
	must(t, err)
	must(t, s.treasurer.Tick(context.Background(), s.clock.Now()))
	s.engine.Publish(snap)
}

// pass lets time pass as it does: in small steps, with holds expiring.
func (s *stage) pass(d time.Duration) {
	for d > 0 {
		step := min(d, maxStep)
		s.clock.Advance(step)
		s.treasurer.Sweep(s.clock.Now())
		d -= step
	}
}

func userName(i int) string { return fmt.Sprintf("user-%d", i) }

// request writes the i-th request of the workload.
func (s *stage) request(i int, slots int, req *Request) {
	q := &s.queries[i%len(s.queries)]
	req.Reset()
	req.UserID = append(req.UserID[:0], userName(i%len(s.queries))...)
	req.Session = append(req.Session[:0], "session"...)
	req.Country, req.Region, req.City, req.Language = q.Country, q.Region, q.City, q.Language
	req.OS, req.OSVersion, req.Placement = q.OS, q.OSVersion, q.Placement
	for range slots {
		req.AddSlot().Formats = FormatVideo | FormatImage | FormatCarousel
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
