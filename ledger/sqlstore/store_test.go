package sqlstore_test

import (
	"context"
	"testing"
	"time"

	"mazad/internal/sqldb"
	"mazad/ledger"
	"mazad/ledger/sqlstore"
	"mazad/ledger/storetest"
)

func open(t testing.TB, s storetest.Setup) (ledger.Store, func()) {
	t.Helper()
	db, err := sqldb.Open(context.Background(), sqldb.Config{Dir: s.Dir})
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
