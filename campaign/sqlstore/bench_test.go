package sqlstore_test

import (
	"context"
	"testing"

	"mazad/campaign"
	"mazad/campaign/storetest"
	"mazad/internal/clock"
	"mazad/internal/sqldb"
	"mazad/internal/sqldb/postgrestest"
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
	for name, open := range map[string]storetest.Open{"sqlite": open, "postgres": onSyncedPostgres(b)} {
		b.Run(name, func(b *testing.B) { createCampaigns(b, open) })
	}
}

// onSyncedPostgres is onPostgres with every commit on disk.
func onSyncedPostgres(b *testing.B) storetest.Open {
	server := postgrestest.Start(b, postgrestest.Options{})
	return func(t testing.TB, s storetest.Setup) (campaign.Store, func()) {
		return openAt(t, s, sqldb.Config{URL: server.Database()})
	}
}

// createCampaigns is 32 people at a time.
func createCampaigns(b *testing.B, open storetest.Open) {
	store, _ := open(b, storetest.Setup{Dir: b.TempDir(), Clock: clock.System{}})
	t, err := store.CreateTree(context.Background(), campaign.Edit{}, storetest.Tree(1))
	if err != nil {
		b.Fatal(err)
	}
	b.SetParallelism(16)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := store.CreateCampaign(context.Background(), campaign.Edit{}, storetest.Campaign(t.Advertisers[0].ID)); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "creates/s")
}
