package serving

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"mazad/campaign"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/ledger"
	"mazad/pacing"
	"mazad/targeting"
)

// limitKey names a limit without its day.
type limitKey struct {
	kind  ledger.LimitKind
	owner int64
}

// limit is one limit of the Book with what Tick knows of it. It belongs to the
// Treasurer's mutex.
type limit struct {
	key     limitKey
	id      pacing.LimitID
	ceiling money.Sum // zero for a wallet until the store has said
	zone    *time.Location
	least   money.Nanos // a slice covers a few of the dearest events under it
	days    map[int32]*limitDay
	based   bool // the spend of earlier lives was read
	paced   bool // some ad group under it wants its budget to last
	pacer   pacing.Controller
	period  period
	pace    money.PPB
}

// limitDay is a day of a limit, or the lifetime (day 0).
type limitDay struct {
	left      money.Sum // what the store may still grant, by its last answer
	known     bool      // left is an answer of the store
	leased    money.Sum // granted to this life, by the store's last answer
	posted    money.Sum // billed by this life, by the store's last answer
	forgotten money.Sum // of it, by leases that the store has deleted since
	owed      money.Sum // held or billed of a lease that is void; the next grant pays it
	base      money.Sum // spent before this life
	billed    money.Sum // at the last tick, for the rate
	perSecond money.Nanos
	askAfter  time.Time
}

// period is what a controller spreads a budget over.
type period struct {
	start, end time.Time
	hours      string        // dayparting of the ad group that gives the shape
	curve      *pacing.Curve // nil: even
}

// Apply takes a new tree: it makes the limits and chains of every ad group in
// it, so that Build finds their state. Ad groups that are gone keep their state,
// because their tokens may still come back.
func (t *Treasurer) Apply(ctx context.Context, tree *campaign.Tree, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := applier{t: t, ctx: ctx, now: now, groups: maps.Clone(*t.groups.Load()), seen: map[*limit]bool{}}
	advertisers := make(map[id.Advertiser]*campaign.Advertiser, len(tree.Advertisers))
	for i := range tree.Advertisers {
		advertisers[tree.Advertisers[i].ID] = &tree.Advertisers[i]
	}
	campaigns := make(map[id.Campaign]*campaign.Campaign, len(tree.Campaigns))
	for i := range tree.Campaigns {
		campaigns[tree.Campaigns[i].ID] = &tree.Campaigns[i]
	}
	for i := range tree.AdGroups {
		g := &tree.AdGroups[i]
		adv, camp := advertisers[g.Advertiser], campaigns[g.Campaign]
		err := errOrphan
		if adv != nil && camp != nil {
			err = a.group(adv, camp, g)
		}
		if err != nil { // it cannot spend; the others can
			a.bad = errors.Join(a.bad, fmt.Errorf("ad group %s is left out: %w", g.ID, err))
			if state := a.groups[g.ID]; state != nil {
				state.chain.Store(nil)
			}
		}
	}
	if err := a.finish(); err != nil {
		return err
	}
	t.groups.Store(&a.groups)
	t.leftOut = a.bad
	return nil
}

// LeftOut says which ad groups of the last tree have no limits, and why; nil
// when all have.
func (t *Treasurer) LeftOut() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.leftOut
}

var errOrphan = errors.New("its advertiser or campaign is not in the tree")

type applier struct {
	t      *Treasurer
	ctx    context.Context
	now    time.Time
	groups map[id.AdGroup]*groupState
	seen   map[*limit]bool
	bad    error
}

