package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	_ "modernc.org/sqlite" // the driver named "sqlite"
)

func (d *DB) connectSQLite(ctx context.Context, c *Config) (err error) {
	path := filepath.Join(c.Dir, File)
	if d.writer, err = open(path, 1, "immediate", false); err != nil {
		return err
	}
	if err := d.writer.PingContext(ctx); err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	if err := checkPragmas(ctx, d.writer); err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	d.reader, err = open(path, c.Readers, "deferred", true)
	return err
}

func open(path string, conns int, lock string, readOnly bool) (*bun.DB, error) {
	q := url.Values{"_txlock": {lock}}
	pragmas := []string{"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)", "cache_size(-32768)"}
	if readOnly {
		pragmas = append(pragmas, "query_only(ON)")
	}
	q["_pragma"] = pragmas
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	dsn := (&url.URL{Scheme: "file", Path: abs, RawQuery: q.Encode()}).String()
	s, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	s.SetMaxOpenConns(conns)
	s.SetMaxIdleConns(conns)
	s.SetConnMaxLifetime(0)
	return bun.NewDB(s, sqlitedialect.New(), bun.WithDiscardUnknownColumns()), nil
}

// checkPragmas reads back what durability rests on.
func checkPragmas(ctx context.Context, db *bun.DB) error {
	for _, p := range []struct{ name, want, meaning string }{
		{"journal_mode", "wal", "the file system does not support WAL (a network share?)"},
		{"synchronous", "2", "commits would not be on disk"},
		{"foreign_keys", "1", "references would not be checked"},
	} {
		var got string
		if err := db.QueryRowContext(ctx, "PRAGMA "+p.name).Scan(&got); err != nil {
			return fmt.Errorf("read pragma %s: %w", p.name, err)
		}
		if got != p.want {
			return fmt.Errorf("pragma %s is %s, not %s: %s", p.name, got, p.want, p.meaning)
		}
	}
	return nil
}
