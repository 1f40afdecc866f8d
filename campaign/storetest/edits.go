package storetest

import (
	"fmt"
	"reflect"
	"strings"
	"sync"

	"mazad/campaign"
	"mazad/internal/id"
)

func version(f *fixture) {
	c, g, _ := f.chain(f.a.ID)
	seen := f.edit
	seen.IfVersion = 1
	must(f.store.UpdateCampaign(f.ctx, seen, f.a.ID, c.ID, campaign.CampaignPatch{Name: p("one")}))(f)
	_, err := f.store.UpdateCampaign(f.ctx, seen, f.a.ID, c.ID, campaign.CampaignPatch{Name: p("two")})
	f.fails(err, campaign.Conflict, "version")
	must(f.store.UpdateCampaign(f.ctx, f.edit, f.a.ID, c.ID, campaign.CampaignPatch{Name: p("three")}))(f)
	seen.IfVersion = 2
	_, err = f.store.SetAdGroupStatus(f.ctx, seen, f.a.ID, []id.AdGroup{g.ID}, campaign.Disable)
	f.fails(err, campaign.Conflict, "version")
	_, err = f.store.UpdateAdvertiser(f.ctx, seen, f.a.ID, campaign.AdvertiserPatch{Name: p("x")})
	f.fails(err, campaign.Conflict, "version")
}

// twoWriters: of several that saw the same version exactly one wins.
func twoWriters(f *fixture) {
	c, _, _ := f.chain(f.a.ID)
	const writers = 8
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			e := campaign.Edit{Actor: fmt.Sprint("writer ", i), IfVersion: 1}
			_, errs[i] = f.store.UpdateCampaign(f.ctx, e, f.a.ID, c.ID, campaign.CampaignPatch{Name: p(fmt.Sprint("by ", i))})
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		f.fails(err, campaign.Conflict, "version")
	}
	if got := must(f.store.Campaign(f.ctx, f.a.ID, c.ID))(f); won != 1 || got.Version != 2 {
		f.Errorf("%d of %d writers won, the version is %d", won, writers, got.Version)
	}
}

// parallelEdits: nothing is lost and revisions have no gaps.
func parallelEdits(f *fixture) {
	const writers, each = 8, 25
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for j := range each {
				in := Campaign(f.a.ID)
				in.Name = fmt.Sprintf("%d/%d", i, j)
				if j%5 == 4 { // a bad one among good ones undoes only itself
					in.Name = ""
				}
				_, err := f.store.CreateCampaign(f.ctx, f.edit, in)
				if (err != nil) != (in.Name == "") {
					f.Errorf("create %q: %v", in.Name, err)
				}
			}
		})
	}
	wg.Wait()
	want := writers * each * 4 / 5
	if got := must(f.store.Campaigns(f.ctx, f.a.ID, campaign.Query{}))(f).Total; got != want {
		f.Errorf("%d campaigns, want %d", got, want)
	}
	log := must(f.store.Changes(f.ctx, f.a.ID, campaign.Paging{PageSize: campaign.MaxPageSize}))(f)
	for i := 1; i < want; i++ {
		if log.List[i-1].Revision != log.List[i].Revision+1 {
			f.Fatalf("revision %d follows %d", log.List[i-1].Revision, log.List[i].Revision)
		}
	}
}

func idempotency(f *fixture) {
	e := f.edit
	e.Key, e.BodyHash = "request 1", [32]byte{1}
	first := must(f.store.CreateCampaign(f.ctx, e, Campaign(f.a.ID)))(f)
	must(f.store.UpdateCampaign(f.ctx, f.edit, f.a.ID, first.ID, campaign.CampaignPatch{Name: p("renamed")}))(f)
	again := must(f.store.CreateCampaign(f.ctx, e, Campaign(f.a.ID)))(f)
	if !reflect.DeepEqual(again, first) {
		f.Errorf("the same request answered %+v, first %+v", again, first)
	}
	other := e
	other.BodyHash = [32]byte{2}
	_, err := f.store.CreateCampaign(f.ctx, other, Campaign(f.a.ID))
	f.fails(err, campaign.Conflict, "request_id")
	if n := must(f.store.Campaigns(f.ctx, f.a.ID, campaign.Query{}))(f).Total; n != 1 {
		f.Errorf("%d campaigns, want 1", n)
	}
	// The key is this advertiser's and this kind's.
	if c := must(f.store.CreateCampaign(f.ctx, other, Campaign(f.b.ID)))(f); c.ID == first.ID {
		f.Error("another advertiser got the answer")
	}
	must(f.store.CreateAdGroup(f.ctx, other, AdGroup(first)))(f)
	// A refused request leaves no key behind.
	bad := e
	bad.Key = "request 2"
	in := Campaign(f.a.ID)
	in.Name = ""
	_, err = f.store.CreateCampaign(f.ctx, bad, in)
	f.fails(err, campaign.Invalid, "campaign_name")
	must(f.store.CreateCampaign(f.ctx, bad, Campaign(f.a.ID)))(f)
	bad.Key = strings.Repeat("k", campaign.MaxKey+1)
	_, err = f.store.CreateCampaign(f.ctx, bad, Campaign(f.a.ID))
	f.fails(err, campaign.Invalid, "request_id")

	f.clock.Advance(campaign.KeyLifetime)
	if late := must(f.store.CreateCampaign(f.ctx, e, Campaign(f.a.ID)))(f); late.ID == first.ID {
		f.Error("a key outlived its time")
	}
}

