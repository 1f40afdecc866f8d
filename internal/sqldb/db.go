package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"mazad/internal/clock"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	_ "modernc.org/sqlite" // the driver named "sqlite"
)

// File is the name of the database in the data directory.
const File = "mazad.db"

// Defaults.
const (
	defaultReaders = 4
	defaultQueue   = 1024
)

// Config says where and how.
type Config struct {
	Dir     string      // made if it does not exist
	Clock   clock.Clock // nil = the system's
	Readers int         // connections that read at the same time; 0 = 4
	Queue   int         // writes that may wait; 0 = 1024
}

// Stats counts since Open. The fields may be read at any time.
type Stats struct {
	Writes  atomic.Int64 // functions that were committed
	Failed  atomic.Int64 // functions that were rolled back
	Commits atomic.Int64 // transactions; Writes/Commits is the size of a group
	Waiting atomic.Int64 // writes in the queue now
}

// DB is an open database.
type DB struct {
	writer *bun.DB // one connection
	reader *bun.DB
	lock   *os.File
	clock  clock.Clock
	queue  chan *job
	quit   chan struct{}
	done   chan struct{}
	once   sync.Once
	stats  Stats
}

// ErrClosed is what a Write after Close returns.
var ErrClosed = errors.New("the database is closed")

// Open opens or makes the database in c.Dir.
func Open(ctx context.Context, c Config) (*DB, error) {
	if c.Readers == 0 {
		c.Readers = defaultReaders
	}
	if c.Queue == 0 {
		c.Queue = defaultQueue
	}
	if c.Clock == nil {
		c.Clock = clock.System{}
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	lock, err := lockDir(c.Dir)
	if err != nil {
		return nil, err
	}
	d := &DB{lock: lock, clock: c.Clock, queue: make(chan *job, c.Queue), quit: make(chan struct{}), done: make(chan struct{})}
	if err := d.connect(ctx, filepath.Join(c.Dir, File), c.Readers); err != nil {
		d.disconnect()
		return nil, err
	}
	go d.run()
	return d, nil
}

func (d *DB) connect(ctx context.Context, path string, readers int) error {
	var err error
	if d.writer, err = open(path, 1, "immediate", false); err != nil {
		return err
	}
	if err := d.writer.PingContext(ctx); err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	if err := checkPragmas(ctx, d.writer); err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	d.reader, err = open(path, readers, "deferred", true)
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

// Stats are the counters.
func (d *DB) Stats() *Stats { return &d.stats }

// Check looks through the whole file for damage.
func (d *DB) Check(ctx context.Context) error {
	var verdict string
	if err := d.reader.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return fmt.Errorf("check the database: %w", err)
	}
	if verdict != "ok" {
		return fmt.Errorf("the database is damaged: %s", verdict)
	}
	return nil
}

// Close finishes the writes that were accepted and closes the file.
func (d *DB) Close() error {
	d.once.Do(func() { close(d.quit) })
	<-d.done
	return d.disconnect()
}

func (d *DB) disconnect() error {
	var errs []error
	for _, b := range []**bun.DB{&d.reader, &d.writer} {
		if *b != nil {
			errs = append(errs, (*b).Close())
			*b = nil
		}
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
		d.lock = nil
	}
	return errors.Join(errs...)
}
