package sqlstore_test

import (
	"context"
	"testing"
	"time"

	"mazad/campaign"
	"mazad/campaign/sqlstore"
	"mazad/campaign/storetest"
	"mazad/internal/sqldb"
)

func open(t testing.TB, s storetest.Setup) (campaign.Store, func()) {
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
	store, err := sqlstore.Open(context.Background(), db, sqlstore.Config{Clock: s.Clock, ReviewFirst: s.ReviewFirst})
	if err != nil {
		t.Fatal(err)
	}
	return store, done
}

func TestConformance(t *testing.T) { storetest.Run(t, open) }

func TestI11NoAdvertiserTouchesAnother(t *testing.T) { storetest.Isolation(t, open) }

// It takes 0.3 s on two cores; the bound tells an accident from a slow machine.
func TestTenThousandAdGroupsLoadQuickly(t *testing.T) {
	seed, load := storetest.LoadTime(t, open, time.Now, 10_000)
	t.Logf("10,000 ad groups and ads: created in %v, loaded in %v", seed, load)
	if load > 5*time.Second {
		t.Errorf("loaded in %v", load)
	}
}
