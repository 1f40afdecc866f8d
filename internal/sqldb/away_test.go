package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mazad/internal/sqldb"
)

// wantAway wants an error that says in the caller's words why nothing works now.
func wantAway(t *testing.T, err error, reason string) {
	t.Helper()
	var away *sqldb.Away
	if !errors.As(err, &away) || !strings.Contains(away.Unavailable(), reason) {
		t.Fatalf("%v (%T), want one that says that %s", err, err, reason)
	}
}

// TestAnotherProcessHoldsTheDatabase: a write waits no longer than its caller, one
// that was given up is not done later, reading goes on, and so does writing when
// the other is gone.
func TestAnotherProcessHoldsTheDatabase(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	write(t, db, func(ctx context.Context, tx sqldb.Tx) error {
		_, err := tx.ExecContext(ctx, "CREATE TABLE numbers (n BIGINT PRIMARY KEY)")
		return err
	})
	other, err := sql.Open("sqlite", "file:"+filepath.Join(dir, sqldb.File)+"?_txlock=exclusive")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	held, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for n := range 3 {
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		err := db.Write(short, insert(n))
		cancel()
		wantAway(t, err, "busy")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v does not say that the time was up", err)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("three writes of 50 ms took %s", took)
	}
	if n := count(t, db); n != 0 {
		t.Errorf("%d rows while another process holds the database", n)
	}
	if err := held.Rollback(); err != nil {
		t.Fatal(err)
	}
	write(t, db, insert(7))
	if n := count(t, db); n != 1 {
		t.Errorf("%d rows, want the one that was waited for", n)
	}
	if w := db.Stats().Waiting.Load(); w != 0 {
		t.Errorf("%d writes are still waiting", w)
	}
}

// TestABrokenOffReadIsNoAnswer: whatever the function made of a query that was
// cut short, its caller hears that the time was up.
func TestABrokenOffReadIsNoAnswer(t *testing.T) {
	db := numbers(t)
	short, cancel := context.WithCancel(ctx)
	none := errors.New("there is no such number")
	err := db.Read(short, func(ctx context.Context, tx sqldb.Tx) error {
		cancel()
		return none
	})
	if !errors.Is(err, context.Canceled) || errors.Is(err, none) {
		t.Errorf("%v", err)
	}
}
