package storetest

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"mazad/campaign"
	"mazad/internal/id"
)

func loadAll(f *fixture) {
	c, g, a := f.chain(f.a.ID)
	_, g2, _ := f.chain(f.b.ID)
	c3, _, _ := f.chain(f.b.ID)
	must(f.store.SetAdGroupStatus(f.ctx, f.edit, f.b.ID, []id.AdGroup{g2.ID}, campaign.Delete))(f)
	must(f.store.SetCampaignStatus(f.ctx, f.edit, f.b.ID, []id.Campaign{c3.ID}, campaign.Delete))(f)
	t := must(f.store.LoadAll(f.ctx))(f)
	if len(t.Advertisers) != 2 || len(t.Campaigns) != 2 || len(t.AdGroups) != 1 || len(t.Ads) != 1 {
		f.Errorf("%d advertisers, %d campaigns, %d ad groups, %d ads", len(t.Advertisers), len(t.Campaigns), len(t.AdGroups), len(t.Ads))
	}
	if !reflect.DeepEqual(t.Campaigns[0], c) || !reflect.DeepEqual(t.AdGroups[0], g) || !reflect.DeepEqual(t.Ads[0], a) {
		f.Error("the tree differs from what was created")
	}
	if t.Revision != 2+9+2 {
		f.Errorf("revision %d, want 13", t.Revision)
	}
}

func changed(f *fixture) {
	edited, stop := f.store.Watch()
	t := must(f.store.LoadAll(f.ctx))(f)
	got, rev, err := f.store.Changed(f.ctx, t.Revision)
	f.ok(err)
	if len(got) != 0 || rev != t.Revision {
		f.Errorf("nothing changed, but %v up to %d", got, rev)
	}
	c, g, _ := f.chain(f.a.ID)
	must(f.store.UpdateAdGroup(f.ctx, f.edit, f.a.ID, g.ID, campaign.AdGroupPatch{Name: p("x")}))(f)
	select {
	case <-edited:
	default:
		f.Error("nobody was told of an edit")
	}
	got, rev, err = f.store.Changed(f.ctx, t.Revision)
	f.ok(err)
	if len(got) != 3 || rev != t.Revision+4 || got[0] != (campaign.Touched{Kind: campaign.KindCampaign, Object: int64(c.ID)}) {
		f.Errorf("changed: %v up to %d", got, rev)
	}
	_, _ = f.store.UpdateCampaign(f.ctx, f.edit, f.a.ID, c.ID, campaign.CampaignPatch{Name: p("")})
	select {
	case <-edited:
		f.Error("told of an edit that was refused")
	default:
	}
	stop()
	f.chain(f.a.ID)
	select {
	case <-edited:
		f.Error("told after stop")
	default:
	}
}

// deltas: over a random history, a tree with the edits since on top is the tree
// loaded anew, and every tree that there was comes back at the end.
func deltas(f *fixture) {
	rng := rand.New(rand.NewPCG(7, 7))
	held := must(f.store.LoadAll(f.ctx))(f)
	past := []campaign.Tree{held}
	statuses := []campaign.OperationStatus{campaign.Enable, campaign.Disable, campaign.Delete}
	for step := range 60 {
		for range rng.IntN(4) {
			adv, s := []id.Advertiser{f.a.ID, f.b.ID}[rng.IntN(2)], statuses[rng.IntN(3)]
			switch rng.IntN(5) {
			case 0:
				f.chain(adv)
			case 1:
				must(f.store.UpdateAdvertiser(f.ctx, f.edit, adv, campaign.AdvertiserPatch{Name: p(fmt.Sprint("name ", step))}))(f)
			default: // some are deleted already and refuse
				if n := len(held.Ads); n > 0 {
					a := held.Ads[rng.IntN(n)]
					switch rng.IntN(6) {
					case 0:
						f.store.SetCampaignStatus(f.ctx, f.edit, a.Advertiser, []id.Campaign{a.Campaign}, s)
					case 1:
						f.store.SetAdGroupStatus(f.ctx, f.edit, a.Advertiser, []id.AdGroup{a.AdGroup}, s)
					default:
						f.store.SetAdStatus(f.ctx, f.edit, a.Advertiser, []id.Ad{a.ID}, s)
					}
				}
			}
		}
		held = held.With(must(f.store.LoadSince(f.ctx, held.Revision))(f))
		fresh := must(f.store.LoadAll(f.ctx))(f)
		if held.Revision != fresh.Revision || !same(held.Advertisers, fresh.Advertisers) || !same(held.Campaigns, fresh.Campaigns) ||
			!same(held.AdGroups, fresh.AdGroups) || !same(held.Ads, fresh.Ads) {
			f.Fatalf("step %d: the tree that was kept up differs from the one loaded anew", step)
		}
		past = append(past, fresh)
	}
	for _, want := range past {
		got := must(f.store.LoadAt(f.ctx, want.Revision))(f)
		if got.Revision != want.Revision || !same(got.Advertisers, want.Advertisers) || !same(got.Campaigns, want.Campaigns) ||
			!same(got.AdGroups, want.AdGroups) || !same(got.Ads, want.Ads) {
			f.Fatalf("revision %d of %d does not come back as it was", want.Revision, held.Revision)
		}
	}
	for _, r := range []campaign.Revision{-1, held.Revision + 1} {
		_, err := f.store.LoadAt(f.ctx, r)
		f.fails(err, campaign.NotFound, "revision")
	}
}

