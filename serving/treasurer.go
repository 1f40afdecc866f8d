package serving

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"mazad/audience"
	"mazad/campaign"
	"mazad/events"
	"mazad/internal/clock"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/ledger"
	"mazad/pacing"
)

// Leases is the store that decides how much this node may spend.
type Leases interface {
	BeginLife(ctx context.Context, node uint16, generation uint32, expires time.Time) error
	GrantLeases(ctx context.Context, node uint16, generation uint32, asks []ledger.LeaseAsk) ([]ledger.Grant, error)
	ReturnLeases(ctx context.Context, node uint16, generation uint32, back []ledger.LeaseReturn) error
	RenewLeases(ctx context.Context, node uint16, generation uint32, expires time.Time) error
	CloseGeneration(ctx context.Context, node uint16, generation uint32, expires time.Time) error
	Leases(ctx context.Context, node uint16) ([]ledger.Lease, error)
	Spend(ctx context.Context, q ledger.SpendQuery) ([]ledger.LimitSpend, error)
}

// TreasurerConfig sizes a Treasurer.
type TreasurerConfig struct {
	Clock      clock.Clock
	Leases     Leases
	Frequency  *audience.Frequency
	Node       uint16
	Generation uint32 // of this life; never used before
	MaxCells   int    // of the Book; 0: pacing's default
	MaxHolds   int    // outstanding tokens; 0: pacing's default
	Leaser     pacing.Leaser
	Token      time.Duration // how long an impression token lives; 0: 30 minutes
}

// Treasurer keeps the money of one node: the limits of every ad group as leased
// from the store, what is held for tokens that are out, and the pacing
// multipliers. The request path only touches atomics; Apply, Tick and Close
// share a mutex that the request path never takes.
//
// Time: budgets follow the wall clock, because days do. What must last a while
// (holds, retries, renewals) is counted on a steady clock of the treasurer's own,
// which a jump of the wall clock does not move.
type Treasurer struct {
	cfg    TreasurerConfig
	life   lifetimes
	book   *pacing.Book
	holds  *pacing.Holds
	delays [2]pacing.Delays // clicks, views
	clicks atomic.Int64     // how long to hold for a click, ms
	views  atomic.Int64

	groups   atomic.Pointer[map[id.AdGroup]*groupState]        // replaced whole by Apply
	legacy   atomic.Pointer[legacy]                            // replaced whole when it has run out
	replaced atomic.Pointer[map[pacing.LimitID]pacing.LimitID] // cells that drain, and which stand in their place
	over     atomic.Bool                                       // the store says that a later life has begun: bill nothing
	nodes    atomic.Uint64                                     // how many share a budget
	steady   steadyClock

	mu        gate // guards what follows
	limits    map[limitKey]*limit
	byID      map[pacing.LimitID]*limit
	order     []*limit      // in the order of Apply, for repeatable runs
	states    []*groupState // by index-1; nil once forgotten
	hot       [][]groupHot  // chunks of the states' hot parts, in the same order
	zones     []*zoneDays
	free      []int    // indexes of states that were forgotten
	again     []*limit // to be looked at by the next tick: new, edited, not answered
	hungry    []asked  // the store had nothing left
	looks     []asked  // of the running tick
	draining  []draining
	pacing    []*limit         // whose controllers run
	back      []returning      // taken out of the Book, not yet given back to the store
	emptied   []pacing.LimitID // cells of the legacy that nobody finds any more
	emptiedMS int64
	due       schedule
	edits     int64 // calls of Apply that ended well
	leftOut   error

	ticks atomic.Uint64 // calls of Tick

	stats TreasurerStats
}

// gate is a mutex that one can stop waiting for.
type gate chan struct{}

func (g gate) Lock()   { g <- struct{}{} }
func (g gate) Unlock() { <-g }

