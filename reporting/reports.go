package reporting

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"sync/atomic"
	"time"

	"mazad/internal/clock"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/dgraph-io/ristretto/v2"
)

// Row is one line of a report. Values are strings: ids beyond 2^53 and money do
// not survive a JSON number.
type Row struct {
	Currency   string
	Dimensions map[Dimension]string
	Metrics    map[Metric]string
}

// PageInfo says where in the rows a page is.
type PageInfo struct {
	Page, PageSize        int
	TotalRows, TotalPages int
}

// Result is a report. It is shared between callers: do not change it.
type Result struct {
	Rows        []Row
	Totals      []Row // of all pages, one per currency
	DataThrough time.Time
	IsFinal     bool
	Zone        string
	PageInfo    PageInfo
}

// finalAfter is how long after its end a day can still change: the life of a
// click token.
const finalAfter = 24 * time.Hour

// ReportsConfig of Reports.
type ReportsConfig struct {
	Client *Client
	// Through gives data_through (Sink.Through); nil reads what the sink of
	// another process wrote.
	Through func() time.Time
	Stream  string // default "MONEY"
	Clock   clock.Clock
}

// Reports answers queries.
type Reports struct {
	cfg   ReportsConfig
	cache *ristretto.Cache[string, *Result]

	queries, cached, failed atomic.Uint64
}

// ReportStats are counters since the start.
type ReportStats struct {
	Queries, Cached, Failed uint64
}

// cacheRows bounds the cache; an entry costs its rows.
const (
	cacheRows = 200_000
	cacheLife = 5 * time.Minute
)

// NewReports makes Reports.
func NewReports(cfg ReportsConfig) (*Reports, error) {
	if cfg.Client == nil {
		return nil, fmt.Errorf("reporting: Reports needs a Client")
	}
	if cfg.Stream == "" {
		cfg.Stream = "MONEY"
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System{}
	}
	cache, err := ristretto.NewCache(&ristretto.Config[string, *Result]{NumCounters: 100_000, MaxCost: cacheRows, BufferItems: 64})
	if err != nil {
		return nil, fmt.Errorf("make the report cache: %w", err)
	}
	return &Reports{cfg: cfg, cache: cache}, nil
}

// Close frees the cache.
func (r *Reports) Close() { r.cache.Close() }

// Stats are the counters.
func (r *Reports) Stats() ReportStats {
	return ReportStats{r.queries.Load(), r.cached.Load(), r.failed.Load()}
}

// Through is the watermark of the figures.
func (r *Reports) Through(ctx context.Context) (t time.Time, err error) {
	if r.cfg.Through != nil {
		return r.cfg.Through(), nil
	}
	err = r.cfg.Client.each(ctx, "SELECT max(through) FROM {db}.sink_progress WHERE stream = {stream:String}",
		func(rows driver.Rows) error { return rows.Scan(&t) }, clickhouse.Named("stream", r.cfg.Stream))
	return t, err
}

// Report answers q. A *QueryError says what is wrong with the query; an error
// that wraps ErrAway says that ClickHouse cannot be reached.
func (r *Reports) Report(ctx context.Context, q Query) (*Result, error) {
	r.queries.Add(1)
	if err := q.check(); err != nil {
		return nil, err
	}
	// The watermark is read first: figures may be newer than it, never older.
	through, err := r.Through(ctx)
	if err != nil {
		r.failed.Add(1)
		return nil, err
	}
	sql, err := printRows(&q)
	if err != nil {
		return nil, err
	}
	totals, err := printTotals(&q)
	if err != nil {
		return nil, err
	}
	key := fmt.Sprintf("%d %s %v", through.UnixMilli(), sql, q.Metrics)
	if res, ok := r.cache.Get(key); ok {
		r.cached.Add(1)
		return res, nil
	}
	res, err := r.read(ctx, &q, sql, totals)
	if err != nil {
		r.failed.Add(1)
		return nil, fmt.Errorf("read the report: %w", beforeSchema(err))
	}
	res.DataThrough, res.Zone = through, q.Zone.String()
	res.IsFinal = !through.Before(q.To.Next().Start(q.Zone).Add(finalAfter))
	r.cache.SetWithTTL(key, res, int64(len(res.Rows)+1), cacheLife)
	return res, nil
}

// beforeSchema takes a missing table for "not yet": ClickHouse answers before the
// sink has made the tables of a first start.
func beforeSchema(err error) error {
	const unknownTable, unknownDatabase = 60, 81
	var ex *clickhouse.Exception
	if errors.As(err, &ex) && (ex.Code == unknownTable || ex.Code == unknownDatabase) {
		return fmt.Errorf("%w: its tables are being made", ErrAway)
	}
	return err
}

func (r *Reports) read(ctx context.Context, q *Query, sql, totals string) (*Result, error) {
	res := &Result{PageInfo: PageInfo{Page: q.Page, PageSize: q.PageSize}}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Client.cfg.Timeout)
	defer cancel()
	err := r.cfg.Client.each(ctx, totals, func(rows driver.Rows) error {
		var n uint64
		f, err := scanFigures(rows, nil, &n)
		if err != nil {
			return err
		}
		res.PageInfo.TotalRows += int(n)
		res.Totals = append(res.Totals, rowOf(q, f, nil))
		return nil
	})
	if err != nil {
		return nil, err
	}
	res.PageInfo.TotalPages = (res.PageInfo.TotalRows + q.PageSize - 1) / q.PageSize
	if q.Page > res.PageInfo.TotalPages {
		return res, nil
	}
	dims := make([]string, len(q.Dimensions))
	err = r.cfg.Client.each(ctx, sql, func(rows driver.Rows) error {
		f, err := scanFigures(rows, dims, nil)
		if err == nil {
			res.Rows = append(res.Rows, rowOf(q, f, dims))
		}
		return err
	})
	return res, err
}

// scanFigures reads the columns of sums, the reach, and what follows.
func scanFigures(rows driver.Rows, dims []string, n *uint64) (*figures, error) {
	f := &figures{}
	var spend, value decimalText
	dest := []any{&f.currency, &spend, &f.impressions, &f.personal, &f.clicks, &f.views, &f.conversions, &value, &f.reach}
	for i := range f.verdicts {
		dest = append(dest, &f.verdicts[i])
	}
	for i := range dims {
		dest = append(dest, &dims[i])
	}
	if n != nil {
		dest = append(dest, n)
	}
	err := rows.Scan(dest...)
	f.spend, f.value = spend.nanos, value.nanos
	return f, err
}

// decimalText reads a Decimal(38, 9) column without a float in between.
type decimalText struct{ nanos *big.Int }

// Scan implements sql.Scanner.
func (d *decimalText) Scan(v any) (err error) {
	d.nanos, err = parseNanos(fmt.Sprint(v))
	return err
}

func rowOf(q *Query, f *figures, dims []string) Row {
	row := Row{Currency: f.currency, Dimensions: map[Dimension]string{}, Metrics: map[Metric]string{}}
	for i, v := range dims {
		row.Dimensions[q.Dimensions[i]] = label(q.Dimensions[i], v)
	}
	for _, m := range q.Metrics {
		row.Metrics[m] = f.metric(m)
	}
	return row
}
