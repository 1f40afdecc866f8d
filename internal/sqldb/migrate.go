package sqldb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// Migrate brings one room's tables up to date. dir holds numbered goose
// migrations, one set for both engines; the room's name keeps its numbers apart
// from other rooms'. A database that a newer version has migrated is refused.
// Processes that start at the same time take turns.
func (d *DB) Migrate(ctx context.Context, room string, dir fs.FS) error {
	return d.migrate(ctx, room, dir, newest)
}

// newest is the version of a database that is up to date.
const newest = -1

func (d *DB) migrate(ctx context.Context, room string, dir fs.FS, to int64) (err error) {
	dialect := goose.DialectSQLite3
	if d.engine == Postgres {
		dialect = goose.DialectPostgres
		unlock, err := d.lockMigrations(ctx)
		if err != nil {
			return fmt.Errorf("wait for the migrations of another process: %w", err)
		}
		defer unlock()
	}
	p, err := goose.NewProvider(dialect, d.writer.DB, dir, goose.WithTableName(room+"_migrations"),
		goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the migrations of %s: %w", room, err)
	}
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the version of the tables of %s: %w", room, err)
	}
	if newer := max(current, to); newer > target {
		return fmt.Errorf("the tables of %s have version %d, this program knows %d: it is older than the data", room, newer, target)
	}
	if to == newest {
		to = target
	}
	if _, err := p.UpTo(ctx, to); err != nil {
		var partial *goose.PartialError
		if errors.As(err, &partial) {
			return fmt.Errorf("migrate %s to %d: %w", room, partial.Failed.Source.Version, partial.Err)
		}
		return fmt.Errorf("migrate %s: %w", room, err)
	}
	return nil
}

// lockMigrations holds a lock of the whole database on a connection of its own.
func (d *DB) lockMigrations(ctx context.Context) (unlock func(), err error) {
	conn, err := d.reader.DB.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(migrateLock)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return func() {
		ctx := context.WithoutCancel(ctx)
		if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", int64(migrateLock)); err != nil {
			_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // the lock goes with the connection
		}
		_ = conn.Close()
	}, nil
}
