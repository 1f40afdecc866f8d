package sqldb_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"mazad/internal/sqldb"
)

var ctx = context.Background()

func open(t *testing.T, dir string) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(ctx, sqldb.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// numbers is a database with one table of numbers.
func numbers(t *testing.T) *sqldb.DB {
	t.Helper()
	db := open(t, t.TempDir())
	write(t, db, func(ctx context.Context, tx sqldb.Tx) error {
		_, err := tx.ExecContext(ctx, "CREATE TABLE numbers (n BIGINT PRIMARY KEY)")
		return err
	})
	return db
}

func write(t *testing.T, db *sqldb.DB, fn func(context.Context, sqldb.Tx) error) {
	t.Helper()
	if err := db.Write(ctx, fn); err != nil {
		t.Fatal(err)
	}
}

func insert(n int) func(context.Context, sqldb.Tx) error {
	return func(ctx context.Context, tx sqldb.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO numbers VALUES (?)", n)
		return err
	}
}

func count(t *testing.T, db *sqldb.DB) (n int) {
	t.Helper()
	err := db.Read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		return tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM numbers").Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestASecondProcessIsRefusedByName(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	_, err := sqldb.Open(ctx, sqldb.Config{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), fmt.Sprint("process ", os.Getpid())) {
		t.Fatalf("got %v, want an error that names the directory and the process", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}

func TestADirectoryWithOddCharactersWorks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c=d#é%20")
	open(t, dir)
	if _, err := os.Stat(filepath.Join(dir, sqldb.File)); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsNotADatabaseIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, sqldb.File), []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqldb.Open(ctx, sqldb.Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), sqldb.File) {
		t.Fatalf("got %v, want an error that names the file", err)
	}
}

func TestAFailedWriteIsUndoneAlone(t *testing.T) {
	db := numbers(t)
	wrong := errors.New("wrong")
	const writers = 200
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			err := db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
				if err := insert(i)(ctx, tx); err != nil {
					return err
				}
				switch i % 4 {
				case 1:
					return wrong
				case 2:
					return insert(i)(ctx, tx) // breaks the primary key
				}
				return nil
			})
			if bad := i%4 == 1 || i%4 == 2; bad != (err != nil) || i%4 == 1 && err != wrong {
				t.Errorf("write %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if n := count(t, db); n != writers/2 {
		t.Errorf("%d rows, want %d", n, writers/2)
	}
	s := db.Stats()
	if s.Writes.Load() != writers/2+1 || s.Failed.Load() != writers/2 || s.Waiting.Load() != 0 {
		t.Errorf("counted %d writes, %d failed, %d waiting", s.Writes.Load(), s.Failed.Load(), s.Waiting.Load())
	}
}

func TestWritesThatWaitShareATransaction(t *testing.T) {
	db := numbers(t)
	inside, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		db.Write(ctx, func(context.Context, sqldb.Tx) error {
			close(inside)
			<-release
			return nil
		})
	})
	<-inside
	before := db.Stats().Commits.Load()
	const writers = 50
	for i := range writers {
		wg.Go(func() { write(t, db, insert(i)) })
	}
	for db.Stats().Waiting.Load() < writers+1 {
		runtime.Gosched()
	}
	close(release)
	wg.Wait()
	if commits := db.Stats().Commits.Load() - before; commits > writers/2 {
		t.Errorf("%d writes took %d commits", writers, commits)
	}
	if n := count(t, db); n != writers {
		t.Errorf("%d rows, want %d", n, writers)
	}
}

func TestReadsSeeOneState(t *testing.T) {
	db := numbers(t)
	err := db.Read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		var before, after int
		if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM numbers").Scan(&before); err != nil {
			return err
		}
		write(t, db, insert(1))
		err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM numbers").Scan(&after)
		if before != after {
			t.Errorf("%d rows, then %d", before, after)
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO numbers VALUES (2)"); err == nil {
			t.Error("a reader could write")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := count(t, db); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

func TestAPanicReachesItsCallerAndNobodyElse(t *testing.T) {
	db := numbers(t)
	func() {
		defer func() {
			if p := recover(); p != "mistake" {
				t.Errorf("recovered %v", p)
			}
		}()
		db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
			if err := insert(1)(ctx, tx); err != nil {
				return err
			}
			panic("mistake")
		})
	}()
	write(t, db, insert(2))
	if n := count(t, db); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

func TestACancelledWriteDoesNothing(t *testing.T) {
	db := numbers(t)
	over, cancel := context.WithCancel(ctx)
	cancel()
	if err := db.Write(over, insert(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	// Once begun it is finished: breaking off would undo its neighbours.
	begun, cancel := context.WithCancel(ctx)
	err := db.Write(begun, func(ctx context.Context, tx sqldb.Tx) error {
		cancel()
		return insert(2)(ctx, tx)
	})
	if err != nil {
		t.Error(err)
	}
	if n := count(t, db); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

func TestAWriteInsideAWriteIsRefused(t *testing.T) {
	db := numbers(t)
	err := db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error { return db.Write(ctx, insert(1)) })
	if err == nil {
		t.Error("it was accepted")
	}
}

func TestCloseFinishesWhatWasAccepted(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	write(t, db, func(ctx context.Context, tx sqldb.Tx) error {
		_, err := tx.ExecContext(ctx, "CREATE TABLE numbers (n BIGINT PRIMARY KEY)")
		return err
	})
	var wg sync.WaitGroup
	var mu sync.Mutex
	acked := 0
	for i := range 100 {
		wg.Go(func() {
			err := db.Write(ctx, insert(i))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				acked++
			} else if !errors.Is(err, sqldb.ErrClosed) {
				t.Error(err)
			}
		})
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if err := db.Write(ctx, insert(1000)); !errors.Is(err, sqldb.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if n := count(t, open(t, dir)); n != acked {
		t.Errorf("%d rows, %d were acknowledged", n, acked)
	}
}

func TestMigrate(t *testing.T) {
	db := open(t, t.TempDir())
	one := fstest.MapFS{"00001_a.sql": {Data: []byte("-- +goose Up\nCREATE TABLE numbers (n BIGINT PRIMARY KEY);\n")}}
	two := fstest.MapFS{"00001_a.sql": one["00001_a.sql"], "00002_b.sql": {Data: []byte("-- +goose Up\nINSERT INTO numbers VALUES (1);\n")}}
	broken := fstest.MapFS{"00001_a.sql": one["00001_a.sql"], "00002_b.sql": two["00002_b.sql"],
		"00003_c.sql": {Data: []byte("-- +goose Up\nINSERT INTO numbers VALUES (2);\nINSERT INTO nowhere VALUES (1);\n")}}
	for _, dir := range []fstest.MapFS{one, one, two, two} {
		if err := db.Migrate(ctx, "room", dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Migrate(ctx, "room", one); err == nil || !strings.Contains(err.Error(), "older than the data") {
		t.Errorf("an older program: %v", err)
	}
	if err := db.Migrate(ctx, "room", broken); err == nil || !strings.Contains(err.Error(), "room to 3") {
		t.Errorf("a broken migration: %v", err)
	}
	if n := count(t, db); n != 1 {
		t.Errorf("%d rows: a broken migration left something", n)
	}
	if err := db.Migrate(ctx, "other", two); err == nil {
		t.Error("another room has the same version numbers")
	}
	if err := db.Check(ctx); err != nil {
		t.Error(err)
	}
}
