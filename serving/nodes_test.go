package serving

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"mazad/campaign"
	"mazad/events"
	"mazad/internal/money"
	"mazad/ledger"
)

// TestI1NodesNeverPassALimit: two and three nodes on one store sell, bill, die and
// come back, with clocks that jump an hour either way, edits, budgets cut below
// what is spent, lost answers and lost records, through days of 23, 24 and 25
// hours. An independent ledger checks every limit after every event.
// MAZAD_AUCTIONS says how many auctions, in two seasons (make soak: 1,000,000);
// without it there is one of 50,000.
func TestI1NodesNeverPassALimit(t *testing.T) {
	auctions := 100_000
	if n, err := strconv.Atoi(os.Getenv("MAZAD_AUCTIONS")); err == nil {
		auctions = n
	}
	if testing.Short() {
		auctions = 20_000
	}
	for seed, start := range []time.Time{
		time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC),  // Berlin has 23 hours tomorrow, Lord Howe 24.5 in a week
		time.Date(2026, 10, 24, 12, 0, 0, 0, time.UTC), // Berlin has 25 hours tomorrow, New York in a week
	} {
		if seed > 0 && os.Getenv("MAZAD_AUCTIONS") == "" {
			break // the second season, with three nodes, is for make soak
		}
		f := newFleet(t, uint64(seed), start, 2+seed)
		f.run(auctions / 2)
		t.Logf("%+v, %d checks, %d limits reached, ended at %s", f.counts, f.oracle.checks, len(f.oracle.binding), f.now.Format(time.DateTime))
		if f.counts.billed < auctions/40 || len(f.oracle.binding) < 20 || f.counts.kills+f.counts.jumps < auctions/10_000 {
			t.Errorf("too little happened for the test to mean anything")
		}
		f.allIsSpent()
	}
}

func (f *fleet) run(auctions int) {
	var req Request
	var resp Response
	for f.counts.auctions < auctions {
		f.pass(time.Duration(f.rng.IntN(20_000)) * time.Millisecond)
		for range 4 {
			if m := f.members[f.rng.IntN(len(f.members))]; m.backAt.IsZero() {
				f.auction(m, &req, &resp)
			}
			for range f.rng.IntN(4) {
				f.beacon()
			}
		}
		for _, m := range f.members {
			f.incident(m)
		}
		if f.rng.IntN(100) == 0 {
			f.edit()
		}
		if f.rng.IntN(500) == 0 {
			_, err := f.store.PruneLeases(context.Background())
			must(f.t, err)
		}
	}
}

// pass lets time pass, for everybody.
func (f *fleet) pass(d time.Duration) {
	f.now = f.now.Add(d)
	for len(f.expiry) > 0 && !f.now.Before(f.expiry[0].until) {
		f.letGo(f.expiry[0])
		f.expiry = f.expiry[1:]
	}
	for _, m := range f.members {
		if m.backAt.IsZero() {
			m.clock.Set(f.now.Add(m.offset))
			m.treasurer.Sweep(m.clock.Now())
		}
	}
}

func (f *fleet) letGo(s *sold) {
	if s.held {
		s.held = false
		f.oracle.move(s, -s.amount, 0, "expired")
	}
}

// beacon lets something come back of an ad that was sold, most often a recent one.
func (f *fleet) beacon() {
	if len(f.out) == 0 {
		return
	}
	k := f.rng.IntN(len(f.out))
	if f.rng.IntN(2) == 0 {
		k = len(f.out) - 1 - f.rng.IntN(min(len(f.out), 50))
	}
	s := f.out[k]
	m := f.members[s.node]
	if m.backAt.IsZero() {
		sig := []Signal{SignalImpression, SignalImpression, SignalClick, SignalView, SignalLoss}[f.rng.IntN(5)]
		r := m.tracker.Confirm(context.Background(), &Beacon{Signal: sig, Token: s.token})
		if r.Status == BeaconFree && s.cpm == (sig == SignalImpression) && sig != SignalLoss {
			f.counts.free++
		}
	}
	if age := f.now.Sub(s.until); age > 24*time.Hour || s.cpm && age > 0 || len(f.out) > 4000 {
		var tok events.Token
		f.sealer.Open(&tok, s.token, events.UseClick, f.now.UnixMilli())
		if !s.held {
			f.out[k] = f.out[len(f.out)-1]
			f.out = f.out[:len(f.out)-1]
			if s.done || age > 25*time.Hour {
				delete(f.byToken, tok.ID)
			}
		}
	}
}