// group makes the chain of one ad group.
func (a *applier) group(adv *campaign.Advertiser, camp *campaign.Campaign, g *campaign.AdGroup) error {
	zone, err := time.LoadLocation(adv.Zone)
	if err != nil {
		return err
	}
	least := g.BidPrice.Sum().Mul(10).Clamp()
	if g.BillingEvent == campaign.CPM {
		least = money.Nanos(g.BidPrice) * 100 // a hundred impressions
	}
	smooth := g.Pacing != campaign.PacingFast
	var chain pacing.Chain
	set := func(place int, kind ledger.LimitKind, owner int64, ceiling money.Micros, paced bool) error {
		l, err := a.limit(limitKey{kind, owner}, ceiling.Sum(), zone)
		if err != nil {
			return err
		}
		chain[place] = l.id
		l.least = max(l.least, least)
		if paced && !l.paced {
			l.paced = true
			l.setPeriod(a.now, g, kind)
		}
		return nil
	}
	steps := [...]struct {
		use   bool
		place int
		kind  ledger.LimitKind
		owner int64
		size  money.Micros
		paced bool
	}{
		{g.BudgetMode.Daily(), pacing.AdGroupDay, ledger.AdGroupDay, int64(g.ID), g.Budget, smooth},
		{g.BudgetMode == campaign.BudgetTotal, pacing.AdGroupTotal, ledger.AdGroupLifetime, int64(g.ID), g.Budget, smooth},
		{camp.BudgetMode.Daily(), pacing.CampaignDay, ledger.CampaignDay, int64(camp.ID), camp.Budget, smooth},
		{camp.BudgetMode == campaign.BudgetTotal, pacing.CampaignTotal, ledger.CampaignLifetime, int64(camp.ID), camp.Budget, smooth},
		{adv.SpendCap > 0, pacing.AdvertiserTotal, ledger.AdvertiserCap, int64(adv.ID), adv.SpendCap, false},
		{true, pacing.Wallet, ledger.WalletLimit, int64(adv.ID), 0, false},
	}
	for _, s := range steps {
		if s.use {
			if err := set(s.place, s.kind, s.owner, s.size, s.paced); err != nil {
				return err
			}
		}
	}
	state := a.groups[g.ID]
	if state == nil {
		a.t.groupN++
		state = &groupState{id: g.ID, index: a.t.groupN, groupHot: a.t.newHot()}
		state.pace.Store(uint64(money.One))
		a.groups[g.ID] = state
	}
	state.smooth.Store(smooth)
	state.zone = zone
	if old := state.chain.Load(); old == nil || *old != chain {
		state.chain.Store(&chain)
	}
	if state.version != g.Version { // its bid may be another now
		state.version = g.Version
		state.need.Store(1)
	}
	return nil
}

// hotChunk is how many groupHots are laid out together: 64 KiB.
const hotChunk = 4096

func (t *Treasurer) newHot() *groupHot {
	if len(t.hot) == 0 {
		t.hot = make([]groupHot, hotChunk)
	}
	h := &t.hot[0]
	t.hot = t.hot[1:]
	return h
}

// limit finds or makes a limit and sets its ceiling.
func (a *applier) limit(key limitKey, ceiling money.Sum, zone *time.Location) (*limit, error) {
	l := a.t.limits[key]
	if l == nil {
		l = &limit{key: key, zone: zone, ceiling: ceiling, days: map[int32]*limitDay{}, pace: money.One, pacer: pacing.NewController(pacing.Smooth, money.One)}
		var err error
		if key.kind.Daily() {
			l.id, err = a.t.book.AddDaily()
		} else {
			l.id, err = a.t.book.AddTotal()
		}
		if err != nil {
			return nil, err
		}
		a.t.limits[key] = l
		a.t.order = append(a.t.order, l)
	}
	if !a.seen[l] {
		a.seen[l] = true
		l.least, l.paced = 0, false
		if key.kind != ledger.WalletLimit && ceiling.Cmp(l.ceiling) != 0 {
			smaller := ceiling.Cmp(l.ceiling) < 0
			l.ceiling = ceiling
			for day, d := range l.days {
				d.known, d.askAfter = false, time.Time{}
				if smaller { // what may be leased now is asked anew by the next Tick
					a.t.takeBack(l, day)
				}
			}
		}
	}
	return l, nil
}

