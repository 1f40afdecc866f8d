package reporting

import (
	"context"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// aggregate is a table that a materialized view fills from events. The figures
// are sums; raw is what they are in events, own the same in the aggregate.
type aggregate struct {
	table, raw, own string
}

var aggregates = []aggregate{
	{
		table: "report_15m",
		raw: `sumIf(toInt128(billed_nanos), counted = 1), toInt128(countIf(counted = 1 AND kind = 1)), toInt128(countIf(counted = 1 AND kind = 2)),
			toInt128(countIf(counted = 1 AND kind = 3)), toInt128(countIf(counted = 1 AND kind = 5))`,
		own: `toInt128(sum(spend) * 1000000000), toInt128(sum(impressions)), toInt128(sum(clicks)), toInt128(sum(views)), toInt128(sum(conversions))`,
	},
	{
		table: "verdict_15m",
		raw: `toInt128(countIf(counted = 1 AND kind IN (1, 2, 3, 4) AND verdict = 1)),
			toInt128(countIf(counted = 1 AND kind IN (1, 2, 3, 4) AND verdict = 2 AND reason != 1)), toInt128(countIf(verdict = 3))`,
		own: `toInt128(sum(billed_events)), toInt128(sum(free_events)), toInt128(sum(refused_events))`,
	},
}

// completeViews puts a batch that is whole in events into the aggregates that miss
// it. A repeat of the insert would do that as long as ClickHouse remembers its
// tokens, but it writes them to a log that it does not sync: after a power cut the
// rows are there and the token is not, and a repeat would count them twice. So the
// quarters of the batch are compared instead: an aggregate has all that events
// has, or all but this batch.
func (s *Sink) completeViews(ctx context.Context, i Intent) error {
	for _, a := range aggregates {
		whole, missing, err := s.hasBatch(ctx, a, i)
		switch {
		case err != nil:
			return fmt.Errorf("compare batch %s with %s: %w", i.Token(), a.table, err)
		case whole:
		case missing:
			if err := s.fillView(ctx, a, i); err != nil {
				return fmt.Errorf("put batch %s into %s: %w", i.Token(), a.table, err)
			}
		default:
			return &Broken{fmt.Errorf("%s differs from events in the quarters of batch %s by more than that batch: rebuild it from events for these days, then start again", a.table, i.Token())}
		}
	}
	return nil
}

// hasBatch compares the sums of events and of an aggregate over the quarters that a
// batch touches.
func (s *Sink) hasBatch(ctx context.Context, a aggregate, i Intent) (whole, missing bool, err error) {
	const batch = "stream = {stream:String} AND batch_first = {first:UInt64}"
	quarter := func(agg string) string {
		return "(SELECT toStartOfFifteenMinutes(toDateTime(" + agg + "(report_time), 'UTC')) FROM {db}.events WHERE " + batch + ")"
	}
	sql := "WITH " + quarter("min") + " AS since, " + quarter("max") + ` AS until,
		(SELECT [` + a.raw + `] FROM {db}.events WHERE report_time >= since AND report_time < until + INTERVAL 15 MINUTE) AS raw,
		(SELECT [` + a.raw + `] FROM {db}.events WHERE ` + batch + `) AS mine,
		(SELECT [` + a.own + `] FROM {db}.` + a.table + ` WHERE quarter >= since AND quarter <= until) AS own
		SELECT toUInt8(raw = own), toUInt8(arrayMap((r, o) -> r - o, raw, own) = mine)`
	err = s.cfg.Client.each(ctx, sql, func(r driver.Rows) error {
		var w, m uint8
		err := r.Scan(&w, &m)
		whole, missing = w == 1, m == 1
		return err
	}, clickhouse.Named("first", fmt.Sprint(i.First)), clickhouse.Named("stream", i.Stream))
	return whole, missing, err
}

// fillView runs the query of the view over the rows of one batch.
func (s *Sink) fillView(ctx context.Context, a aggregate, i Intent) error {
	var query string
	err := s.cfg.Client.each(ctx, "SELECT as_select FROM system.tables WHERE database = '{db}' AND name = '"+a.table+"_mv'",
		func(r driver.Rows) error { return r.Scan(&query) })
	if err != nil {
		return err
	}
	from := s.cfg.Client.sql("FROM {db}.events")
	if strings.Count(query, from) != 1 {
		return &Broken{fmt.Errorf("the view of %s does not read events once: %s", a.table, query)}
	}
	rows := fmt.Sprintf("FROM (SELECT * FROM {db}.events WHERE stream = '%s' AND batch_first = %d)", i.Stream, i.First)
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"async_insert": 0, "insert_deduplicate": 0}))
	return s.cfg.Client.exec(ctx, "INSERT INTO {db}."+a.table+" "+strings.Replace(query, from, rows, 1))
}
