package reporting

import (
	"context"
	"fmt"
	"strings"
	"time"

	"mazad/events"
	"mazad/internal/failpoint"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// HalfBatch is a batch of which ClickHouse has some rows although it is so old
// that its token may be forgotten: a repeat could double them.
type HalfBatch struct {
	Intent
	HasRows uint64
}

func (e *HalfBatch) Error() string {
	return fmt.Sprintf("batch %s has %d of %d rows in ClickHouse and is past the deduplication window: "+
		"delete its rows (batch_first = %d) from events and rebuild the aggregates of its days, then start again",
		e.Token(), e.HasRows, e.Rows, e.First)
}

// dedupWindow is non_replicated_deduplication_window of the migrations: how many
// inserted blocks a table remembers. An insert makes one block per partition.
const (
	dedupWindow       = 10_000
	blocksPerInsert   = 32 // allowed for: days of one batch
	insertsRemembered = dedupWindow / blocksPerInsert
)

// Where a test ends the process: before and after the boundaries of a batch are
// durable, after an open intent was compared with ClickHouse, after ClickHouse
// said that a batch is in, after the intent was closed.
var (
	beforeIntent = failpoint.New("sink.before-intent")
	afterIntent  = failpoint.New("sink.after-intent")
	afterCompare = failpoint.New("sink.after-compare")
	afterInsert  = failpoint.New("sink.after-insert")
	afterDone    = failpoint.New("sink.after-done")
)

// flush inserts the pile and retries until it is in or ctx ends.
func (s *Sink) flush(ctx context.Context) error {
	p := &s.pile
	i := Intent{Stream: s.cfg.Stream, First: p.first, Last: p.last, Rows: uint64(p.rows), Nanos: p.nanos}
	repeat := s.redo != nil
	if repeat && (i.First != s.redo.First || i.Last != s.redo.Last) {
		return &Broken{fmt.Errorf("the diary gives %s where the open intent is %s", i.Token(), s.redo.Token())}
	}
	err := s.retry(ctx, "insert into ClickHouse", func(ctx context.Context) error {
		if !repeat {
			beforeIntent.Hit()
			if err := s.cfg.Intents.Put(ctx, i); err != nil {
				return err
			}
			repeat = true
			afterIntent.Hit()
		}
		skip := false
		if s.redo != nil {
			var err error
			if skip, err = s.alreadyIn(ctx, i); err != nil {
				return err
			}
			afterCompare.Hit()
		}
		if !skip {
			if err := s.insert(ctx, i); err != nil {
				return err
			}
			afterInsert.Hit()
		}
		return s.cfg.Intents.Done(ctx, i)
	})
	if err != nil {
		return err
	}
	afterDone.Hit()
	now := s.cfg.Clock.Now()
	s.note(func(st *SinkStatus) {
		st.Seq, st.Last = i.Last, max(st.Last, i.Last)
		if t := millis(p.closedMS); t.After(st.Through) && !t.After(now) {
			st.Through = t
		}
		st.Batches++
		st.Rows += i.Rows
		if s.redo != nil {
			st.Repeated++
		}
	})
	s.used.Expire(p.closedMS - usedSlack.Milliseconds())
	s.redo, s.last = nil, now
	s.pile.reset()
	if now.Sub(s.told) > progressEvery {
		s.told = now
		_ = s.tellProgress(ctx)
	}
	return nil
}

// usedSlack is how much longer than their life tokens are remembered here: a
// record's verdict and its batch are at most a clock correction apart.
const usedSlack = 24 * time.Hour

func (p *pile) reset() {
	for _, c := range p.columns {
		c.reset()
	}
	*p = pile{columns: p.columns}
}

// insert sends the pile as one block. Everything is on disk when it returns: the
// tables have fsync_after_insert and fsync_part_directory.
func (s *Sink) insert(ctx context.Context, i Intent) error {
	conn, err := s.cfg.Client.open()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, insertTime)
	defer cancel()
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"insert_deduplication_token": i.Token(),
		"async_insert":               0,
		"insert_deduplicate":         1,
		"max_insert_block_size":      1 << 24, // the whole batch is one block, so one token
		"min_insert_block_size_rows": 1 << 24,
		// A repeat must also reach the views when the first try died between the table and them.
		"deduplicate_blocks_in_dependent_materialized_views": 1,
	}))
	names := make([]string, 0, len(s.pile.columns)+2)
	for _, c := range s.pile.columns {
		names = append(names, c.title())
	}
	b, err := conn.PrepareBatch(ctx, s.cfg.Client.sql("INSERT INTO {db}.events ("+strings.Join(names, ", ")+", batch_first, batch_last)"))
	if err != nil {
		return away(err)
	}
	defer func() { _ = b.Close() }()
	for n, c := range s.pile.columns {
		if err := b.Column(n).Append(c.data()); err != nil {
			return fmt.Errorf("column %s: %w", c.title(), err)
		}
	}
	first, last := make([]uint64, s.pile.rows), make([]uint64, s.pile.rows)
	for n := range first {
		first[n], last[n] = i.First, i.Last
	}
	for n, v := range [][]uint64{first, last} {
		if err := b.Column(len(s.pile.columns) + n).Append(v); err != nil {
			return fmt.Errorf("column batch_first or batch_last: %w", err)
		}
	}
	return away(b.Send())
}

