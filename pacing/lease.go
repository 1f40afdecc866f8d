package pacing

import (
	"fmt"

	"mazad/internal/money"
)

// Leaser says how much of a budget a node should fetch into its Book. It is a
// policy only: the store that holds the leases decides.
type Leaser struct {
	Parts          uint64 // a slice is at least the limit divided by this; 0: 64
	HorizonSeconds uint64 // and at least what is spent in so many seconds; 0: 10
	Nodes          uint64 // how many nodes share what remains; 0: 1
}

// Validate names the first field out of range.
func (l Leaser) Validate() error {
	switch {
	case l.Parts > 1<<20:
		return fmt.Errorf("pacing lease parts is %d, want at most %d", l.Parts, 1<<20)
	case l.HorizonSeconds > 3600:
		return fmt.Errorf("pacing lease horizon_seconds is %d, want at most 3600", l.HorizonSeconds)
	case l.Nodes > 1<<10:
		return fmt.Errorf("pacing lease nodes is %d, want at most %d", l.Nodes, 1<<10)
	}
	return nil
}

// Position is where a limit stands when a node asks.
type Position struct {
	Limit     money.Sum   // the budget of the day or lifetime
	Spent     money.Sum   // booked against it, by every node
	Leased    money.Sum   // granted to nodes, this one included, and not booked yet
	Avail     money.Nanos // what this node can still hold: Totals.Avail
	PerSecond money.Nanos // what this node spends
}

// Grant is how much to fetch now; 0 when what is there will do. It never exceeds
// Limit - Spent - Leased. A slice is the larger of limit/Parts and the spend of
// the horizon, but no more than the node's share of what is left, so slices
// shrink as a budget ends and several nodes come to an end together. Half a
// slice is refilled at a time: a store write per tick would buy nothing.
func (l Leaser) Grant(p *Position) money.Nanos {
	left := p.Limit.Sub(p.Spent).Sub(p.Leased)
	if left.Sign() <= 0 {
		return 0
	}
	parts, horizon, nodes := orDefault(l.Parts, 64), orDefault(l.HorizonSeconds, 10), orDefault(l.Nodes, 1)
	slice, rest := p.Limit.DivMod(parts)
	if rest > 0 {
		slice = slice.AddNanos(1)
	}
	if pace := money.SumOf(max(p.PerSecond, 0)).Mul(horizon); pace.Cmp(slice) > 0 {
		slice = pace
	}
	share, rest := left.AddNanos(max(p.Avail, 0)).DivMod(nodes)
	if rest > 0 {
		share = share.AddNanos(1)
	}
	if share.Cmp(slice) < 0 {
		slice = share
	}
	want := slice.Clamp() - max(p.Avail, 0)
	if want <= 0 || p.Avail > slice.Clamp()/2 {
		return 0
	}
	return min(want, left.Clamp())
}

func orDefault(v, def uint64) uint64 {
	if v == 0 {
		return def
	}
	return v
}
