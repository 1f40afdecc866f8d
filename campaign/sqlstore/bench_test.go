package sqlstore_test

import (
	"context"
	"testing"

	"mazad/campaign"
	"mazad/campaign/storetest"
	"mazad/internal/clock"
)

func BenchmarkLoadAll10k(b *testing.B) {
	store, _ := open(b, storetest.Setup{Dir: b.TempDir(), Clock: clock.System{}})
	if _, err := store.CreateTree(context.Background(), campaign.Edit{}, storetest.Tree(10_000)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := store.LoadAll(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCreateCampaign(b *testing.B) {
	store, _ := open(b, storetest.Setup{Dir: b.TempDir(), Clock: clock.System{}})
	t, err := store.CreateTree(context.Background(), campaign.Edit{}, storetest.Tree(1))
	if err != nil {
		b.Fatal(err)
	}
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := store.CreateCampaign(context.Background(), campaign.Edit{}, storetest.Campaign(t.Advertisers[0].ID)); err != nil {
				b.Error(err)
			}
		}
	})
}
