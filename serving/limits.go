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
)

// Apply takes a new tree: it makes the limits and chains of every ad group in
// it, so that Build finds their state. Ad groups that are gone keep their state,
// because their tokens may still come back.
func (t *Treasurer) Apply(ctx context.Context, tree *campaign.Tree, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := applier{t: t, ctx: ctx, now: now, edit: t.edits + 1, ms: t.steady.advance(now), groups: maps.Clone(*t.groups.Load())}
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
				a.t.rechain(state, nil, now)
			}
		}
	}
	if err := a.finish(); err != nil {
		return err
	}
	t.edits = a.edit
	a.mark()
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
	edit   int64
	ms     int64
	groups map[id.AdGroup]*groupState
	bad    error
}

// A budget whose days may differ (BUDGET_MODE_DYNAMIC_DAILY_BUDGET) is passed by a
// quarter on one day at most, and holds over the seven days from Monday.
const (
	dynamicDayParts = 4 // a quarter more
	dynamicWeekDays = 7
)

// step is a place of a chain that an ad group uses.
type step struct {
	place  int
	kind   ledger.LimitKind
	owner  int64
	size   money.Sum
	budget money.Sum // what a day is planned to spend
	paced  bool
}

// steps lists the limits of one ad group.
func steps(adv *campaign.Advertiser, camp *campaign.Campaign, g *campaign.AdGroup, smooth bool) []step {
	out := make([]step, 0, pacing.ChainLen)
	budget := func(mode campaign.BudgetMode, size money.Micros, day, total int, kinds [3]ledger.LimitKind, owner int64) {
		one := size.Sum()
		switch mode {
		case campaign.BudgetDay:
			out = append(out, step{day, kinds[0], owner, one, one, smooth})
		case campaign.BudgetTotal:
			out = append(out, step{total, kinds[1], owner, one, one, smooth})
		case campaign.BudgetDynamicDaily:
			quarter, _ := one.DivMod(dynamicDayParts)
			out = append(out, step{day, kinds[0], owner, one.Add(quarter), one, smooth},
				step{total, kinds[2], owner, one.Mul(dynamicWeekDays), one.Mul(dynamicWeekDays), false})
		}
	}
	budget(g.BudgetMode, g.Budget, pacing.AdGroupDay, pacing.AdGroupTotal, [3]ledger.LimitKind{ledger.AdGroupDay, ledger.AdGroupLifetime, ledger.AdGroupWeek}, int64(g.ID))
	budget(camp.BudgetMode, camp.Budget, pacing.CampaignDay, pacing.CampaignTotal, [3]ledger.LimitKind{ledger.CampaignDay, ledger.CampaignLifetime, ledger.CampaignWeek}, int64(camp.ID))
	if adv.SpendCap > 0 {
		out = append(out, step{pacing.AdvertiserTotal, ledger.AdvertiserCap, int64(adv.ID), adv.SpendCap.Sum(), adv.SpendCap.Sum(), false})
	}
	return append(out, step{place: pacing.Wallet, kind: ledger.WalletLimit, owner: int64(adv.ID)})
}

// group makes the chain of one ad group.
func (a *applier) group(adv *campaign.Advertiser, camp *campaign.Campaign, g *campaign.AdGroup) error {
	zone, err := a.t.zone(adv.Zone, a.now)
	if err != nil {
		return err
	}
	least := g.BidPrice.Sum().Mul(10).Clamp()
	if g.BillingEvent == campaign.CPM {
		least = money.Nanos(g.BidPrice) * 100 // a hundred impressions
	}
	smooth := g.Pacing != campaign.PacingFast
	var chain pacing.Chain
	var limits, paced []*limit
	for _, s := range steps(adv, camp, g, smooth) {
		l, err := a.limit(limitKey{s.kind, s.owner}, &s, zone)
		if err != nil {
			return err
		}
		chain[s.place] = l.id
		l.least = max(l.least, least)
		if s.paced {
			paced = append(paced, l)
			if !l.paced {
				l.paced = true
				l.setPeriod(a.now, g, s.kind)
				a.t.move(l, a.ms)
			}
		}
		if s.kind.Weekly() { // its day came just before
			limits[len(limits)-1].week = l
		}
		limits = append(limits, l)
	}
	state := a.groups[g.ID]
	if state == nil {
		state = a.t.newState(g.ID)
		a.groups[g.ID] = state
	}
	for _, l := range paced {
		l.groups = append(l.groups, state)
	}
	state.smooth.Store(smooth)
	state.zone, state.limits, state.seen, state.goneMS = zone, limits, a.edit, 0
	if old := state.chain.Load(); old == nil || *old != chain {
		a.t.rechain(state, &chain, a.now)
	}
	if state.version != g.Version { // its bid may be another now
		state.version = g.Version
		state.need.Store(1)
	}
	return nil
}

