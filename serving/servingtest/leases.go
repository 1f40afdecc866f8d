// Package servingtest stands in for the store that a corridor leases money from,
// in tests and benchmarks of the whole decision.
//
// Contract: Leases grants by the rule of the real store: what is granted never
// passes the ceiling of a limit, and what a wallet was funded with. Spend is what
// Post was told. It keeps
// nothing and forgets everything with the process.
//
// Units: money.Sum.
//
// Concurrency: every method may be called from any goroutine.
//
// Limits: one entry of memory per limit and day that was ever asked for.
package servingtest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"mazad/internal/money"
	"mazad/ledger"
)

// Leases is a store of leases in memory: leases + spend <= limit. Nothing is
// spent in it unless Post says so.
type Leases struct {
	mu      sync.Mutex                 // guards the rest
	posted  map[ledger.Limit]money.Sum // in all
	spent   map[ledger.Limit]money.Sum // of what is granted
	funded  money.Sum                  // of every wallet
	granted map[ledger.Limit]money.Sum
	earlier []ledger.Lease
	away    error
	mute    error
}

// NewLeases returns a store where every wallet holds funded.
func NewLeases(funded money.Micros) *Leases {
	return &Leases{funded: funded.Sum(), granted: map[ledger.Limit]money.Sum{}, posted: map[ledger.Limit]money.Sum{}, spent: map[ledger.Limit]money.Sum{}}
}

// GrantLeases grants what is asked for as far as the ceilings go.
func (f *Leases) GrantLeases(_ context.Context, _ uint16, _ uint32, asks []ledger.LeaseAsk) ([]ledger.Grant, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away != nil {
		return nil, f.away
	}
	out := make([]ledger.Grant, len(asks))
	for i, a := range asks {
		ceiling := a.Ceiling
		if a.Limit.Kind == ledger.WalletLimit {
			ceiling = f.funded
		}
		left := ceiling.Sub(f.posted[a.Limit]).Sub(f.granted[a.Limit]).Add(f.spent[a.Limit])
		add := a.Want
		if add.Cmp(left) > 0 {
			add = left
		}
		if add.Sign() < 0 {
			add = money.Sum{}
		}
		f.granted[a.Limit] = f.granted[a.Limit].Add(add)
		left = left.Sub(add)
		if left.Sign() < 0 {
			left = money.Sum{}
		}
		lease := ledger.Lease{Limit: a.Limit, Granted: f.granted[a.Limit], Spent: f.spent[a.Limit]}
		out[i] = ledger.Grant{Added: add, Left: left, Ceiling: ceiling, Lease: lease}
	}
	if f.mute != nil {
		return nil, f.mute
	}
	return out, nil
}

// ReturnLeases takes back what was granted and not spent.
func (f *Leases) ReturnLeases(_ context.Context, _ uint16, _ uint32, back []ledger.LeaseReturn) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range back {
		if b.Granted.Cmp(f.spent[b.Limit]) < 0 {
			return fmt.Errorf("the lease of %v is lowered to %s, %s of it are posted", b.Limit, b.Granted, f.spent[b.Limit])
		}
		if b.Granted.Cmp(f.granted[b.Limit]) < 0 {
			f.granted[b.Limit] = b.Granted
		}
	}
	return nil
}

// BeginLife does nothing: there is one life.
func (f *Leases) BeginLife(context.Context, uint16, uint32, time.Time) error { return nil }

// RenewLeases does nothing: leases do not expire here.
func (f *Leases) RenewLeases(context.Context, uint16, uint32, time.Time) error { return nil }

// CloseGeneration does nothing: there is one life.
func (f *Leases) CloseGeneration(context.Context, uint16, uint32, time.Time) error { return nil }

// Leases are those of earlier lives that Earlier set.
func (f *Leases) Leases(context.Context, uint16) ([]ledger.Lease, error) { return f.earlier, nil }

// Earlier sets the leases of earlier lives, before a treasurer is opened.
func (f *Leases) Earlier(leases ...ledger.Lease) { f.earlier = leases }

// SetAway makes every grant fail with err, or work again with nil.
func (f *Leases) SetAway(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = err
}

// SetMute makes every grant happen and its answer get lost, with err, or arrive
// again with nil.
func (f *Leases) SetMute(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mute = err
}

// Fund sets what every wallet holds.
func (f *Leases) Fund(funded money.Micros) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.funded = funded.Sum()
}

// Post books what was billed.
func (f *Leases) Post(amount money.Sum, limits ...ledger.Limit) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range limits {
		f.posted[l], f.spent[l] = f.posted[l].Add(amount), f.spent[l].Add(amount)
	}
}

// Outstanding is what is granted of a limit and not returned.
func (f *Leases) Outstanding(l ledger.Limit) money.Sum {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.granted[l]
}

// Funded is what every wallet holds.
func (f *Leases) Funded() money.Sum {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.funded
}

// Spend is zero for every limit.
func (f *Leases) Spend(_ context.Context, q ledger.SpendQuery) ([]ledger.LimitSpend, error) {
	out := make([]ledger.LimitSpend, len(q.Limits))
	for i, l := range q.Limits {
		out[i].Limit = l
	}
	return out, nil
}
