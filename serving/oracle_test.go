package serving

import (
	"fmt"
	"testing"
	"time"

	"mazad/campaign"
	"mazad/internal/id"
	"mazad/internal/money"
)

// oracle is an independent ledger: it knows the tree, what was handed out and what
// was billed, adds that up in maps, and shares nothing with pacing and ledger. It
// is exact where they are: to the nano, after every event.
type oracle struct {
	t       *testing.T
	groups  map[id.AdGroup]*campaign.AdGroup
	camps   map[id.Campaign]*campaign.Campaign
	advs    map[id.Advertiser]*campaign.Advertiser
	funded  map[id.Advertiser]int64 // nanos
	value   map[purse]int64         // billed + held
	billed  map[purse]int64
	ceiling map[purse]int64 // where an edit put a limit below what was spent or held: that, and it only falls
	checks  int
	dump    func(s *sold, p purse)
	binding map[purse]bool // limits that were nine tenths full
}

// purse is one sum that may be limited.
type purse struct {
	what   string
	owner  int64
	period string
}

func newOracle(t *testing.T) *oracle {
	return &oracle{t: t, groups: map[id.AdGroup]*campaign.AdGroup{}, camps: map[id.Campaign]*campaign.Campaign{}, advs: map[id.Advertiser]*campaign.Advertiser{},
		funded: map[id.Advertiser]int64{}, value: map[purse]int64{}, billed: map[purse]int64{}, ceiling: map[purse]int64{}, binding: map[purse]bool{}}
}

// learn takes over the tree that is in force.
func (o *oracle) learn(tree *campaign.Tree) {
	for i := range tree.AdGroups {
		g := tree.AdGroups[i]
		o.groups[g.ID] = &g
	}
	for i := range tree.Campaigns {
		c := tree.Campaigns[i]
		o.camps[c.ID] = &c
	}
	for i := range tree.Advertisers {
		a := tree.Advertisers[i]
		o.advs[a.ID] = &a
	}
}

// sold is an ad that was handed out, as the oracle knows it.
type sold struct {
	group  id.AdGroup
	local  string // date of the auction where the advertiser is
	week   string
	amount int64          // price of the billing event
	unsure bool           // given up as held although its node may still honour it
	held   bool           // counted as held
	in     map[purse]bool // the limits there were when it was sold: a later one is not held for it, and refuses it if it must
	until  time.Time
	node   int
	life   uint32
	token  []byte
	cpm    bool
	done   bool
}

// purses are all sums that an event of an ad group counts in.
func (o *oracle) purses(s *sold) []purse {
	g := o.groups[s.group]
	return []purse{
		{"ad group day", int64(g.ID), s.local}, {"ad group week", int64(g.ID), s.week}, {"ad group", int64(g.ID), ""},
		{"campaign day", int64(g.Campaign), s.local}, {"campaign week", int64(g.Campaign), s.week}, {"campaign", int64(g.Campaign), ""},
		{"cap", int64(g.Advertiser), ""}, {"wallet", int64(g.Advertiser), ""},
	}
}

// limit is what a purse may hold now; false where nothing limits it.
func (o *oracle) limit(p purse) (int64, bool) {
	budget := func(mode campaign.BudgetMode, size money.Micros, what string) (int64, bool) {
		n := int64(size) * 1000
		switch {
		case mode == campaign.BudgetDay && p.what == what+" day":
			return n, true
		case mode == campaign.BudgetTotal && p.what == what:
			return n, true
		case mode == campaign.BudgetDynamicDaily && p.what == what+" day":
			return n + n/4, true
		case mode == campaign.BudgetDynamicDaily && p.what == what+" week":
			return 7 * n, true
		}
		return 0, false
	}
	switch p.what {
	case "ad group", "ad group day", "ad group week":
		g := o.groups[id.AdGroup(p.owner)]
		return budget(g.BudgetMode, g.Budget, "ad group")
	case "campaign", "campaign day", "campaign week":
		c := o.camps[id.Campaign(p.owner)]
		return budget(c.BudgetMode, c.Budget, "campaign")
	case "cap":
		a := o.advs[id.Advertiser(p.owner)]
		return int64(a.SpendCap) * 1000, a.SpendCap > 0
	}
	return o.funded[id.Advertiser(p.owner)], true
}

// edited notes what is over its limit the moment an edit is in force everywhere:
// it may stay, and it may not grow.
func (o *oracle) edited() {
	for p, v := range o.value {
		l, limited := o.limit(p)
		have, over := o.ceiling[p]
		switch {
		case !limited || v <= l:
			delete(o.ceiling, p)
		case !over || v < have:
			o.ceiling[p] = v
		}
	}
}

// move adds to what is held and billed, and checks every limit it touches.
func (o *oracle) move(s *sold, held, billed int64, doing string) {
	o.t.Helper()
	if s.in == nil {
		s.in = map[purse]bool{}
		for _, p := range o.purses(s) {
			_, s.in[p] = o.limit(p)
		}
	}
	for _, p := range o.purses(s) {
		if s.in[p] {
			o.value[p] += held
		}
		o.value[p] += billed
		o.billed[p] += billed
		l, limited := o.limit(p)
		if !limited {
			continue
		}
		o.checks++
		v := o.value[p]
		if v*10 > l*9 {
			o.binding[p] = true
		}
		if most, over := o.ceiling[p]; over {
			if s.unsure { // sold before the edit, and no longer counted as held
				most += billed
			}
			if v <= l {
				delete(o.ceiling, p)
			} else {
				o.ceiling[p] = min(most, v)
			}
			l = max(l, most)
		}
		if v > l {
			o.dump(s, p)
			o.t.Fatalf("%s (%s %d %s): %d nanos billed and held (%d billed) of %d, ad group %d on node %d in life %d",
				doing, p.what, p.owner, p.period, v, o.billed[p], l, s.group, s.node, s.life)
		}
	}
}

func dateIn(at time.Time, zone *time.Location) (day, week string) {
	local := at.In(zone)
	y, w := local.ISOWeek()
	return local.Format(time.DateOnly), fmt.Sprint(y, " week ", w)
}