func same[T any](a, b []T) bool { return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b) }

// Tree is a tree of n ad groups in campaigns of ten, linked by small numbers.
func Tree(n int) campaign.Tree {
	t := campaign.Tree{Advertisers: []campaign.Advertiser{{ID: 1, Name: "Seeded", Currency: "SAR", Zone: "Asia/Riyadh"}}}
	for i := range n {
		if i%10 == 0 {
			c := Campaign(1)
			c.ID = id.Campaign(1 + i/10)
			t.Campaigns = append(t.Campaigns, c)
		}
		g := AdGroup(t.Campaigns[i/10])
		g.ID = id.AdGroup(1 + i)
		t.AdGroups = append(t.AdGroups, g)
		t.Ads = append(t.Ads, Ad(g))
	}
	return t
}

func tree(f *fixture) {
	in := Tree(25)
	out := must(f.store.CreateTree(f.ctx, f.edit, in))(f)
	got := must(f.store.LoadAll(f.ctx))(f)
	if got.Revision != out.Revision {
		f.Errorf("the tree says revision %d, the store %d", out.Revision, got.Revision)
	}
	if !reflect.DeepEqual(got.Campaigns, out.Campaigns) || !reflect.DeepEqual(got.AdGroups, out.AdGroups) || !reflect.DeepEqual(got.Ads, out.Ads) {
		f.Error("the store holds another tree than it answered")
	}
	last := out.Ads[24]
	if last.AdGroup != out.AdGroups[24].ID || last.Campaign != out.Campaigns[2].ID || last.Advertiser != out.Advertisers[0].ID {
		f.Errorf("the last ad is linked to %+v", last)
	}
	if in.AdGroups[3].ID != 4 {
		f.Error("the caller's tree was changed")
	}
	// What exists can be a parent.
	g := AdGroup(out.Campaigns[0])
	g.ID = 1
	more := must(f.store.CreateTree(f.ctx, f.edit, campaign.Tree{AdGroups: []campaign.AdGroup{g}, Ads: []campaign.Ad{{AdGroup: 1, Name: "x",
		Format: campaign.SingleImage, ImageURLs: []string{"https://cdn.example/x.png"}, LandingPageURL: "https://shop.example"}}}))(f)
	if more.AdGroups[0].Campaign != out.Campaigns[0].ID || more.Ads[0].AdGroup != more.AdGroups[0].ID {
		f.Errorf("linked to %+v", more)
	}
}

func treeRefused(f *fixture) {
	in := Tree(25)
	in.AdGroups[17].BidPrice = 0
	_, err := f.store.CreateTree(f.ctx, f.edit, in)
	f.fails(err, campaign.Invalid, "adgroups[17].bid_price")
	if got := must(f.store.LoadAll(f.ctx))(f); len(got.Campaigns) != 0 || len(got.Advertisers) != 2 {
		f.Error("half of a tree was created")
	}
}

