package serving

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"mazad/audience"
	"mazad/campaign"
	"mazad/internal/clock"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/prediction"
)

// Replay decides a recorded auction again, by the code that decides now, and
// returns the recording that it would have made. tree is that of rec.Revision. The
// state of the node as it was comes from rec: rates, multipliers, what was dry, what
// caps had counted, which holds were refused. No money moves, nothing is recorded
// and no token is made.
func Replay(rec *Recording, tree *campaign.Tree) (*Recording, error) {
	if rec.Matched > len(rec.Groups) {
		return nil, fmt.Errorf("the recording does not hold its %d ad groups: more than fit into it", rec.Matched)
	}
	for _, a := range rec.Auctions {
		if len(a.Fates) != len(rec.Groups) || a.Slot >= len(rec.Request.Slots) {
			return nil, errors.New("the recording is not whole: its auctions are not about its ad groups")
		}
	}
	s := &script{rec: rec, states: map[id.AdGroup]*groupState{}, next: map[int]int{}}
	snap, err := s.snapshot(tree)
	if err != nil {
		return nil, err
	}
	e := &Engine{cfg: Config{Clock: clock.NewFake(rec.Now), Market: rec.Market, Policy: rec.Policy, Users: s, Build: rec.Build,
		Frequency: audience.NewFrequency(16*len(rec.Groups), 1)}}
	e.workers.New = func() any { return &worker{frequency: e.cfg.Frequency} }
	e.Publish(snap)
	req := rec.Request
	if rec.HasUser {
		req.UserID = []byte(replayed)
	}
	if rec.HasSession {
		req.Session = []byte(replayed)
	}
	s.count(e, snap)
	var tr Trace
	var resp Response
	tr.reset()
	tr.on, tr.asked, tr.tick, tr.script = true, rec.Explained, rec.Tick, s
	e.decide(&req, &resp, &tr)
	got := tr.rec
	return &got, nil
}

// replayed stands for whoever asked.
const replayed = "replayed"

// script is what a replay takes from the recording instead of from the world.
type script struct {
	rec    *Recording
	states map[id.AdGroup]*groupState
	groups map[id.AdGroup]*adGroup // of the snapshot
	next   map[int]int             // refused holds so far, by first slot of the auction
}

// state implements GroupStates: nobody was slowed or dry unless the recording
// says so.
func (s *script) state(g id.AdGroup) *groupState {
	if s.states[g] == nil {
		state := &groupState{id: g, index: uint32(len(s.states) + 1), groupHot: new(groupHot)}
		state.pace.Store(uint64(money.One))
		s.states[g] = state
	}
	return s.states[g]
}

// Lookup implements Users.
func (s *script) Lookup(_ []byte, p *audience.Profile) bool {
	have := &s.rec.Profile
	interests, segments := append(p.Interests[:0], have.Interests...), append(p.Segments[:0], have.Segments...)
	*p = *have
	p.Interests, p.Segments = interests, segments
	return true
}

// snapshot compiles the revision with the rates of the recording.
func (s *script) snapshot(tree *campaign.Tree) (*Snapshot, error) {
	learner, err := prediction.NewLearner(prediction.Config{})
	if err != nil {
		return nil, err
	}
	snap, err := Build(tree, &s.rec.Market, s, learner.Publish(s.rec.Model), s.rec.Built)
	if err != nil {
		return nil, err
	}
	s.groups = make(map[id.AdGroup]*adGroup, len(snap.groups))
	for i := range snap.groups {
		s.groups[snap.groups[i].id] = &snap.groups[i]
	}
	for _, g := range s.rec.Groups {
		have := s.groups[g.ID]
		if have == nil || len(g.Rates) == 0 {
			continue // what is missing shows in the comparison
		}
		if n := int(have.adTo - have.adFrom); n != len(g.Rates) {
			return nil, fmt.Errorf("ad group %s has %d ads at revision %d, the recording has rates for %d", g.ID, n, tree.Revision, len(g.Rates))
		}
		copy(snap.fits[have.adFrom:have.adTo], withRates(snap.fits[have.adFrom:have.adTo], g.Rates))
	}
	if len(s.rec.Auctions) > 0 {
		for i, f := range s.rec.Auctions[0].Fates {
			if !f.Competed && (f.Reason == ReasonBudget || f.Reason == ReasonWallet) {
				state := s.state(s.rec.Groups[i].ID)
				state.dry.Store(uint32(f.Reason))
				state.need.Store(int64(s.rec.Groups[i].Need))
			}
		}
	}
	return snap, nil
}

func withRates(fits []adFit, rates []money.PPB) []adFit {
	out := slices.Clone(fits)
	for i := range out {
		out[i].rate = rates[i]
	}
	return out
}

// count fills the frequency caps with what they had counted.
func (s *script) count(e *Engine, snap *Snapshot) {
	key, cal := hashKey([]byte(replayed)), e.calendar(snap, s.rec.Now)
	for _, g := range s.rec.Groups {
		have := s.groups[g.ID]
		for n := 0; n < g.Seen && have != nil; n++ {
			slot, _ := e.cfg.Frequency.Reserve(key, uint64(g.ID), audience.Cap{Impressions: 255, Days: 1}, cal.freqDay[have.zone])
			e.cfg.Frequency.Commit(slot)
		}
	}
}