// rechain gives an ad group other limits.
func (t *Treasurer) rechain(g *groupState, chain *pacing.Chain, now time.Time) {
	if g.chain.Load() != nil {
		g.rechained.Store(now.UnixMilli())
	}
	g.chain.Store(chain)
}

func (t *Treasurer) zone(name string, now time.Time) (*zoneDays, error) {
	for _, z := range t.zones {
		if z.loc.String() == name {
			return z, nil
		}
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, err
	}
	z := &zoneDays{loc: loc}
	z.read(now)
	t.zones = append(t.zones, z)
	return z, nil
}

// hotChunk is how many groupHots are laid out together: 64 KiB.
const hotChunk = 4096

// newState makes the state of an ad group that is new.
func (t *Treasurer) newState(g id.AdGroup) *groupState {
	i := len(t.states)
	if n := len(t.free); n > 0 {
		i, t.free = t.free[n-1], t.free[:n-1]
	} else {
		t.states = append(t.states, nil)
		if i/hotChunk == len(t.hot) {
			t.hot = append(t.hot, make([]groupHot, hotChunk))
		}
	}
	s := &groupState{id: g, index: uint32(i + 1), groupHot: &t.hot[i/hotChunk][i%hotChunk]}
	s.dry.Store(0)
	s.touched.Store(0)
	s.pace.Store(uint64(money.One))
	t.states[i] = s
	return s
}

// limit finds or makes a limit and sets its ceiling.
func (a *applier) limit(key limitKey, s *step, zone *zoneDays) (*limit, error) {
	l := a.t.limits[key]
	if l == nil {
		var err error
		if l, err = a.t.newLimit(key, zone); err != nil {
			return nil, err
		}
		l.ceiling = s.size
		a.t.again = append(a.t.again, l)
	}
	l.budget = s.budget
	if l.seen == a.edit {
		return l, nil
	}
	back := l.goneMS != 0
	l.seen, l.goneMS, l.least, l.paced, l.week, l.groups = a.edit, 0, 0, false, nil, l.groups[:0]
	changed := key.kind != ledger.WalletLimit && s.size.Cmp(l.ceiling) != 0
	smaller := changed && s.size.Cmp(l.ceiling) < 0
	if changed {
		l.ceiling = s.size
	}
	if changed || back {
		a.t.again = append(a.t.again, l)
		for _, d := range l.days {
			d.known, d.askAfter = false, 0
		}
	}
	if smaller { // what may be leased now is asked anew by the next Tick
		a.t.cut(l)
	}
	return l, nil
}

func (t *Treasurer) newLimit(key limitKey, zone *zoneDays) (l *limit, err error) {
	l = &limit{key: key, zone: zone, pace: money.One, pacer: pacing.NewController(pacing.Smooth, money.One)}
	if l.id, err = t.addCell(key.kind); err != nil {
		return nil, err
	}
	t.limits[key], t.byID[l.id], t.order = l, l, append(t.order, l)
	if key.kind.Recurs() {
		zone.limits = append(zone.limits, l)
	}
	return l, nil
}

func (t *Treasurer) addCell(kind ledger.LimitKind) (pacing.LimitID, error) {
	switch {
	case kind.Daily():
		return t.book.AddDaily()
	case kind.Weekly():
		return t.book.AddWeekly()
	}
	return t.book.AddTotal()
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
			query.Limits[i] = l.limit(l.on(l.zone.today))
		}
		spent, err := a.t.cfg.Leases.Spend(a.ctx, query)
		if err != nil {
			return fmt.Errorf("read what was spent: %w", err)
		}
		for i, s := range spent {
			fresh[i].at(s.Day).others, fresh[i].based = s.Spent, true
		}
		fresh = fresh[n:]
	}
	return nil
}

// mark finds the ad groups and limits that are gone from the tree. They are
// forgotten when their last token has expired; what is leased for them goes back
// now, and a late click fetches what it needs.
func (a *applier) mark() {
	for _, g := range a.groups {
		if g.seen != a.edit && g.goneMS == 0 {
			g.goneMS = max(a.ms, 1)
		}
		g.pace.Store(uint64(paceOf(g)))
	}
	for _, l := range a.t.order {
		if l.seen == a.edit || l.goneMS != 0 {
			continue
		}
		l.goneMS = max(a.ms, 1)
		for _, d := range l.days {
			a.t.takeBack(l, d, false)
		}
	}
}

// spendPage is how many totals are read at a time.
const spendPage = 10_000
