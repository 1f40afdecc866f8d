package sqlstore_test

import (
	"context"
	"testing"
	"time"

	"mazad/campaign"
	"mazad/campaign/sqlstore"
	"mazad/campaign/storetest"
	"mazad/internal/sqldb"
	"mazad/internal/sqldb/postgrestest"
)

// open opens a store on SQLite.
func open(t testing.TB, s storetest.Setup) (campaign.Store, func()) {
	t.Helper()
	return openAt(t, s, sqldb.Config{Dir: s.Dir})
}

// onPostgres opens stores on a server of their own: one database per directory
// of the suite. The server does not sync: the suites commit thousands of times
// and ask nothing about power cuts.
func onPostgres(t testing.TB) storetest.Open {
	server := postgrestest.Start(t, postgrestest.Options{NoSync: true})
	databases := map[string]string{}
	return func(t testing.TB, s storetest.Setup) (campaign.Store, func()) {
		t.Helper()
		if databases[s.Dir] == "" {
			databases[s.Dir] = server.Database()
		}
		return openAt(t, s, sqldb.Config{URL: databases[s.Dir], NoSync: true})
	}
}

func openAt(t testing.TB, s storetest.Setup, c sqldb.Config) (campaign.Store, func()) {
	t.Helper()
	db, err := sqldb.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	done := func() {
		if !closed {
			closed = true
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(done)
	store, err := sqlstore.Open(context.Background(), db, sqlstore.Config{Clock: s.Clock, ReviewFirst: s.ReviewFirst})
	if err != nil {
		t.Fatal(err)
	}
	return store, done
}

func TestConformance(t *testing.T) { storetest.Run(t, open) }

func TestConformanceOnPostgres(t *testing.T) {
	open := onPostgres(t)
	storetest.Run(t, open)
	t.Run("several processes", func(t *testing.T) { storetest.Processes(t, open) })
}

func TestI11NoAdvertiserTouchesAnother(t *testing.T) { storetest.Isolation(t, open) }

// It takes 0.3 s on two cores; the bound tells an accident from a slow machine.
func TestTenThousandAdGroupsLoadQuickly(t *testing.T) {
	seed, load := storetest.LoadTime(t, open, time.Now, 10_000)
	t.Logf("10,000 ad groups and ads: created in %v, loaded in %v", seed, load)
	if load > 5*time.Second {
		t.Errorf("loaded in %v", load)
	}
}
