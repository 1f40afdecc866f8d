// Package storetest is what every campaign.Store must do, as tests that a store
// runs against itself.
//
// Contract: Run covers every method; Isolation is invariant I11 for every
// method that takes an advertiser.
//
// Concurrency: the tests of one store run one after the other, each on a store
// of its own.
package storetest

import (
	"context"
	"testing"
	"time"

	"mazad/campaign"
	"mazad/internal/clock"
	"mazad/internal/id"
	"mazad/internal/money"
)

// Setup is what a store is opened with.
type Setup struct {
	Dir         string // the same directory again is the same data
	Clock       clock.Clock
	ReviewFirst bool
}

// Open opens a store; it must close it when close is called, at the latest at
// the end of the test.
type Open func(t testing.TB, s Setup) (store campaign.Store, close func())

// start is when every test begins: a Wednesday, not in summer time.
var start = time.Date(2026, 2, 11, 9, 30, 0, 0, time.UTC)

// Run runs the whole suite.
func Run(t *testing.T, open Open) {
	for name, test := range map[string]func(*fixture){
		"accounts":        accounts,
		"create":          create,
		"update":          update,
		"status":          status,
		"list":            list,
		"odd texts":       oddTexts,
		"review":          review,
		"version":         version,
		"two writers":     twoWriters,
		"idempotency":     idempotency,
		"dry run":         dryRun,
		"change log":      changeLog,
		"load all":        loadAll,
		"changed":         changed,
		"deltas":          deltas,
		"tree":            tree,
		"tree is refused": treeRefused,
		"tokens":          tokens,
		"answers":         answers,
		"nodes":           nodes,
		"nodes refused":   nodesRefused,
		"reopen":          reopen,
		"clock goes back": clockGoesBack,
		"isolation":       isolation,
		"parallel edits":  parallelEdits,
	} {
		t.Run(name, func(t *testing.T) { test(newFixture(t, open)) })
	}
}

// Isolation is I11: no advertiser reads or changes what is another's.
func Isolation(t *testing.T, open Open) { isolation(newFixture(t, open)) }

// fixture is a store with two advertisers.
type fixture struct {
	*testing.T
	ctx   context.Context
	open  Open
	setup Setup
	clock *clock.Fake
	store campaign.Store
	close func()
	a, b  campaign.Advertiser
	edit  campaign.Edit
}

func newFixture(t *testing.T, open Open) *fixture {
	f := &fixture{T: t, ctx: context.Background(), open: open, clock: clock.NewFake(start), edit: campaign.Edit{Actor: "tester"}}
	f.setup = Setup{Dir: t.TempDir(), Clock: f.clock}
	f.store, f.close = open(t, f.setup)
	f.a, f.b = f.advertiser("Anis"), f.advertiser("Badr")
	return f
}

// reopen closes the store and opens the same data again.
func (f *fixture) reopen() {
	f.close()
	f.store, f.close = f.open(f, f.setup)
}

func (f *fixture) advertiser(name string) campaign.Advertiser {
	f.Helper()
	return must(f.store.CreateAdvertiser(f.ctx, f.edit, campaign.Advertiser{Name: name, Currency: "SAR", Zone: "Asia/Riyadh"}))(f)
}

// must returns the value of a call that has to succeed.
func must[T any](v T, err error) func(*fixture) T {
	return func(f *fixture) T {
		f.Helper()
		if err != nil {
			f.Fatal(err)
		}
		return v
	}
}

func (f *fixture) ok(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// fails checks the kind of an error and the field of its first mistake.
func (f *fixture) fails(err error, kind campaign.Kind, field string) {
	f.Helper()
	es := campaign.ErrorsOf(err)
	if len(es) == 0 {
		f.Fatalf("no error, want %s %s", kind, field)
	}
	if es[0].Kind != kind || field != "" && es[0].Field != field {
		f.Fatalf("got %s %q: %v; want %s %q", es[0].Kind, es[0].Field, err, kind, field)
	}
}

// Campaign is a campaign that is valid for the advertiser.
func Campaign(adv id.Advertiser) campaign.Campaign {
	return campaign.Campaign{Advertiser: adv, Name: "Ramadan", Objective: campaign.ObjectiveTraffic, BudgetMode: campaign.BudgetDay,
		Budget: 500 * unit}
}

// AdGroup is an ad group that is valid in c.
func AdGroup(c campaign.Campaign) campaign.AdGroup {
	return campaign.AdGroup{Advertiser: c.Advertiser, Campaign: c.ID, Name: "Riyadh evenings", BudgetMode: campaign.BudgetDay,
		Budget: 100 * unit, Goal: campaign.GoalClick, BillingEvent: campaign.CPC, BidPrice: unit / 2, LocationIDs: []string{"SA", "AE-DU"},
		Languages: []string{"ar"}, AgeGroups: []campaign.AgeGroup{campaign.Age18to24, campaign.Age25to34}}
}

// Ad is an ad that is valid in g.
func Ad(g campaign.AdGroup) campaign.Ad {
	return campaign.Ad{Advertiser: g.Advertiser, AdGroup: g.ID, Name: "Lantern", Format: campaign.SingleVideo, Text: "قهوة, delivered",
		VideoURL: "https://cdn.example/lantern.mp4", Width: 720, Height: 1280, DurationMS: 15_000, CallToAction: "SHOP_NOW",
		LandingPageURL: "https://shop.example/lantern?utm=mazad", DisplayName: "Qahwa"}
}

const unit money.Micros = 1_000_000

// chain creates a campaign, an ad group and an ad.
func (f *fixture) chain(adv id.Advertiser) (campaign.Campaign, campaign.AdGroup, campaign.Ad) {
	f.Helper()
	c := must(f.store.CreateCampaign(f.ctx, f.edit, Campaign(adv)))(f)
	g := must(f.store.CreateAdGroup(f.ctx, f.edit, AdGroup(c)))(f)
	return c, g, must(f.store.CreateAd(f.ctx, f.edit, Ad(g)))(f)
}

func p[T any](v T) *T { return &v }
