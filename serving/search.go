package serving

import (
	"mazad/audience"
	"mazad/internal/money"
	"mazad/targeting"
)

// search is how far a request has looked. The tiers of the snapshot are matched
// in order of their bounds, each at most once a request; the auctions of a
// request share what was found.
type search struct {
	matching targeting.Scratch
	next     int             // tier
	matched  []targeting.Ord // of the tiers so far
	screened []Reason        // parallel: why it may not compete in any slot from here on
	gathered int             // of matched, by the running auction
	refused  int             // holds, in the request
}

// look begins the search: nothing is matched yet.
func (w *worker) look() {
	w.next, w.matched, w.screened, w.gathered, w.refused = 0, w.matched[:0], w.screened[:0], 0, 0
	w.blocked.reset()
	w.blocked.read(&w.snap.labels, w.req.BlockedDomains, w.req.BlockedCategories)
}

// rest is the most that an ad group not yet matched could be worth; 0 when there
// is none.
func (w *worker) rest() money.Nanos {
	if w.next == len(w.snap.tiers) {
		return 0
	}
	return w.snap.tiers[w.next].bound
}

// further matches the next tier and screens what it finds; false when there is
// none.
func (w *worker) further() bool {
	if w.next == len(w.snap.tiers) {
		return false
	}
	t := &w.snap.tiers[w.next]
	w.next++
	var found []targeting.Ord
	if w.universe == audience.Personal {
		found = t.Index.MatchPersonal(&w.personal, &w.matching)
	} else {
		found = t.Index.MatchContextual(&w.contextual, &w.matching)
	}
	ms := w.now.UnixMilli()
	for _, local := range found {
		ord := t.From + local
		w.matched = append(w.matched, ord)
		w.screened = append(w.screened, w.eligible(ord, ms))
	}
	return true
}
