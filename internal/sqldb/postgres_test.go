package sqldb_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"mazad/internal/sqldb"
	"mazad/internal/sqldb/postgrestest"
)

func TestAddressesOfPostgresAreChecked(t *testing.T) {
	for address, want := range map[string]string{
		"postgres://mazad@db.example:5432/mazad?sslmode=verify-full": "",
		"postgresql://mazad@/mazad?host=/run/postgresql":             "",
		"mysql://mazad@db.example/mazad":                             `scheme "mysql"`,
		"db.example/mazad":                                           "want postgres://",
		"postgres://mazad:hunter2@db.example/mazad":                  "holds a password",
		"postgres://mazad@db.example/mazad?password=hunter2":         "holds a password",
		"postgres://mazad@db.example":                                "names no database",
		"postgres://mazad@db.example/mazad?sslmode=perhaps":          "refused by the driver",
		"postgres://mazad@db.example:99999999/mazad":                 "refused by the driver",
		"postgres://[::1/mazad":                                      "is not a URL",
	} {
		err := sqldb.CheckURL(address)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error tells the password", address)
		}
	}
	if got := sqldb.Plain("postgres://mazad:hunter2@db.example/mazad?password=hunter2"); got != "postgres://db.example/mazad" {
		t.Errorf("plain: %s", got)
	}
}

// TestPostgres runs what does not fit the suites of the rooms, on one server.
func TestPostgres(t *testing.T) {
	server := postgrestest.Start(t, postgrestest.Options{})
	for name, test := range map[string]func(*testing.T, *postgrestest.Server){
		"writes":                writesOnPostgres,
		"a failed write":        failedWriteOnPostgres,
		"reads see one state":   readsOnPostgres,
		"migrations take turns": migrationsTakeTurns,
		"settings":              settingsOnPostgres,
	} {
		t.Run(name, func(t *testing.T) { test(t, server) })
	}
	t.Run("the server restarts", func(t *testing.T) { restartOnPostgres(t, server) })
}

func openURL(t *testing.T, url string) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(ctx, sqldb.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

const makeNumbers = "CREATE TABLE numbers (n BIGINT PRIMARY KEY)"

func run(statement string, args ...any) func(context.Context, sqldb.Tx) error {
	return func(ctx context.Context, tx sqldb.Tx) error {
		_, err := tx.ExecContext(ctx, statement, args...)
		return err
	}
}

// writesOnPostgres: a function that reads before it writes sees no one else in
// between, whichever process that is.
func writesOnPostgres(t *testing.T, server *postgrestest.Server) {
	url := server.Database()
	dbs := []*sqldb.DB{openURL(t, url), openURL(t, url), openURL(t, url)}
	write(t, dbs[0], run(makeNumbers))
	const each = 20
	var wg sync.WaitGroup
	for _, db := range dbs {
		for range each {
			wg.Go(func() {
				write(t, db, func(ctx context.Context, tx sqldb.Tx) error {
					var n int
					if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM numbers").Scan(&n); err != nil {
						return err
					}
					return insert(n)(ctx, tx)
				})
			})
		}
	}
	wg.Wait()
	if n := count(t, dbs[1]); n != each*len(dbs) {
		t.Errorf("%d rows, want %d", n, each*len(dbs))
	}
}

func failedWriteOnPostgres(t *testing.T, server *postgrestest.Server) {
	db := openURL(t, server.Database())
	write(t, db, run(makeNumbers))
	wrong := errors.New("wrong")
	const writers = 60
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
					return insert(i)(ctx, tx) // PostgreSQL refuses everything after this until it is rolled back
				}
				return nil
			})
			if bad := i%4 == 1 || i%4 == 2; bad != (err != nil) {
				t.Errorf("write %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if n := count(t, db); n != writers/2 {
		t.Errorf("%d rows, want %d", n, writers/2)
	}
}

func readsOnPostgres(t *testing.T, server *postgrestest.Server) {
	db := openURL(t, server.Database())
	write(t, db, run(makeNumbers))
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
}

// migrationsTakeTurns: processes that start at the same time on an empty
// database do not trip over each other's tables.
func migrationsTakeTurns(t *testing.T, server *postgrestest.Server) {
	url := server.Database()
	dir := fstest.MapFS{"00001_a.sql": {Data: []byte("-- +goose Up\n" + makeNumbers + ";\n")},
		"00002_b.sql": {Data: []byte("-- +goose Up\nINSERT INTO numbers VALUES (1);\n")}}
	var wg sync.WaitGroup
	for range 4 {
		db := openURL(t, url)
		wg.Go(func() {
			if err := db.Migrate(ctx, "room", dir); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := count(t, openURL(t, url)); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

func settingsOnPostgres(t *testing.T, server *postgrestest.Server) {
	_, err := sqldb.Open(ctx, sqldb.Config{URL: server.Database() + "&options=-c%20default_transaction_read_only%3Don"})
	if err == nil || !strings.Contains(err.Error(), "standby") {
		t.Errorf("a server that takes no writes: %v", err)
	}
	_, err = sqldb.Open(ctx, sqldb.Config{URL: server.Database() + "x"})
	if err == nil {
		t.Error("a database that does not exist was opened")
	}
	lazy := postgrestest.Start(t, postgrestest.Options{NoSync: true})
	if _, err := sqldb.Open(ctx, sqldb.Config{URL: lazy.Database()}); err == nil || !strings.Contains(err.Error(), "fsync is off") {
		t.Errorf("a server that does not sync: %v", err)
	}
}

// restartOnPostgres: while the server is away writes fail by name, afterwards
// the same handle goes on, and what was acknowledged is there.
func restartOnPostgres(t *testing.T, server *postgrestest.Server) {
	db := openURL(t, server.Database())
	write(t, db, run(makeNumbers))
	write(t, db, insert(1))
	server.Stop()
	if err := db.Write(ctx, insert(2)); err == nil {
		t.Error("a write without a server was acknowledged")
	}
	if err := db.Check(ctx); err == nil {
		t.Error("a server that is away passes the check")
	}
	server.Restart()
	deadline := time.Now().Add(20 * time.Second)
	for db.Write(ctx, insert(3)) != nil {
		if time.Now().After(deadline) {
			t.Fatal("the handle does not recover")
		}
	}
	if n := count(t, db); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
}
