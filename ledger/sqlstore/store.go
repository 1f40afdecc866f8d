package sqlstore

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"mazad/internal/clock"
	"mazad/internal/money"
	"mazad/internal/sqldb"
	"mazad/ledger"

	"github.com/uptrace/bun"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Room is the name under which the versions of these tables are counted.
const Room = "ledger"

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
	Clock clock.Clock // nil = the system's
}

// Store implements ledger.Store.
type Store struct {
	db    *sqldb.DB
	clock clock.Clock
}

var _ ledger.Store = (*Store)(nil)

// Open makes the tables, or brings them up to date. The Store does not own db.
func Open(ctx context.Context, db *sqldb.DB, cfg Config) (*Store, error) {
	if cfg.Clock == nil {
		cfg.Clock = clock.System{}
	}
	if err := db.Migrate(ctx, Room, Migrations()); err != nil {
		return nil, err
	}
	if err := makeViews(ctx, db); err != nil {
		return nil, err
	}
	return &Store{db: db, clock: cfg.Clock}, nil
}

// sum is a money.Sum in two columns.
type sum struct {
	Hi int64 `bun:"hi"`
	Lo int64 `bun:"lo"`
}

func sumOf(s money.Sum) sum     { return sum{s.Hi, int64(s.Lo)} }
func (s sum) money() money.Sum  { return money.Sum{Hi: s.Hi, Lo: uint64(s.Lo)} }
func (s *sum) add(by money.Sum) { *s = sumOf(s.money().Add(by)) }

type accountRow struct {
	bun.BaseModel `bun:"table:accounts,alias:a"`

	ID       int64  `bun:"id,pk"`
	Kind     int64  `bun:"kind"`
	Owner    int64  `bun:"owner"`
	Currency string `bun:"currency"`
	Debits   sum    `bun:"embed:debits_"`
	Credits  sum    `bun:"embed:credits_"`
}

type transferRow struct {
	bun.BaseModel `bun:"table:transfers,alias:t"`

	ID       int64  `bun:"id,pk"`
	Kind     int64  `bun:"kind"`
	Debit    int64  `bun:"debit"`
	Credit   int64  `bun:"credit"`
	Amount   sum    `bun:"embed:amount_"`
	AtMS     int64  `bun:"at_ms"`
	Key      string `bun:"request_key,nullzero"`
	Note     string `bun:"note"`
	Owner    int64  `bun:"owner"`
	Batch    int64  `bun:"batch"`
	Campaign int64  `bun:"campaign_id"`
	AdGroup  int64  `bun:"ad_group_id"`
	Second   int64  `bun:"auction_second"`
	Day      int32  `bun:"day"`
	Count    int64  `bun:"events"`
}

type batchRow struct {
	bun.BaseModel `bun:"table:batches,alias:b"`

	ID       int64  `bun:"id,pk"`
	Stream   string `bun:"stream"`
	FirstSeq int64  `bun:"first_seq"`
	LastSeq  int64  `bun:"last_seq"`
	AtMS     int64  `bun:"at_ms"`
	Pairs    int64  `bun:"pairs"`
	Amount   sum    `bun:"embed:amount_"`
}

type positionRow struct {
	bun.BaseModel `bun:"table:positions,alias:p"`

	Stream    string `bun:"stream,pk"`
	Seq       int64  `bun:"seq"`
	ThroughMS int64  `bun:"through_ms"`
}

type spendRow struct {
	bun.BaseModel `bun:"table:spend,alias:s"`

	Kind  int64 `bun:"kind,pk"`
	Owner int64 `bun:"owner,pk"`
	Day   int32 `bun:"day,pk"`
	Spent sum   `bun:"embed:spent_"`
	Count int64 `bun:"events"`
}

func (r *spendRow) limit() ledger.Limit {
	return ledger.Limit{Kind: ledger.LimitKind(r.Kind), Owner: r.Owner, Day: r.Day}
}

type leaseRow struct {
	bun.BaseModel `bun:"table:leases,alias:l"`

	Kind       int64 `bun:"kind,pk"`
	Owner      int64 `bun:"owner,pk"`
	Day        int32 `bun:"day,pk"`
	Node       int64 `bun:"node,pk"`
	Generation int64 `bun:"generation,pk"`
	Granted    sum   `bun:"embed:granted_"`
	Spent      sum   `bun:"embed:spent_"`
	Closed     int64 `bun:"closed"`
}

func (r *leaseRow) limit() ledger.Limit {
	return ledger.Limit{Kind: ledger.LimitKind(r.Kind), Owner: r.Owner, Day: r.Day}
}

func (r *leaseRow) lease() ledger.Lease {
	return ledger.Lease{Limit: r.limit(), Node: uint16(r.Node), Generation: uint32(r.Generation),
		Granted: r.Granted.money(), Spent: r.Spent.money()}
}

// fromMS is the zero time for 0.
func fromMS(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// toMS is 0 for the zero time.
func toMS(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// maxRows bounds one statement: SQLite refuses those over a million bytes.
const maxRows = 500

// chunks calls fn with parts of at most maxRows.
func chunks[T any](all []T, fn func(part []T) error) error {
	for len(all) > 0 {
		n := min(len(all), maxRows)
		if err := fn(all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// count adds n to a counter and returns what it is then.
func count(ctx context.Context, tx sqldb.Tx, name string, n int) (value int64, err error) {
	err = tx.NewRaw(`INSERT INTO ledger_counters (name, value) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET value = ledger_counters.value + excluded.value RETURNING value`, name, n).Scan(ctx, &value)
	if err != nil {
		return 0, fmt.Errorf("count %s: %w", name, err)
	}
	return value, nil
}

// byPlace groups limits by what one statement can ask for.
func byPlace(limits []ledger.Limit) map[ledger.Limit][]int64 {
	out := map[ledger.Limit][]int64{}
	for _, l := range limits {
		at := ledger.Limit{Kind: l.Kind, Day: l.Day}
		out[at] = append(out[at], l.Owner)
	}
	return out
}

func problem(err error, field string, value any, format string, args ...any) error {
	return &ledger.Problem{Err: err, Field: field, Value: fmt.Sprint(value), Message: fmt.Sprintf(format, args...)}
}
