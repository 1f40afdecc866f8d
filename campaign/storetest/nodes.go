package storetest

import (
	"fmt"
	"strings"
	"sync"

	"mazad/campaign"
)

// nodes: a number belongs to its owner for ever, and no life has the number of an
// earlier one.
func nodes(f *fixture) {
	claim := func(owner, address string) campaign.Generation {
		f.Helper()
		return must(f.store.ClaimNode(f.ctx, campaign.NodeClaim{Owner: owner, Address: address, Number: -1}))(f)
	}
	want := func(got campaign.Generation, node uint16, number uint32) {
		f.Helper()
		if got != (campaign.Generation{Node: node, Number: number}) {
			f.Errorf("got %+v, want node %d in life %d", got, node, number)
		}
	}
	first := claim("a", "10.0.0.1:1")
	want(first, 0, 1)
	want(claim("b", ""), 1, 1)
	f.ok(f.store.BeatNode(f.ctx, first))
	f.ok(f.store.LeaveNode(f.ctx, first))
	f.reopen()
	want(claim("b", ""), 1, 2)
	list := must(f.store.ListNodes(f.ctx))(f)
	if len(list) != 2 || list[0] != (campaign.Node{Number: 0, Generation: 1, Owner: "a", Address: "10.0.0.1:1", Beat: 2, Left: true}) || list[1].Generation != 2 || list[1].Left {
		f.Errorf("nodes %+v", list)
	}
	again := claim("a", "10.0.0.2:1")
	want(again, 0, 2)
	f.fails(f.store.BeatNode(f.ctx, first), campaign.Conflict, "generation")
	f.fails(f.store.LeaveNode(f.ctx, first), campaign.Conflict, "generation")
	f.ok(f.store.BeatNode(f.ctx, again))
	list = must(f.store.ListNodes(f.ctx))(f)
	if list[0].Beat != 4 || list[0].Left || list[0].Address != "10.0.0.2:1" {
		f.Errorf("after it came back %+v", list[0])
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := map[uint16]bool{}
	for i := range 20 {
		wg.Go(func() {
			g, err := f.store.ClaimNode(f.ctx, campaign.NodeClaim{Owner: strings.Repeat("x", i+1), Number: -1})
			mu.Lock()
			defer mu.Unlock()
			if err != nil || seen[g.Node] || g.Node < 2 || g.Node > 21 || g.Number != 1 {
				f.Errorf("claimed %+v at the same time as others: %v", g, err)
			}
			seen[g.Node] = true
		})
	}
	wg.Wait()
	if c, _, _ := f.chain(f.a.ID); c.ID == 0 {
		f.Error("no id")
	}
}

func nodesRefused(f *fixture) {
	_, err := f.store.ClaimNode(f.ctx, campaign.NodeClaim{})
	f.fails(err, campaign.Invalid, "owner")
	_, err = f.store.ClaimNode(f.ctx, campaign.NodeClaim{Owner: strings.Repeat("x", campaign.MaxNodeOwner+1)})
	f.fails(err, campaign.Invalid, "owner")
	_, err = f.store.ClaimNode(f.ctx, campaign.NodeClaim{Owner: "x", Address: strings.Repeat("x", campaign.MaxNodeAddress+1)})
	f.fails(err, campaign.Invalid, "address")
	_, err = f.store.ClaimNode(f.ctx, campaign.NodeClaim{Owner: "x", Number: campaign.MaxNodes})
	f.fails(err, campaign.Invalid, "node")
	if g := must(f.store.ClaimNode(f.ctx, campaign.NodeClaim{Owner: "7", Number: 7}))(f); g.Node != 7 {
		f.Errorf("got node %d, want 7", g.Node)
	}
	_, err = f.store.ClaimNode(f.ctx, campaign.NodeClaim{Owner: "another", Number: 7})
	f.fails(err, campaign.Conflict, "node")
	_, err = f.store.ClaimNode(f.ctx, campaign.NodeClaim{Owner: "7", Number: 8})
	f.fails(err, campaign.Conflict, "node")
	var wg sync.WaitGroup
	for i := range campaign.MaxNodes {
		wg.Go(func() {
			if _, err := f.store.ClaimNode(f.ctx, campaign.NodeClaim{Owner: fmt.Sprint(i), Number: -1}); err != nil {
				f.Error(err)
			}
		})
	}
	wg.Wait()
	_, err = f.store.ClaimNode(f.ctx, campaign.NodeClaim{Owner: "one too many", Number: -1})
	f.fails(err, campaign.Conflict, "node")
}