func dryRun(f *fixture) {
	c, _, _ := f.chain(f.a.ID)
	before := must(f.store.LoadAll(f.ctx))(f)
	e := f.edit
	e.DryRun, e.Key = true, "dry"
	if got := must(f.store.CreateCampaign(f.ctx, e, Campaign(f.a.ID)))(f); got.ID == 0 {
		f.Error("a dry run answers nothing")
	}
	up := must(f.store.UpdateCampaign(f.ctx, e, f.a.ID, c.ID, campaign.CampaignPatch{Name: p("dry")}))(f)
	if up.Name != "dry" {
		f.Errorf("a dry run answers %+v", up)
	}
	must(f.store.SetCampaignStatus(f.ctx, e, f.a.ID, []id.Campaign{c.ID}, campaign.Delete))(f)
	_, err := f.store.UpdateCampaign(f.ctx, e, f.a.ID, c.ID, campaign.CampaignPatch{Name: p("")})
	f.fails(err, campaign.Invalid, "campaign_name")
	if after := must(f.store.LoadAll(f.ctx))(f); !reflect.DeepEqual(before, after) {
		f.Error("a dry run changed something")
	}
	e.DryRun, e.BodyHash = false, [32]byte{9}
	must(f.store.CreateCampaign(f.ctx, e, Campaign(f.a.ID)))(f)
}

func changeLog(f *fixture) {
	c, _, _ := f.chain(f.a.ID)
	f.chain(f.b.ID)
	must(f.store.UpdateCampaign(f.ctx, campaign.Edit{Actor: "huda"}, f.a.ID, c.ID, campaign.CampaignPatch{Name: p("Eid")}))(f)
	log := must(f.store.Changes(f.ctx, f.a.ID, campaign.Paging{}))(f)
	if log.Total != 5 || len(log.List) != 5 { // the advertiser, three creates, one update
		f.Fatalf("%d changes, want 5", log.Total)
	}
	top := log.List[0]
	if top.Actor != "huda" || top.Kind != campaign.KindCampaign || top.Object != int64(c.ID) || !top.At.Equal(start) {
		f.Errorf("the last change is %+v", top)
	}
	if !strings.Contains(string(top.Before), "Ramadan") || !strings.Contains(string(top.After), "Eid") {
		f.Errorf("before %s after %s", top.Before, top.After)
	}
	if first := log.List[4]; first.Kind != campaign.KindAdvertiser || len(first.Before) != 0 {
		f.Errorf("the first change is %+v", first)
	}
	for _, ch := range log.List {
		if ch.Advertiser != f.a.ID {
			f.Errorf("a change of advertiser %d", ch.Advertiser)
		}
	}
}

func answers(f *fixture) {
	_, err := f.store.Answer(f.ctx, "top-up 1", "k")
	f.fails(err, campaign.NotFound, "request_id")
	in := campaign.Answer{Scope: "top-up 1", Key: "k", BodyHash: [32]byte{1}, Status: 200, Response: []byte(`{"code":0}`), ExpiresAt: start.Add(campaign.KeyLifetime)}
	must(f.store.SaveAnswer(f.ctx, in))(f)
	second := in
	second.Response = []byte("later")
	if got := must(f.store.SaveAnswer(f.ctx, second))(f); !reflect.DeepEqual(got, in) {
		f.Errorf("the second answer replaced the first: %+v", got)
	}
	second.BodyHash = [32]byte{2}
	_, err = f.store.SaveAnswer(f.ctx, second)
	f.fails(err, campaign.Conflict, "request_id")
	if got := must(f.store.Answer(f.ctx, "top-up 1", "k"))(f); !reflect.DeepEqual(got, in) {
		f.Errorf("read back %+v", got)
	}
	_, err = f.store.Answer(f.ctx, "top-up 2", "k")
	f.fails(err, campaign.NotFound, "request_id")
	f.clock.Advance(campaign.KeyLifetime)
	_, err = f.store.Answer(f.ctx, "top-up 1", "k")
	f.fails(err, campaign.NotFound, "request_id")
	if n := must(f.store.Prune(f.ctx))(f); n != 1 {
		f.Errorf("%d answers were forgotten, want 1", n)
	}
}
