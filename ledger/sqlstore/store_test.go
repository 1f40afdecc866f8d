package sqlstore_test

import (
	"context"
	"testing"
	"time"

	"mazad/internal/sqldb"
	"mazad/internal/sqldb/postgrestest"
	"mazad/ledger"
	"mazad/ledger/sqlstore"
	"mazad/ledger/storetest"
)

// open opens a store on SQLite.
func open(t testing.TB, s storetest.Setup) (ledger.Store, func()) {
	t.Helper()
	return openAt(t, s, sqldb.Config{Dir: s.Dir})
}

// onPostgres opens stores on a server of their own: one database per directory
// of the suite. The server does not sync: the suites commit thousands of times
// and ask nothing about power cuts.
func onPostgres(t testing.TB) storetest.Open {
	server := postgrestest.Start(t, postgrestest.Options{NoSync: true})
	databases := map[string]string{}
	return func(t testing.TB, s storetest.Setup) (ledger.Store, func()) {
		t.Helper()
		if databases[s.Dir] == "" {
			databases[s.Dir] = server.Database()
		}
		return openAt(t, s, sqldb.Config{URL: databases[s.Dir], NoSync: true})
	}
}

func openAt(t testing.TB, s storetest.Setup, c sqldb.Config) (ledger.Store, func()) {
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
	store, err := sqlstore.Open(context.Background(), db, sqlstore.Config{Clock: s.Clock})
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
	t.Run("I12 every entry balances", func(t *testing.T) { storetest.Books(t, open) })
	t.Run("I1 leases and spend never pass a limit", func(t *testing.T) { storetest.Leases(t, open) })
}

func TestI12EveryEntryBalances(t *testing.T) { storetest.Books(t, open) }

func TestI1LeasesAndSpendNeverPassALimit(t *testing.T) { storetest.Leases(t, open) }

// A second of a busy machine: 1,000 ad groups were billed. It takes 0.05 s; the
// bound tells an accident from a slow machine.
func TestOneSecondOfSpendIsPostedQuickly(t *testing.T) {
	took := storetest.PostTime(t, open, time.Now, 1_000)
	t.Logf("1,000 ad groups of one second posted in %v", took)
	if took > 5*time.Second {
		t.Errorf("posted in %v", took)
	}
}