func tokens(f *fixture) {
	bc := must(f.store.CreateBusinessCenter(f.ctx, f.edit, campaign.BusinessCenter{Name: "Wasit agency"}))(f)
	t, secret, err := f.store.CreateToken(f.ctx, f.edit, campaign.Token{Scope: campaign.ScopeManagement, Name: "bulk tool", BusinessCenter: bc.ID})
	f.ok(err)
	if !strings.HasPrefix(secret, t.Prefix) || !strings.HasPrefix(secret, "mzd_management_") || len(secret) < 60 {
		f.Errorf("secret %q, prefix %q", secret, t.Prefix)
	}
	_, other, err := f.store.CreateToken(f.ctx, f.edit, campaign.Token{Scope: campaign.ScopeEvent, Name: "feed"})
	f.ok(err)
	if other == secret {
		f.Error("two tokens are the same")
	}
	found := must(f.store.FindToken(f.ctx, campaign.HashToken(secret)))(f)
	if found != t {
		f.Errorf("found %+v, created %+v", found, t)
	}
	_, err = f.store.FindToken(f.ctx, campaign.HashToken(secret+"x"))
	f.fails(err, campaign.NotFound, "access_token")
	f.ok(f.store.TouchTokens(f.ctx, map[int64]time.Time{t.ID: start.Add(time.Minute)}))
	f.ok(f.store.TouchTokens(f.ctx, map[int64]time.Time{t.ID: start}))
	if listed := must(f.store.BusinessCenterTokens(f.ctx, bc.ID))(f); len(listed) != 1 || !listed[0].LastUsedAt.Equal(start.Add(time.Minute)) {
		f.Errorf("listed %+v", listed)
	}
	gone := must(f.store.RevokeToken(f.ctx, f.edit, campaign.TokenOwner{BusinessCenter: bc.ID}, t.ID))(f)
	if gone.RevokedAt.IsZero() {
		f.Error("not revoked")
	}
	_, err = f.store.FindToken(f.ctx, campaign.HashToken(secret))
	f.fails(err, campaign.NotFound, "access_token")
	_, _, err = f.store.CreateToken(f.ctx, f.edit, campaign.Token{Scope: "root", Name: ""})
	f.fails(err, campaign.Invalid, "scope")
	_, _, err = f.store.CreateToken(f.ctx, f.edit, campaign.Token{Scope: campaign.ScopeManagement, Name: "x", Advertiser: 5})
	f.fails(err, campaign.NotFound, "advertiser_id")
}

func reopen(f *fixture) {
	f.chain(f.a.ID)
	before := must(f.store.LoadAll(f.ctx))(f)
	f.reopen()
	if after := must(f.store.LoadAll(f.ctx))(f); !reflect.DeepEqual(before, after) {
		f.Error("the store forgot something")
	}
	f.chain(f.a.ID)
	if after := must(f.store.LoadAll(f.ctx))(f); after.Revision != before.Revision+3 {
		f.Errorf("revision %d after %d", after.Revision, before.Revision)
	}
}

// clockGoesBack: ids rise although the clock was set back while the store was closed.
func clockGoesBack(f *fixture) {
	_, _, last := f.chain(f.a.ID)
	f.clock.Advance(-24 * time.Hour)
	f.reopen()
	if c := must(f.store.CreateCampaign(f.ctx, f.edit, Campaign(f.a.ID)))(f); int64(c.ID) <= int64(last.ID) {
		f.Errorf("id %d follows %d", c.ID, last.ID)
	}
}

// LoadTime seeds n ad groups and returns how long LoadAll takes.
func LoadTime(t *testing.T, open Open, now func() time.Time, n int) (seed, load time.Duration) {
	f := newFixture(t, open)
	at := now()
	must(f.store.CreateTree(f.ctx, f.edit, Tree(n)))(f)
	seed, at = now().Sub(at), now()
	if got := must(f.store.LoadAll(f.ctx))(f); len(got.AdGroups) != n {
		t.Errorf("%d ad groups, want %d", len(got.AdGroups), n)
	}
	return seed, now().Sub(at)
}