// insertTime bounds one try; a repeat after a lost answer is harmless.
const insertTime = 2 * time.Minute

// alreadyIn compares what ClickHouse has of a repeated batch. One that is whole is
// not sent again: see completeViews. Of one that is in by halves the days that are
// there are remembered by their tokens, while these are.
func (s *Sink) alreadyIn(ctx context.Context, i Intent) (skip bool, err error) {
	var rows, later uint64
	var nanos int64
	err = s.cfg.Client.each(ctx, `SELECT countIf(batch_first = {first:UInt64}), sumIf(billed_nanos, batch_first = {first:UInt64}),
		uniqExactIf(batch_first, batch_first > {first:UInt64}) FROM {db}.events WHERE stream = {stream:String} AND batch_first >= {first:UInt64}`,
		func(r driver.Rows) error { return r.Scan(&rows, &nanos, &later) },
		clickhouse.Named("first", fmt.Sprint(i.First)), clickhouse.Named("stream", i.Stream))
	switch {
	case err != nil:
		return false, err
	case rows == i.Rows && nanos == i.Nanos && rows > 0:
		return true, s.completeViews(ctx, i)
	case rows == 0, later < insertsRemembered:
		return false, nil
	}
	return false, &Broken{&HalfBatch{Intent: i, HasRows: rows}}
}

// recover finds out where to go on: from the journal, or from ClickHouse when
// there is none.
func (s *Sink) recover(ctx context.Context) error {
	if err := s.cfg.Client.Migrate(ctx); err != nil {
		return err
	}
	done, open, known, err := s.cfg.Intents.State(ctx, s.cfg.Stream)
	if err != nil {
		return err
	}
	there, newest, err := s.newestInClickHouse(ctx)
	if err != nil {
		return err
	}
	// No journal: the newest batch may be half in. Less in ClickHouse than the
	// journal says: it is another or an older ClickHouse, and is filled from there.
	// More than the journal says: its last lines were lost, or it is an older copy.
	if !known || open == nil && there < done || there > lastOf(done, open) {
		done, open = there, newest
	}
	if open != nil {
		done = open.First - 1
	}
	s.work.Lock()
	defer s.work.Unlock()
	s.redo, s.next = open, done+1
	s.note(func(st *SinkStatus) { st.Seq = done })
	return s.loadUsed(ctx, done)
}

// lastOf is the last sequence that a journal knows of.
func lastOf(done uint64, open *Intent) uint64 {
	if open != nil {
		return max(done, open.Last)
	}
	return done
}

// newestInClickHouse returns the last sequence that is in and its batch.
func (s *Sink) newestInClickHouse(ctx context.Context) (last uint64, newest *Intent, err error) {
	i := Intent{Stream: s.cfg.Stream}
	err = s.cfg.Client.each(ctx, `SELECT max(batch_first), argMax(batch_last, batch_first) FROM {db}.events WHERE stream = {stream:String}`,
		func(r driver.Rows) error { return r.Scan(&i.First, &i.Last) }, clickhouse.Named("stream", s.cfg.Stream))
	if err != nil || i.First == 0 {
		return 0, nil, err
	}
	return i.Last, &i, nil
}

// loadUsed remembers the tokens that counted in the last days before done.
func (s *Sink) loadUsed(ctx context.Context, done uint64) error {
	if done == 0 {
		return nil
	}
	return s.cfg.Client.each(ctx, `SELECT token_partition, token_generation, token_serial, kind, toUnixTimestamp64Milli(auction_time)
		FROM {db}.events WHERE stream = {stream:String} AND counted = 1 AND kind <= 4 AND batch_last <= {done:UInt64}
		AND report_time >= (SELECT max(report_time) FROM {db}.events WHERE stream = {stream:String} AND kind <= 4) - INTERVAL 49 HOUR`,
		func(r driver.Rows) error {
			var t events.TokenID
			var kind uint8
			var ms int64
			if err := r.Scan(&t.Partition, &t.Generation, &t.Serial, &kind, &ms); err != nil {
				return err
			}
			if use, ok := events.Kind(kind).Use(); ok && !t.IsZero() {
				s.used.MarkOnce(t, use, ms)
			}
			return nil
		}, clickhouse.Named("stream", s.cfg.Stream), clickhouse.Named("done", fmt.Sprint(done)))
}

// tellProgress writes the watermark for reports of other processes. Losing it
// costs freshness, not figures.
func (s *Sink) tellProgress(ctx context.Context) error {
	st := s.Status()
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"async_insert": 0}))
	return s.cfg.Client.exec(ctx, fmt.Sprintf("INSERT INTO {db}.sink_progress (stream, seq, through) SELECT '%s', %d, fromUnixTimestamp64Milli(toInt64(%d), 'UTC')",
		s.cfg.Stream, st.Seq, st.Through.UnixMilli()))
}
