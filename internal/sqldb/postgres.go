package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// minPostgres is the oldest server that the suites have passed on, as
// server_version_num says it.
const minPostgres = 150000

// writeLock is the advisory lock that a transaction that writes holds to its
// end, whichever process it runs in; migrateLock keeps migrations apart. The
// numbers are arbitrary and the same for ever.
const (
	writeLock   = 0x6d617a6164_01 // "mazad" 1
	migrateLock = 0x6d617a6164_02
)

// Limits that the server keeps for us: how long a write waits for those of other
// processes, and after what silence inside a transaction a process counts as
// dead, so that a frozen one cannot stop the others for longer.
const (
	lockTimeout = 30 * time.Second
	idleTimeout = 10 * time.Second
)

// CheckURL says what is wrong with the address of a PostgreSQL database. A
// password is refused: the address stands in files and logs.
func CheckURL(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("is not a URL")
	}
	if u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return fmt.Errorf("has the scheme %q, want postgres://user@host:port/database", u.Scheme)
	}
	if _, has := u.User.Password(); has || u.Query().Has("password") {
		return errors.New("holds a password: give it in the environment or a file")
	}
	if len(strings.Trim(u.Path, "/")) == 0 {
		return errors.New("names no database: want postgres://user@host:port/database")
	}
	if _, err := pgx.ParseConfig(address); err != nil {
		return fmt.Errorf("is refused by the driver: %w", err)
	}
	return nil
}

// Plain is an address without what may be secret, for messages and logs.
func Plain(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(not a URL)"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

func (d *DB) connectPostgres(ctx context.Context, c *Config) error {
	if err := CheckURL(c.URL); err != nil {
		return fmt.Errorf("the address of the database %s %w", Plain(c.URL), err)
	}
	cfg, err := pgx.ParseConfig(c.URL)
	if err != nil {
		return fmt.Errorf("read the address of the database: %w", err)
	}
	if c.Secret != "" {
		cfg.Password = c.Secret
	}
	// Statements come with their values in them, so that there is nothing to
	// prepare, and every one is a single round trip.
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	for name, value := range map[string]string{
		"application_name": "mazad", "client_encoding": "UTF8", "standard_conforming_strings": "on", "synchronous_commit": "on",
		"TimeZone": "UTC", "lock_timeout": ms(lockTimeout), "idle_in_transaction_session_timeout": ms(idleTimeout),
		"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3",
	} {
		cfg.RuntimeParams[name] = value
	}
	d.writer = pgOpen(*cfg, 1)
	// Whoever reads may take long between two rows, and holds no lock meanwhile.
	cfg.RuntimeParams["idle_in_transaction_session_timeout"] = "0"
	d.reader = pgOpen(*cfg, c.Readers)
	if err := checkServer(ctx, d.writer, c.NoSync); err != nil {
		return fmt.Errorf("open the database %s: %w", Plain(c.URL), err)
	}
	return nil
}

func ms(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func pgOpen(cfg pgx.ConnConfig, conns int) *bun.DB {
	params := make(map[string]string, len(cfg.RuntimeParams))
	for k, v := range cfg.RuntimeParams {
		params[k] = v
	}
	cfg.RuntimeParams = params
	s := stdlib.OpenDB(cfg)
	s.SetMaxOpenConns(conns)
	s.SetMaxIdleConns(conns)
	return bun.NewDB(s, pgdialect.New(), bun.WithDiscardUnknownColumns())
}

// checkServer reads back what durability and the meaning of the SQL rest on.
func checkServer(ctx context.Context, db *bun.DB, noSync bool) error {
	show := func(name string) (v string, err error) {
		if err = db.QueryRowContext(ctx, "SELECT current_setting('"+name+"')").Scan(&v); err != nil {
			err = fmt.Errorf("read the setting %s: %w", name, err)
		}
		return v, err
	}
	version, err := show("server_version_num")
	if err != nil {
		return err
	}
	if n, err := strconv.Atoi(version); err != nil || n < minPostgres {
		return fmt.Errorf("the server has version %s, want %d or newer", version, minPostgres)
	}
	type want struct{ name, value, meaning string }
	wants := []want{
		{"server_encoding", "UTF8", "not every name could be stored"},
		{"standard_conforming_strings", "on", "texts with a backslash would change"},
		{"synchronous_commit", "on", "commits would not be on disk"},
		{"transaction_read_only", "off", "this is a standby"},
	}
	if !noSync {
		wants = append(wants, want{"fsync", "on", "commits would not be on disk"}, want{"full_page_writes", "on", "a power cut could tear a page"})
	}
	for _, w := range wants {
		got, err := show(w.name)
		if err != nil {
			return err
		}
		if got != w.value {
			return fmt.Errorf("the setting %s is %s, not %s: %s", w.name, got, w.value, w.meaning)
		}
	}
	return nil
}

// reading are the options of a transaction that sees one state.
func (e Engine) reading() *sql.TxOptions {
	if e == Postgres {
		return &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	}
	return &sql.TxOptions{}
}

// begin starts a transaction that writes. On PostgreSQL it holds the one lock
// that all processes share, so that what runs inside sees no one else, as on
// SQLite; each of its statements sees what was committed before.
func (d *DB) begin(ctx context.Context) (bun.Tx, error) {
	if d.engine != Postgres {
		return d.writer.BeginTx(ctx, nil)
	}
	tx, err := d.writer.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return tx, err
	}
	if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(?)", int64(writeLock)); err != nil {
		tx.Rollback()
		return tx, fmt.Errorf("wait for the writes of other processes: %w", err)
	}
	return tx, nil
}

// FoldedName is the SQL of a column in ASCII lower case, whatever the locale of
// the server: SQLite's lower knows no other letters.
func FoldedName(tx Tx, column string) string {
	if tx.Dialect().Name() == dialect.PG {
		return `lower(` + column + ` COLLATE "C")`
	}
	return "lower(" + column + ")"
}
