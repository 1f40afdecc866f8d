package storetest

import (
	"fmt"
	"sync"
	"testing"

	"mazad/campaign"
	"mazad/internal/id"
)

// Processes is what a store must do that several processes have open at the
// same time: their edits take turns, whoever reads in between sees no gap.
func Processes(t *testing.T, open Open) {
	for name, test := range map[string]func(*fixture, campaign.Store){
		"edits by both":       editsByBoth,
		"one object":          oneObject,
		"one key":             oneKey,
		"generations of both": generationsOfBoth,
		"an edit is seen":     editIsSeen,
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, open)
			other, _ := open(t, f.setup)
			for owner, store := range map[string]campaign.Store{"a": f.store, "b": other} {
				must(store.ClaimNode(f.ctx, campaign.NodeClaim{Owner: owner, Number: -1}))(f)
			}
			test(f, other)
		})
	}
}

// editsByBoth: revisions are dense and become visible in their order, ids are
// unique, and a reader that follows has the tree that is loaded anew.
func editsByBoth(f *fixture, other campaign.Store) {
	const workers, edits = 4, 15
	follower := must(other.LoadAll(f.ctx))(f)
	begun := follower.Revision
	var wg sync.WaitGroup
	for w := range workers {
		store, adv := []campaign.Store{f.store, other}[w%2], []id.Advertiser{f.a.ID, f.b.ID}[w/2]
		wg.Go(func() {
			for i := range edits {
				c, err := store.CreateCampaign(f.ctx, f.edit, Campaign(adv))
				if err == nil && i%3 == 0 {
					_, err = store.UpdateCampaign(f.ctx, f.edit, adv, c.ID, campaign.CampaignPatch{Name: p(fmt.Sprint("again ", i))})
				}
				if err != nil {
					f.Errorf("worker %d, edit %d: %v", w, i, err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	want := begun + workers*edits*4/3
	for over := false; !over; {
		select {
		case <-done:
			over = true // and once more, for what came last
		default:
		}
		touched, upTo, err := f.store.Changed(f.ctx, follower.Revision)
		f.ok(err)
		delta := must(other.LoadSince(f.ctx, follower.Revision))(f)
		if delta.Revision < upTo {
			f.Errorf("edits up to %d were seen, then only up to %d", upTo, delta.Revision)
		}
		if upTo-follower.Revision < campaign.Revision(len(touched)) {
			f.Errorf("%d objects were touched by %d edits", len(touched), upTo-follower.Revision)
		}
		follower = follower.With(delta)
	}
	fresh := must(f.store.LoadAll(f.ctx))(f)
	if fresh.Revision != want || follower.Revision != want {
		f.Errorf("revision %d and %d, want %d: numbers were lost or given twice", fresh.Revision, follower.Revision, want)
	}
	if !same(follower.Campaigns, fresh.Campaigns) || len(fresh.Campaigns) != workers*edits {
		f.Errorf("%d campaigns followed, %d loaded, want %d", len(follower.Campaigns), len(fresh.Campaigns), workers*edits)
	}
}

// oneObject: of two edits that saw the same version one is refused.
func oneObject(f *fixture, other campaign.Store) {
	c := must(f.store.CreateCampaign(f.ctx, f.edit, Campaign(f.a.ID)))(f)
	const rounds = 20
	for round := range rounds {
		e := f.edit
		e.IfVersion = int64(round + 1)
		var wg sync.WaitGroup
		var errs [2]error
		for i, store := range []campaign.Store{f.store, other} {
			wg.Go(func() {
				_, errs[i] = store.UpdateCampaign(f.ctx, e, f.a.ID, c.ID, campaign.CampaignPatch{Name: p(fmt.Sprint(round, " by ", i))})
			})
		}
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			f.Fatalf("round %d: %v and %v, want one success", round, errs[0], errs[1])
		}
		for _, err := range errs {
			if err != nil {
				f.fails(err, campaign.Conflict, "version")
			}
		}
	}
	if got := must(other.Campaign(f.ctx, f.a.ID, c.ID))(f); got.Version != rounds+1 {
		f.Errorf("version %d, want %d", got.Version, rounds+1)
	}
}

// oneKey: a request that a client sends to both makes one object.
func oneKey(f *fixture, other campaign.Store) {
	for round := range 10 {
		e := f.edit
		e.Key = fmt.Sprint("key ", round)
		var wg sync.WaitGroup
		var made [4]campaign.Campaign
		for i := range made {
			wg.Go(func() {
				var err error
				if made[i], err = []campaign.Store{f.store, other}[i%2].CreateCampaign(f.ctx, e, Campaign(f.a.ID)); err != nil {
					f.Error(err)
				}
			})
		}
		wg.Wait()
		for _, c := range made {
			if c.ID != made[0].ID {
				f.Errorf("one key made campaigns %d and %d", made[0].ID, c.ID)
			}
		}
	}
	if page := must(f.store.Campaigns(f.ctx, f.a.ID, campaign.Query{}))(f); page.Total != 10 {
		f.Errorf("%d campaigns, want 10", page.Total)
	}
}

// generationsOfBoth: no life has the number of another, and no two owners share a
// node.
func generationsOfBoth(f *fixture, other campaign.Store) {
	var mu sync.Mutex
	seen, owners := map[campaign.Generation]bool{}, map[uint16]string{}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 10 {
				owner := fmt.Sprint("owner ", i%5)
				g, err := []campaign.Store{f.store, other}[w%2].ClaimNode(f.ctx, campaign.NodeClaim{Owner: owner, Number: -1})
				mu.Lock()
				if err != nil || seen[g] || owners[g.Node] != "" && owners[g.Node] != owner {
					f.Errorf("%s got %+v, which came before or is of %q: %v", owner, g, owners[g.Node], err)
				}
				seen[g], owners[g.Node] = true, owner
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// editIsSeen: what one has committed the other reads.
func editIsSeen(f *fixture, other campaign.Store) {
	before := must(other.LoadAll(f.ctx))(f)
	c, g, a := f.chain(f.a.ID)
	must(f.store.SetAdStatus(f.ctx, f.edit, f.a.ID, []id.Ad{a.ID}, campaign.Disable))(f)
	delta := must(other.LoadSince(f.ctx, before.Revision))(f)
	if delta.Revision != before.Revision+4 || len(delta.Campaigns) != 1 || delta.Campaigns[0].ID != c.ID || delta.AdGroups[0].ID != g.ID ||
		delta.Ads[0].OperationStatus != campaign.Disable {
		f.Errorf("the other sees %+v", delta)
	}
	_, secret, err := f.store.CreateToken(f.ctx, f.edit, campaign.Token{Scope: campaign.ScopeEvent, Name: "feed"})
	f.ok(err)
	token := must(other.FindToken(f.ctx, campaign.HashToken(secret)))(f)
	must(f.store.RevokeToken(f.ctx, f.edit, campaign.TokenOwner{}, token.ID))(f)
	_, err = other.FindToken(f.ctx, campaign.HashToken(secret))
	f.fails(err, campaign.NotFound, "access_token")
}