// open sets the multipliers of the auction that begins.
func (s *script) open(slot int) {
	if a := s.auction(slot); a != nil {
		for i, f := range a.Fates {
			if f.Competed {
				s.state(s.rec.Groups[i].ID).pace.Store(uint64(f.Pace))
			}
		}
	}
}

func (s *script) auction(slot int) *RecordedAuction {
	i := slices.IndexFunc(s.rec.Auctions, func(a RecordedAuction) bool { return a.Slot == slot })
	if i < 0 {
		return nil
	}
	return &s.rec.Auctions[i]
}

// hold refuses what was refused, in the order in which it was.
func (s *script) hold(slot int, group id.AdGroup) Reason {
	a, at := s.auction(slot), s.next[slot]
	if a == nil || at >= len(a.Refused) || s.rec.Groups[a.Refused[at].Group].ID != group {
		return ReasonNone
	}
	s.next[slot]++
	return a.Refused[at].Reason
}

// placed reports whether there was room for the token of a winner.
func (s *script) placed(auction, slot int) bool {
	a := s.auction(auction)
	return a == nil || !slices.Contains(a.Unplaced, slot)
}

// Differences says how another decision of the same auction differs from the
// recorded one, most important first; none when they are equal bit for bit in
// everything but the engine and the build that decided.
func (r *Recording) Differences(got *Recording) []string {
	a, b := *r, *got
	b.Engine, b.Build, b.Explained, b.Tick = a.Engine, a.Build, a.Explained, a.Tick
	if slices.Equal(a.Append(nil), b.Append(nil)) {
		return nil
	}
	var out []string
	note := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if a.Universe != b.Universe || a.Why != b.Why {
		note("universe: recorded %s (%s), now %s (%s)", a.Universe, a.Why, b.Universe, b.Why)
	}
	for _, slot := range slotsOf(a.Ads, b.Ads) {
		x, y := a.adAt(slot), b.adAt(slot)
		if x != y {
			note("slot %d: recorded %s, now %s", slot, x, y)
		}
	}
	if a.Reason != b.Reason {
		note("reason of an empty answer: recorded %s, now %s", a.Reason, b.Reason)
	}
	if a.Matched != b.Matched {
		note("matched: recorded %d ad groups, now %d", a.Matched, b.Matched)
	}
	out = append(out, fates(&a, &b)...)
	if len(out) == 0 {
		note("the inputs differ: recorded %d bytes, now %d", len(a.Append(nil)), len(b.Append(nil)))
	}
	return out
}

// maxDifferences bounds the ad groups that a comparison lists.
const maxDifferences = 50

// fates compares what became of every ad group.
func fates(a, b *Recording) (out []string) {
	for i := range max(len(a.Auctions), len(b.Auctions)) {
		if i >= len(a.Auctions) || i >= len(b.Auctions) {
			return append(out, fmt.Sprintf("auctions: recorded %d, now %d", len(a.Auctions), len(b.Auctions)))
		}
		x, y := a.Auctions[i].byGroup(a), b.Auctions[i].byGroup(b)
		var ids []id.AdGroup
		for g := range x {
			ids = append(ids, g)
		}
		for g := range y {
			if _, ok := x[g]; !ok {
				ids = append(ids, g)
			}
		}
		slices.Sort(ids)
		for _, g := range ids {
			if x[g] == y[g] {
				continue
			}
			if len(out) == maxDifferences {
				return append(out, "and more ad groups")
			}
			out = append(out, fmt.Sprintf("slot %d, ad group %s: recorded %s, now %s", a.Auctions[i].Slot, g, cmp.Or(x[g], "not matched"), cmp.Or(y[g], "not matched")))
		}
	}
	return out
}

func (a *RecordedAuction) byGroup(r *Recording) map[id.AdGroup]string {
	out := make(map[id.AdGroup]string, len(a.Fates))
	for i, f := range a.Fates {
		if i < len(r.Groups) {
			out[r.Groups[i].ID] = fmt.Sprintf("%s (ad %d, pacing %d, seen %d, rates %v)", f.word(), f.Ad, f.Pace, r.Groups[i].Seen, r.Groups[i].Rates)
		}
	}
	return out
}

func (f *Fate) word() string {
	if f.Reason == ReasonNone {
		return "won"
	}
	return f.Reason.String()
}

// adAt describes what is in a slot.
func (r *Recording) adAt(slot int) string {
	for _, a := range r.Ads {
		if a.Slot == slot {
			return fmt.Sprintf("ad %s of ad group %s at %d nanos, score %d, day %d", a.Ad, a.AdGroup, int64(a.Price), int64(a.Score), a.Day)
		}
	}
	return "no ad"
}

func slotsOf(lists ...[]RecordedAd) (slots []int) {
	for _, l := range lists {
		for _, a := range l {
			slots = append(slots, a.Slot)
		}
	}
	slices.Sort(slots)
	return slices.Compact(slots)
}