// incident is what happens to a node: it works, dies, comes back, or its clock
// jumps.
func (f *fleet) incident(m *member) {
	if !m.backAt.IsZero() {
		if f.now.After(m.backAt) {
			m.begin()
			f.inForce()
		}
		return
	}
	switch n := f.rng.IntN(12_000); {
	case n < 1500:
		m.tick()
	case n < 2000:
		m.post(m.posted + f.rng.IntN(len(m.records)-m.posted+1))
	case n < 2200:
		m.learn()
		f.inForce()
	case n < 2400:
		for i := range m.lost {
			f.undone(m, &m.lost[i])
			m.tracker.Undo(&m.lost[i])
		}
		m.lost = nil
	case n < 2410:
		m.die()
	case n < 2420:
		was := m.offset
		m.offset = []time.Duration{0, time.Hour, -time.Hour, time.Duration(f.rng.IntN(7200)-3600) * time.Second}[f.rng.IntN(4)]
		f.counts.jumps++
		f.forward(m, was)
	case n < 2423:
		_ = m.treasurer.Close(context.Background(), m.clock.Now()) // an answer may be lost: what was not given back is the next life's
		m.die()
	}
}

func (m *member) die() {
	f := m.f
	f.counts.kills++
	m.lost = nil
	// What a life held outlives it by what the life last said of its tokens' end,
	// and a clock that was set forward since made that too early.
	if f.now.Sub(m.forwardAt) < 5*time.Minute {
		for _, s := range f.expiry {
			if s.node == m.number {
				f.letGo(s)
				s.unsure = true
			}
		}
	}
	m.backAt = f.now.Add(time.Duration(f.rng.IntN(45*60)) * time.Second)
	if f.rng.IntN(2) == 0 {
		was := m.offset
		m.offset = 0 // somebody has set its clock
		f.forward(m, was)
	}
}

// forward is a clock that was set forward: the leases of the node's earlier lives
// may be over for it, and their tokens free. The living one keeps its holds.
func (f *fleet) forward(m *member, was time.Duration) {
	if m.offset <= was {
		return
	}
	m.forwardAt = f.now
	for _, s := range f.expiry {
		if s.node == m.number && (s.life < m.life || !m.backAt.IsZero()) {
			f.letGo(s)
			s.unsure = true
		}
	}
}

// edit changes something; the nodes hear of it by and by.
func (f *fleet) edit() {
	if f.settled != f.edits {
		return // one at a time, so that the oracle knows which limits are in force
	}
	f.counts.edits++
	scale := func(b money.Micros) money.Micros {
		return min(max(b*money.Micros(50+f.rng.IntN(110))/100, 20_000), 2_000_000)
	}
	switch f.rng.IntN(5) {
	case 0, 1:
		g := &f.tree.AdGroups[f.rng.IntN(len(f.tree.AdGroups))]
		g.Budget = scale(g.Budget)
		g.Version++
		if f.rng.IntN(3) == 0 {
			g.BudgetMode = []campaign.BudgetMode{campaign.BudgetDay, campaign.BudgetDynamicDaily, campaign.BudgetTotal}[f.rng.IntN(3)]
		}
	case 2:
		c := &f.tree.Campaigns[f.rng.IntN(len(f.tree.Campaigns))]
		c.Budget = scale(c.Budget)
		c.BudgetMode = []campaign.BudgetMode{campaign.BudgetInfinite, campaign.BudgetDay, campaign.BudgetDynamicDaily, campaign.BudgetTotal}[f.rng.IntN(4)]
	case 3:
		a := &f.tree.Advertisers[f.rng.IntN(len(f.tree.Advertisers))]
		a.SpendCap = []money.Micros{0, a.SpendCap + 2_000_000, a.SpendCap / 2}[f.rng.IntN(3)]
	case 4:
		f.topUp(f.tree.Advertisers[f.rng.IntN(len(f.tree.Advertisers))].ID, 1+f.rng.Int64N(3))
		return
	}
	f.edits++
	f.inForce()
}

