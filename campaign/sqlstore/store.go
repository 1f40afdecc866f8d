package sqlstore

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"mazad/campaign"
	"mazad/internal/clock"
	"mazad/internal/sqldb"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Room is the name under which the versions of these tables are counted.
const Room = "campaign"

// Migrations make the tables, one set for both engines. One that was released
// never changes.
func Migrations() fs.FS {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil { // the name is not a valid path: not at run time
		panic(err)
	}
	return dir
}

// Config is what a Store needs to know.
type Config struct {
	Clock       clock.Clock // nil = the system's
	ReviewFirst bool        // new ads wait for review instead of being approved at once
	Random      io.Reader   // of API tokens; nil = crypto/rand
}

// Store implements campaign.Store.
type Store struct {
	db     *sqldb.DB
	cfg    Config
	minter atomic.Pointer[campaign.Minter] // replaced by ClaimNode

	mu       sync.Mutex
	watchers map[chan struct{}]struct{} // guarded by mu
}

var _ campaign.Store = (*Store)(nil)

// Open makes the tables, or brings them up to date. The Store does not own db.
func Open(ctx context.Context, db *sqldb.DB, cfg Config) (*Store, error) {
	if cfg.Clock == nil {
		cfg.Clock = clock.System{}
	}
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	if err := db.Migrate(ctx, Room, Migrations()); err != nil {
		return nil, err
	}
	s := &Store{db: db, cfg: cfg, watchers: map[chan struct{}]struct{}{}}
	return s, s.mintAs(ctx, 0)
}

// mintAs makes ids with a node's number from now on.
func (s *Store) mintAs(ctx context.Context, node uint16) error {
	last, err := lastID(ctx, s.db)
	if err != nil {
		return fmt.Errorf("find the last id: %w", err)
	}
	minter, err := campaign.NewMinter(s.cfg.Clock, node, last)
	if err != nil {
		return err
	}
	s.minter.Store(minter)
	return nil
}

func lastID(ctx context.Context, db *sqldb.DB) (last int64, err error) {
	err = db.Read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		for _, table := range []string{"business_centers", "advertisers", "objects", "tokens"} {
			var n int64
			if err := tx.QueryRowContext(ctx, "SELECT COALESCE(MAX(id), 0) FROM "+table).Scan(&n); err != nil {
				return err
			}
			last = max(last, n)
		}
		return nil
	})
	return last, err
}

func (s *Store) now() time.Time { return s.cfg.Clock.Now().UTC().Truncate(time.Millisecond) }

// errDryRun undoes an edit that was only to be checked.
var errDryRun = errors.New("dry run")

// edit runs fn as one edit: all of it, or nothing for a dry run.
func (s *Store) edit(ctx context.Context, e campaign.Edit, fn func(ctx context.Context, tx sqldb.Tx) error) error {
	if len(e.Actor) > campaign.MaxActor {
		e.Actor = e.Actor[:campaign.MaxActor]
	}
	err := s.db.Write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := fn(ctx, tx); err != nil {
			return err
		}
		if e.DryRun {
			return errDryRun
		}
		return nil
	})
	switch {
	case err == nil:
		s.notify()
		return nil
	case err == errDryRun:
		return nil
	}
	return ours(err, "edit")
}

func (s *Store) read(ctx context.Context, fn func(ctx context.Context, tx sqldb.Tx) error) error {
	return ours(s.db.Read(ctx, fn), "read")
}

// ours makes every error one of campaign's.
func ours(err error, doing string) error {
	if err == nil {
		return nil
	}
	var one *campaign.Error
	var many campaign.Errors
	if errors.As(err, &one) || errors.As(err, &many) {
		return err
	}
	return campaign.InternalError(err, doing+" what people edit")
}

// Watch implements campaign.Publisher.
func (s *Store) Watch() (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	s.mu.Lock()
	s.watchers[ch] = struct{}{}
	s.mu.Unlock()
	return ch, func() {
		s.mu.Lock()
		delete(s.watchers, ch)
		s.mu.Unlock()
	}
}

func (s *Store) notify() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ch := range s.watchers {
		select {
		case ch <- struct{}{}:
		default: // one is waiting already and stands for this edit too
		}
	}
}

// count adds n to a counter and returns what it is then. The row stays locked
// until the end of the transaction, so numbers become visible in their order.
func count(ctx context.Context, tx sqldb.Tx, name string, n int) (value int64, err error) {
	err = tx.NewRaw(`INSERT INTO counters (name, value) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET value = counters.value + excluded.value RETURNING value`, name, n).Scan(ctx, &value)
	return value, err
}