// lockUntil tells whether it locked before ctx ended.
func (g gate) lockUntil(ctx context.Context) bool {
	select {
	case g <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// TreasurerStats counts what happened to money. All fields are atomic.
type TreasurerStats struct {
	Granted    atomic.Uint64 // leases fetched
	AskErrors  atomic.Uint64 // the store refused or was away
	Refills    atomic.Uint64 // leases fetched while a beacon waited
	FreeLimit  atomic.Uint64 // delivered free: over a limit
	FreeOld    atomic.Uint64 // delivered free: the lease of its life is gone
	FreeOver   atomic.Uint64 // delivered free: this life is over
	Unrefunded atomic.Uint64 // records lost on their way to the disk whose money stays set aside
	Expired    atomic.Uint64 // holds released unused
	LegacyLost atomic.Uint64 // leases of earlier lives that found no room in the Book
	Voided     atomic.Uint64 // leases that the store has less of than we: a mistake
	Forgotten  atomic.Uint64 // limits taken out of the Book: their ad groups are gone
	Looks      atomic.Uint64 // limits that ticks looked at
}

// Token lifetimes and the lease that must outlive them.
const (
	holdLifetime  = 30 * time.Minute // an impression token
	clickLifetime = 24 * time.Hour   // the token of a click or view
	settleTime    = time.Minute      // from a verdict until it is posted
	leaseSlack    = 10 * time.Minute // a lease outlives many missed renewals
	leaseLifetime = holdLifetime + leaseSlack
	defaultDelay  = 5 * time.Minute // of a click, before any was measured
	minDelay      = 10 * time.Second
	maxDelay      = holdLifetime
)

// lifetimes are the constants above, or what TreasurerConfig.Token makes of them.
type lifetimes struct{ hold, lease, settle time.Duration }

// lifetimesOf scales everything that depends on how long an impression token
// lives.
func lifetimesOf(token time.Duration) lifetimes {
	if token == 0 {
		return lifetimes{holdLifetime, leaseLifetime, settleTime}
	}
	return lifetimes{token, token + token/3, token / 30}
}

// OpenTreasurer opens the money of a new life. The ledger must have posted
// everything that earlier lives acknowledged.
func OpenTreasurer(ctx context.Context, cfg TreasurerConfig) (*Treasurer, error) {
	if cfg.Token < 0 || cfg.Token > 24*time.Hour {
		return nil, fmt.Errorf("serving: the lifetime of an impression token is %s, want up to 24h", cfg.Token)
	}
	if cfg.Clock == nil || cfg.Leases == nil || cfg.Frequency == nil || cfg.Generation == 0 {
		return nil, fmt.Errorf("serving: Clock, Leases, Frequency and a generation are required")
	}
	if err := cfg.Leaser.Validate(); err != nil {
		return nil, err
	}
	book, err := pacing.NewBook(pacing.BookConfig{MaxCells: cfg.MaxCells})
	if err != nil {
		return nil, err
	}
	holds, err := pacing.NewHolds(pacing.HoldsConfig{Capacity: cfg.MaxHolds})
	if err != nil {
		return nil, err
	}
	t := &Treasurer{
		cfg: cfg, life: lifetimesOf(cfg.Token), book: book, holds: holds,
		limits: map[limitKey]*limit{}, byID: map[pacing.LimitID]*limit{}, mu: make(gate, 1),
	}
	t.steady.advance(cfg.Clock.Now())
	t.nodes.Store(max(cfg.Leaser.Nodes, 1))
	t.groups.Store(&map[id.AdGroup]*groupState{})
	t.replaced.Store(&map[pacing.LimitID]pacing.LimitID{})
	t.clicks.Store(defaultDelay.Milliseconds())
	t.views.Store(defaultDelay.Milliseconds())
	if err := cfg.Leases.BeginLife(ctx, cfg.Node, cfg.Generation, cfg.Clock.Now().Add(t.life.lease)); err != nil {
		return nil, fmt.Errorf("begin life %d of node %d: %w", cfg.Generation, cfg.Node, err)
	}
	if err := t.openLegacy(ctx); err != nil {
		return nil, fmt.Errorf("read the leases of earlier lives: %w", err)
	}
	return t, nil
}

// Generation is the number of this life.
func (t *Treasurer) Generation() uint32 { return t.cfg.Generation }

// Ticks counts the calls of Tick in this life: it says which multipliers an
// auction met.
func (t *Treasurer) Ticks() uint64 { return t.ticks.Load() }

// Stats are the treasurer's counters.
func (t *Treasurer) Stats() *TreasurerStats { return &t.stats }

// Pacing gives the counters of the book and of the holds.
func (t *Treasurer) Pacing() (pacing.BookStats, pacing.HoldsStats) {
	return t.book.Stats(), t.holds.Stats()
}

// SetNodes says how many nodes share the budgets: what is left of one is leased
// in so many parts. It may be called from any goroutine.
func (t *Treasurer) SetNodes(n int) { t.nodes.Store(uint64(min(max(n, 1), campaign.MaxNodes))) }

func (t *Treasurer) state(g id.AdGroup) *groupState { return (*t.groups.Load())[g] }

// hold sets h.amount aside in the chain of the ad group, or says what refused.
// A refusal takes the ad group out of the running until the next Tick.
func (t *Treasurer) hold(h *holding) Reason {
	chain := h.group.chain.Load()
	if chain == nil || t.over.Load() {
		return ReasonBudget
	}
	ok, place := t.book.Hold(chain, h.day, h.amount)
	h.group.touch()
	if ok {
		h.chain = chain
		return ReasonNone
	}
	reason := ReasonBudget
	if place == pacing.Wallet {
		reason = ReasonWallet
	}
	h.group.need.Store(int64(h.amount))
	h.group.dry.Store(uint32(reason))
	return reason
}

// release gives back what hold took.
func (t *Treasurer) release(h *holding) {
	if h.chain != nil {
		t.book.Release(h.chain, h.day, h.amount)
		h.chain = nil
	}
}

// remember keeps a hold until its token expires and returns the token's serial.
func (t *Treasurer) remember(h *holding, billing Billing) (serial uint64, ok bool) {
	e := pacing.Entry{Amount: h.amount, AdGroup: uint64(h.group.index), Frequency: uint64(h.frequency), Day: h.day}
	if h.chain != nil {
		e.Chain = *h.chain
	}
	life := t.life.hold.Milliseconds()
	if billing != BillingCPM {
		e.Class = pacing.PerEvent
		// This hold ends before the token does, so the reservation of the
		// frequency cap cannot ride on it: it is final when the ad goes out.
		e.Frequency = 0
		if life = t.clicks.Load(); billing == BillingCPV {
			life = t.views.Load()
		}
	}
	serial, ok = t.holds.Put(&e, t.steady.ms()+life)
	if ok && e.Class == pacing.PerEvent {
		t.cfg.Frequency.Commit(h.frequency)
	}
	return serial, ok
}

// ours tells a token of this life.
func (t *Treasurer) ours(tok *events.Token) bool {
	return tok.ID.Generation == t.cfg.Generation && tok.ID.Partition == t.cfg.Node
}

// shown makes the frequency reservation of an impression final.
func (t *Treasurer) shown(tok *events.Token) {
	if !t.ours(tok) {
		return
	}
	if f, ok := t.holds.TakeFrequency(tok.ID.Serial); ok {
		t.cfg.Frequency.Commit(audience.FrequencySlot(f))
	}
}

// lose releases the hold of an auction that was lost at an exchange.
func (t *Treasurer) lose(tok *events.Token) {
	if !t.ours(tok) {
		return
	}
	if e, ok := t.holds.Take(tok.ID.Serial); ok {
		t.drop(&e)
	}
}

func (t *Treasurer) drop(e *pacing.Entry) {
	t.book.Release(&e.Chain, e.Day, e.Amount)
	t.cfg.Frequency.Release(audience.FrequencySlot(e.Frequency))
}

// commit bills price against the hold of the token, or says why the event is
// delivered free.
func (t *Treasurer) commit(ctx context.Context, tok *events.Token, price money.Nanos) (billed money.Nanos, free events.Reason) {
	if t.over.Load() {
		t.stats.FreeOver.Add(1)
		return 0, events.ReasonPreviousLife
	}
	if !t.ours(tok) {
		return t.commitLegacy(tok, price)
	}
	var chain, since pacing.Chain // since: limits that came after the hold
	day, held := tok.Day, money.Nanos(0)
	if g := t.state(tok.AdGroup); g != nil {
		g.touch()
	}
	if e, ok := t.holds.Take(tok.ID.Serial); ok {
		chain, day, held = e.Chain, e.Day, e.Amount
		if g := t.state(tok.AdGroup); g != nil && price > held && g.chain.Load() != nil && *g.chain.Load() != chain {
			t.book.Release(&chain, day, held) // it needs more than is held, and that is in the present limits
			chain, held = *g.chain.Load(), 0
		}
		since = t.limitsSince(tok.AdGroup, &chain)
		t.cfg.Frequency.Commit(audience.FrequencySlot(e.Frequency))
	} else if g := t.state(tok.AdGroup); g != nil && g.chain.Load() != nil {
		chain = *g.chain.Load()
	} else {
		t.stats.FreeOld.Add(1)
		return 0, events.ReasonPreviousLife
	}
	t.measure(tok)
	if !t.holdNow(ctx, &since, day, price) {
		t.book.Release(&chain, day, held)
	} else if t.book.Commit(&chain, day, held, price) == price ||
		t.refill(ctx, &chain, day, price) && t.book.Commit(&chain, day, 0, price) == price {
		t.book.Commit(&since, day, price, price)
		return price, events.ReasonNone
	} else {
		t.book.Release(&since, day, price)
	}
	t.stats.FreeLimit.Add(1)
	return 0, events.ReasonOverLimit
}

// limitsSince are the limits of the ad group that its chain did not have when
// the hold was made: an edit has put them there, and they count for what is
// billed from now on.
func (t *Treasurer) limitsSince(group id.AdGroup, held *pacing.Chain) (since pacing.Chain) {
	if g := t.state(group); g != nil {
		if now := g.chain.Load(); now != nil {
			for i := range now {
				if !t.sameLimit(held[i], now[i]) {
					since[i] = now[i]
				}
			}
		}
	}
	return since
}

// holdNow holds in every limit of a chain, fetching more where it must.
func (t *Treasurer) holdNow(ctx context.Context, c *pacing.Chain, day int32, price money.Nanos) bool {
	if *c == (pacing.Chain{}) {
		return true
	}
	if ok, _ := t.book.Hold(c, day, price); ok {
		return true
	}
	if !t.refill(ctx, c, day, price) {
		return false
	}
	ok, _ := t.book.Hold(c, day, price)
	return ok
}

// measure observes how long after the auction a click or view came.
func (t *Treasurer) measure(tok *events.Token) {
	delay := t.cfg.Clock.Now().UnixMilli() - tok.AuctionMS()
	switch Billing(tok.BillingEvent) {
	case BillingCPC:
		t.delays[0].Observe(delay)
	case BillingCPV:
		t.delays[1].Observe(delay)
	}
}

// refund takes back what a record billed that never reached the disk. Where the
// limits of the ad group have changed since, it cannot be told which of them were
// billed, and the money stays set aside: nobody's, never somebody's twice.
func (t *Treasurer) refund(rec *events.Record) {
	g := t.state(rec.AdGroup)
	if g == nil || rec.Token.Generation != t.cfg.Generation || rec.Token.Partition != t.cfg.Node {
		return
	}
	if at := g.rechained.Load(); at != 0 && rec.TimeMS <= at+refundSlack.Milliseconds() {
		t.stats.Unrefunded.Add(1)
		return
	}
	if chain := g.chain.Load(); chain != nil {
		t.book.Refund(chain, rec.Day, rec.BilledNanos)
		g.touch()
	}
}

// refundSlack covers a clock that jumped between a verdict and an edit.
const refundSlack = 3 * time.Hour

// Sweep releases the holds whose tokens have expired. Call it every second.
func (t *Treasurer) Sweep(now time.Time) {
	n := t.holds.Expire(t.steady.advance(now), sweepLimit, t.drop)
	t.stats.Expired.Add(uint64(n))
}

// sweepLimit bounds one Sweep; a backlog is worked off over several.
const sweepLimit = 200_000
