package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"mazad/bench/line"
	"mazad/events/diary"
	"mazad/reporting"
	"mazad/reporting/diarysource"
	"mazad/reporting/embedded"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// landing audits what the stopped node left behind, and measures the sink over
// the node's own diary beside a raw insert of the same rows, in batches of the same
// size, prepared as columns, into tables of the same schema in the same ClickHouse.
func (in *ingest) landing(ctx context.Context) (err error) {
	ch, err := embedded.NewSupervisor(embedded.SupervisorConfig{Command: []string{in.o.Binary, "clickhouse"}, Lib: in.o.Library, Roots: in.o.Roots, DataDir: filepath.Join(in.node.Dir, "clickhouse")})
	if err != nil {
		return err
	}
	run, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- ch.Run(run) }()
	defer func() { stop(); err = errors.Join(err, <-ended) }()
	if err := ch.WaitReady(ctx); err != nil {
		return err
	}
	at, _ := ch.Endpoint()
	opt, err := clickhouse.ParseDSN(at)
	if err != nil {
		return fmt.Errorf("the address of ClickHouse: %w", err)
	}
	conn, err := clickhouse.Open(opt)
	if err != nil {
		return fmt.Errorf("connect to ClickHouse: %w", err)
	}
	defer conn.Close()
	if err := in.audit(ctx, conn); err != nil {
		return err
	}
	sunk, size, rows, err := in.sink(ctx, ch)
	if err != nil {
		return err
	}
	raw, err := in.raw(ctx, ch, conn, size)
	if err != nil {
		return err
	}
	in.p.Remark("landing: the sink %.0f rows/s, a raw insert %.0f rows/s, %d rows in inserts of about %d", sunk, raw, rows, size)
	in.p.Print(line.Figure{Name: "ratio_raw_insert", Value: sunk / raw, Unit: "x", Target: line.AtLeast(rawTarget), N: int64(rows)})
	in.p.Print(line.Figure{Name: "landed_per_s", Value: sunk, Unit: "1/s", N: int64(rows)})
	return nil
}

func (in *ingest) audit(ctx context.Context, conn driver.Conn) error {
	sealer, err := in.sealer()
	if err != nil {
		return err
	}
	lost, doubled, rows, err := in.book.audit(ctx, sealer, conn)
	if err != nil {
		return err
	}
	n := int64(len(in.book.acked))
	in.p.Remark("%d events were acknowledged, ClickHouse has %d rows", n, rows)
	in.p.Print(line.Figure{Name: "lost", Value: float64(lost), Unit: "1", Target: line.Exactly(0), N: n})
	in.p.Print(line.Figure{Name: "doubled", Value: float64(doubled), Unit: "1", Target: line.Exactly(0), N: n})
	return nil
}

// sink copies the diary into a new database and returns rows per second, the
// rows of its largest insert and all rows.
func (in *ingest) sink(ctx context.Context, ch *embedded.Supervisor) (rate float64, size int, rows uint64, err error) {
	d, err := diary.Open(ctx, diary.Config{Dir: filepath.Join(in.node.Dir, "diary"), MoneyBytes: 16 << 30})
	if err != nil {
		return 0, 0, 0, err
	}
	defer func() { err = errors.Join(err, d.Close(ctx)) }()
	client, err := reporting.NewClient(reporting.ClientConfig{Locate: ch.Endpoint, Database: "landing"})
	if err != nil {
		return 0, 0, 0, err
	}
	defer client.Close()
	if err := client.Migrate(ctx); err != nil {
		return 0, 0, 0, err
	}
	journal, err := reporting.OpenJournal(filepath.Join(in.node.Dir, "landing.journal"))
	if err != nil {
		return 0, 0, 0, err
	}
	defer journal.Close()
	// A backlog: batches are closed by their size, and nothing waits for its second.
	// The last batch would never be full; the first is closed early.
	most := max(1000, min(landingBatch, len(in.book.acked)/2))
	wanted := uint64(min(landingRows, len(in.book.acked)-most))
	s, err := reporting.NewSink(reporting.SinkConfig{Client: client, Source: diarysource.Of(d, diary.Money), Intents: journal, MaxRows: most, Every: time.Hour})
	if err != nil {
		return 0, 0, 0, err
	}
	stopProfile, err := in.o.profile("ingest_sink")
	if err != nil {
		return 0, 0, 0, err
	}
	defer stopProfile()
	run, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	began := time.Now()
	go func() { ended <- s.Run(run) }()
	for s.Status().Rows < wanted {
		if time.Since(began) > time.Minute || ctx.Err() != nil {
			err = fmt.Errorf("the sink landed %d of %d rows in a minute (%s)", s.Status().Rows, wanted, s.Status().Detail)
			break
		}
		pause(ctx, time.Millisecond)
	}
	took := time.Since(began)
	rows = s.Status().Rows
	stop()
	err = errors.Join(err, <-ended)
	return float64(rows) / took.Seconds(), most, rows, err
}

// What the sink lands: enough, in inserts of the size it closes a backlog's
// batches at.
const (
	landingBatch = 200_000
	landingRows  = 600_000
)

// raw reads the sink's rows back as columns and inserts them with the client
// alone.
func (in *ingest) raw(ctx context.Context, ch *embedded.Supervisor, conn driver.Conn, size int) (float64, error) {
	client, err := reporting.NewClient(reporting.ClientConfig{Locate: ch.Endpoint, Database: "raw"})
	if err != nil {
		return 0, err
	}
	defer client.Close()
	if err := client.Migrate(ctx); err != nil {
		return 0, err
	}
	names, columns, err := rowsAsColumns(ctx, conn, size)
	if err != nil {
		return 0, err
	}
	var rates []float64
	for i := range rounds {
		began := time.Now()
		settings := clickhouse.Settings{"insert_deduplication_token": fmt.Sprint("raw", i), "async_insert": 0, "max_insert_block_size": 1 << 24, "min_insert_block_size_rows": 1 << 24}
		b, err := conn.PrepareBatch(clickhouse.Context(ctx, clickhouse.WithSettings(settings)), "INSERT INTO raw.events ("+strings.Join(names, ", ")+")")
		if err != nil {
			return 0, fmt.Errorf("a raw insert: %w", err)
		}
		for n, c := range columns {
			if err := b.Column(n).Append(c.Interface()); err != nil {
				return 0, fmt.Errorf("a raw insert: column %s: %w", names[n], err)
			}
		}
		if err := b.Send(); err != nil {
			return 0, fmt.Errorf("a raw insert: %w", err)
		}
		rates = append(rates, float64(columns[0].Len())/time.Since(began).Seconds())
	}
	return median(rates), nil
}

func rowsAsColumns(ctx context.Context, conn driver.Conn, n int) (names []string, columns []reflect.Value, err error) {
	rows, err := conn.Query(ctx, fmt.Sprintf("SELECT * FROM landing.events ORDER BY seq, idx LIMIT %d", n))
	if err != nil {
		return nil, nil, fmt.Errorf("read the rows back: %w", err)
	}
	var into []any
	for _, c := range rows.ColumnTypes() {
		names = append(names, c.Name())
		columns = append(columns, reflect.MakeSlice(reflect.SliceOf(c.ScanType()), 0, n))
		into = append(into, reflect.New(c.ScanType()).Interface())
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, nil, errors.Join(err, rows.Close())
		}
		for i, v := range into {
			columns[i] = reflect.Append(columns[i], reflect.ValueOf(v).Elem())
		}
	}
	return names, columns, errors.Join(rows.Err(), rows.Close())
}