// inForce makes every living node hear of an edit, and then the oracle.
func (f *fleet) inForce() {
	if f.settled == f.edits {
		return
	}
	for _, m := range f.members {
		if m.backAt.IsZero() && m.applied != f.edits {
			m.learn() // within a second, as edits are
		}
	}
	f.oracle.learn(&f.tree)
	f.settled = f.edits
	f.oracle.edited()
}

// allIsSpent: what the limits leave is not stuck in dead lives: after two hours
// of quiet (a clock an hour ahead may have said when a life's tokens end), everything that is not spent is leased by the living or free.
func (f *fleet) allIsSpent() {
	for _, m := range f.members {
		if m.offset = 0; !m.backAt.IsZero() {
			m.begin()
		}
	}
	for range 220 {
		f.pass(30 * time.Second)
		for _, m := range f.members {
			m.tick()
			m.post(len(m.records))
		}
	}
	for _, m := range f.members {
		leases, err := f.store.Leases(context.Background(), uint16(m.number))
		must(f.t, err)
		for _, l := range leases {
			if l.Generation != m.life && l.Outstanding().Cmp(money.SumOf(money.Nanos(m.unrefunded))) > 0 {
				f.t.Fatalf("node %d: %s of %+v are still leased by life %d, it is in life %d", m.number, l.Outstanding(), l.Limit, l.Generation, m.life)
			}
		}
		if st, _ := m.treasurer.Pacing(); st.Misused != 0 || m.treasurer.Stats().Voided.Load() != 0 {
			f.t.Errorf("node %d: %d calls on limits that were not open, %d leases of which the store had less", m.number, st.Misused, m.treasurer.Stats().Voided.Load())
		}
	}
}

// dump says what every node and the store make of a limit that was passed.
func (f *fleet) dump(s *sold, p purse) {
	now := map[string]int64{}
	for _, x := range f.expiry {
		if x.held && x.group == s.group && x.local == s.local {
			now[fmt.Sprint("held node ", x.node, " life ", x.life)] += x.amount
		}
	}
	f.t.Logf("%v", now)
	for _, m := range f.members {
		un := int64(0)
		for _, r := range m.records[m.posted:] {
			if r.AdGroup == s.group && r.Verdict == events.VerdictBilled && fmt.Sprint(r.Day) == strings.ReplaceAll(s.local, "-", "") {
				un += int64(r.BilledNanos)
			}
		}
		f.t.Logf("node %d life %d alive %v offset %s unposted %d", m.number, m.life, m.backAt.IsZero(), m.offset, un)
		leases, _ := f.store.Leases(context.Background(), uint16(m.number))
		for _, l := range leases {
			if l.Limit.Owner == p.owner && l.Limit.Kind == ledger.AdGroupDay {
				f.t.Logf("  lease %+v", l)
			}
		}
		for _, l := range m.treasurer.order {
			if l.key.owner == p.owner && l.key.kind == ledger.AdGroupDay {
				for _, d := range l.days {
					tot, ok := m.treasurer.book.Snapshot(l.id, d.day)
					f.t.Logf("  book %d ceiling %s leased %s totals %+v %v queued %v", d.day, l.ceiling, d.leased, tot, ok, d.queued)
				}
			}
		}
		for k, l := range m.treasurer.legacy.Load().limits {
			if k.limit.Owner == p.owner && k.limit.Kind == ledger.AdGroupDay {
				tot, _ := m.treasurer.book.Snapshot(l.id, 0)
				f.t.Logf("  legacy %+v leased %s totals %+v", k, l.leased, tot)
			}
		}
	}
	sp, _ := f.store.Spend(context.Background(), ledger.SpendQuery{Kinds: []ledger.LimitKind{ledger.AdGroupDay}, FromDay: dayNumberOf(s.local)})
	for _, x := range sp {
		if x.Owner == p.owner {
			f.t.Logf("spend %+v", x)
		}
	}
}
