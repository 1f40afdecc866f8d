package main

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"mazad/api/ads"
	"mazad/campaign"
	"mazad/internal/clock"
	"mazad/ledger"
)

// neighbours knows the other nodes: where they are, and which are gone for good.
// One goroutine refreshes it; anybody may ask.
type neighbours struct {
	self  uint16
	fixed map[uint16]string // of the configuration; it wins over the store
	nodes interface {
		ListNodes(ctx context.Context) ([]campaign.Node, error)
	}
	leases interface {
		Leases(ctx context.Context, node uint16) ([]ledger.Lease, error)
	}
	relay  *ads.Relay
	clock  clock.Clock
	silent map[uint16]silence
	gone   atomic.Pointer[map[uint16]bool] // replaced whole
}

// silence is how many looks a node's beat has stood still. Looks are counted, not
// times compared: a clock that jumps kills nobody.
type silence struct {
	beat  int64
	looks int
}

// neighboursEvery is how often the store is asked who there is. A node that stood
// still for goneAfter is gone: longer than any lease, so that the tokens it sold
// on money are all too old to be billed.
const (
	neighboursEvery = 5 * time.Second
	goneAfter       = 41 * time.Minute
	goneLooks       = int(goneAfter / neighboursEvery)
)

// adopted reports a node that is gone for good. What still comes back of its
// tokens is judged here, and free.
func (b *neighbours) adopted(node uint16) bool {
	gone := b.gone.Load()
	return gone != nil && (*gone)[node]
}

// refresh reads the store once.
func (b *neighbours) refresh(ctx context.Context) error {
	list, err := b.nodes.ListNodes(ctx)
	if err != nil {
		return err
	}
	addresses, gone := maps.Clone(b.fixed), map[uint16]bool{}
	if addresses == nil {
		addresses = map[uint16]string{}
	}
	for _, node := range list {
		if node.Number == b.self {
			continue
		}
		if _, fixed := b.fixed[node.Number]; !fixed && node.Address != "" {
			addresses[node.Number] = node.Address
		}
		s, seen := b.silent[node.Number]
		if !seen || s.beat != node.Beat {
			s = silence{beat: node.Beat}
		} else if s.looks < goneLooks {
			s.looks++
		}
		b.silent[node.Number] = s
		gone[node.Number] = s.looks >= goneLooks
	}
	if err := b.stillLeased(ctx, gone); err != nil {
		return err
	}
	b.gone.Store(&gone)
	return b.relay.SetPeers(addresses)
}

// stillLeased takes out of gone who may still spend: a life that ran out renews and
// bills nothing, though its leases stay set aside until they are freed.
func (b *neighbours) stillLeased(ctx context.Context, gone map[uint16]bool) error {
	for node, silent := range gone {
		if !silent {
			continue
		}
		leases, err := b.leases.Leases(ctx, node)
		if err != nil {
			return err
		}
		now := b.clock.Now()
		gone[node] = !slices.ContainsFunc(leases, func(l ledger.Lease) bool { return l.ExpiresAt.After(now) })
	}
	return nil
}
