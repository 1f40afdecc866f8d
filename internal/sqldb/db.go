package sqldb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"mazad/internal/clock"

	"github.com/uptrace/bun"
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
	Dir     string      // made if it does not exist; locked; holds the SQLite file
	URL     string      // postgres://...: the database is there, Dir is only locked, and may be ""
	Secret  string      // password for URL, which holds none
	Clock   clock.Clock // nil = the system's
	Readers int         // connections that read at the same time; 0 = 4
	Queue   int         // writes that may wait; 0 = 1024
	NoSync  bool        // accept a PostgreSQL that does not sync: for tests that say so
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
	engine Engine
	lock   *os.File // nil without a data directory
	clock  clock.Clock
	queue  chan *job
	quit   chan struct{}
	done   chan struct{}
	once   sync.Once
	stats  Stats
}

// ErrClosed is what a Write after Close returns.
var ErrClosed = errors.New("the database is closed")

// Open opens or makes the database in c.Dir, or opens the one at c.URL.
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
	if c.Dir == "" && c.URL == "" {
		return nil, errors.New("open the database: neither a data directory nor an address is given")
	}
	d := &DB{clock: c.Clock, queue: make(chan *job, c.Queue), quit: make(chan struct{}), done: make(chan struct{})}
	if c.Dir != "" {
		if err := os.MkdirAll(c.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the data directory: %w", err)
		}
		var err error
		if d.lock, err = lockDir(c.Dir); err != nil {
			return nil, err
		}
	}
	connect := d.connectSQLite
	if c.URL != "" {
		connect, d.engine = d.connectPostgres, Postgres
	}
	if err := connect(ctx, &c); err != nil {
		d.disconnect()
		return nil, err
	}
	go d.run()
	return d, nil
}

// Engine is what keeps the database.
type Engine uint8

// The engines.
const (
	SQLite Engine = iota
	Postgres
)

func (e Engine) String() string {
	if e == Postgres {
		return "postgres"
	}
	return "sqlite"
}

// Engine says which one this is.
func (d *DB) Engine() Engine { return d.engine }

// Stats are the counters.
func (d *DB) Stats() *Stats { return &d.stats }

// Check looks through the whole file for damage. A PostgreSQL server checks its
// own pages as it reads them; there it only asks whether the server answers.
func (d *DB) Check(ctx context.Context) error {
	if d.engine == Postgres {
		if err := d.reader.PingContext(ctx); err != nil {
			return fmt.Errorf("check the database: %w", err)
		}
		return nil
	}
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