// finish reads what was spent before this life of the limits that are new.
func (a *applier) finish() error {
	var fresh []*limit
	for _, l := range a.t.order {
		if !l.based {
			fresh = append(fresh, l)
		}
	}
	for len(fresh) > 0 {
		n := min(len(fresh), spendPage)
		query := ledger.SpendQuery{Limits: make([]ledger.Limit, n)}
		for i, l := range fresh[:n] {
			query.Limits[i] = ledger.Limit{Kind: l.key.kind, Owner: l.key.owner, Day: l.day(a.now)}
		}
		spent, err := a.t.cfg.Leases.Spend(a.ctx, query)
		if err != nil {
			return fmt.Errorf("read what was spent: %w", err)
		}
		for i, s := range spent {
			fresh[i].at(s.Day).base, fresh[i].based = s.Spent, true
		}
		fresh = fresh[n:]
	}
	return nil
}

// spendPage is how many totals are read at a time.
const spendPage = 10_000

// day is the local day of a daily limit, 0 of a lifetime one.
func (l *limit) day(now time.Time) int32 {
	if l.key.kind.Daily() {
		return pacing.DayKey(now, l.zone)
	}
	return 0
}

func (l *limit) at(day int32) *limitDay {
	d := l.days[day]
	if d == nil {
		d = &limitDay{}
		l.days[day] = d
	}
	return d
}

// setPeriod says what the budget is to be spread over: the local day, or the
// schedule of a lifetime budget. One without an end is spread over 30 days from
// its start. The dayparting of the first smooth ad group under the limit is
// taken as the shape of the traffic.
func (l *limit) setPeriod(now time.Time, g *campaign.AdGroup, kind ledger.LimitKind) {
	p := period{start: g.ScheduleStart, end: g.ScheduleEnd}
	if kind.Daily() {
		d := pacing.DayAt(now, l.zone)
		p.start, p.end = d.Start, d.End
	} else if p.end.IsZero() || !p.end.After(p.start) {
		p.end = p.start.Add(30 * 24 * time.Hour)
	}
	if p.hours = g.Dayparting; p.start.Equal(l.period.start) && p.end.Equal(l.period.end) && p.hours == l.period.hours {
		return
	}
	p.shape(l.zone)
	l.period = p
}

// shape makes the curve of the period.
func (p *period) shape(zone *time.Location) {
	p.curve = nil
	if schedule, err := targeting.ParseDayparting(p.hours); err == nil && !schedule.Always() {
		p.curve = openHours(*p, zone, schedule)
	}
}

// openHours makes a curve that is even over the open half-hours of a period.
func openHours(p period, zone *time.Location, schedule targeting.Dayparting) *pacing.Curve {
	const piece = 30 * time.Minute
	n := int(p.end.Sub(p.start) / piece)
	if n < 1 || n > 48*366 {
		return nil
	}
	weights := make([]uint32, n)
	for i := range weights {
		local := p.start.Add(time.Duration(i) * piece).In(zone)
		weekday := (int(local.Weekday()) + 6) % 7
		if schedule.Open(uint16(weekday*targeting.HalfHoursPerDay + local.Hour()*2 + local.Minute()/30)) {
			weights[i] = 1
		}
	}
	c, err := pacing.NewCurve(piece.Milliseconds(), weights)
	if err != nil {
		return nil
	}
	return c
}

// elapsed is the share of the period's traffic that has passed.
func (p *period) elapsed(now time.Time) money.PPB {
	ms := now.Sub(p.start).Milliseconds()
	if p.curve != nil {
		return p.curve.Elapsed(ms)
	}
	total := p.end.Sub(p.start).Milliseconds()
	switch {
	case ms <= 0 || total <= 0:
		return 0
	case ms >= total:
		return money.One
	}
	return money.PPB(uint64(ms) * uint64(money.One) / uint64(total))
}
