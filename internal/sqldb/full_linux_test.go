package sqldb_test

import (
	"context"
	"testing"

	"mazad/internal/powertest"
	"mazad/internal/sqldb"
)

// TestAFullDiskRefusesAndGoesOn: what was committed stays, what was refused says
// why, and writing goes on when there is space again.
func TestAFullDiskRefusesAndGoesOn(t *testing.T) {
	disk := powertest.Tmpfs(t, "size=4m")
	db := open(t, disk.Dir)
	write(t, db, func(ctx context.Context, tx sqldb.Tx) error {
		_, err := tx.ExecContext(ctx, "CREATE TABLE numbers (n BIGINT PRIMARY KEY, filling TEXT)")
		return err
	})
	full := func(n int) func(context.Context, sqldb.Tx) error {
		return func(ctx context.Context, tx sqldb.Tx) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO numbers VALUES (?, hex(zeroblob(2000)))", n)
			return err
		}
	}
	n := 0
	for ; n < 50; n++ {
		write(t, db, full(n))
	}
	disk.Fill()
	var err error
	for ; err == nil && n < 10_000; n++ {
		err = db.Write(ctx, full(n))
	}
	wantAway(t, err, "full")
	kept := n - 1
	for range 10 {
		wantAway(t, db.Write(ctx, full(n)), "full")
	}
	if got := count(t, db); got != kept {
		t.Errorf("%d rows on the full disk, %d were acknowledged", got, kept)
	}
	disk.Free()
	write(t, db, full(n))
	if got := count(t, db); got != kept+1 {
		t.Errorf("%d rows after there was space again, want %d", got, kept+1)
	}
	if err := db.Check(ctx); err != nil {
		t.Error(err)
	}
}
