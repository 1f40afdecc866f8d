package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"mazad/events/diary"
	"mazad/internal/failpoint"
	"mazad/internal/sqldb"
	"mazad/ledger"
	ledgersql "mazad/ledger/sqlstore"
	"mazad/reporting"
	"mazad/reporting/diarysource"
	"mazad/reporting/embedded"
	"mazad/serving"
)

// rebuildOrder says where a rebuild may write.
type rebuildOrder struct {
	ClickHouse string `json:"clickhouse,omitempty"` // URL of an empty one; "" = an embedded one, removed afterwards
}

// rebuiltSummary is what came out of archive and diary alone.
type rebuiltSummary struct {
	Through     uint64   `json:"through_seq"`
	Records     uint64   `json:"records"`
	Limits      int      `json:"limits"` // totals of the ledger that were compared
	LedgerMS    int64    `json:"ledger_ms"`
	ReportsMS   int64    `json:"reports_ms"`
	Differences []string `json:"differences"`
	Notes       []string `json:"notes"`
}

func (r *rebuiltSummary) print(w io.Writer) {
	word := "EQUAL: what archive and diary rebuild = what is in use, to the nano"
	if len(r.Differences) > 0 {
		word = "DIFFERENT from what is in use"
	}
	per := func(ms int64) int64 { return int64(r.Records) * 1000 / max(ms, 1) }
	fmt.Fprintf(w, "%s\n  %d records up to batch %d; ledger: %d totals, %d records/s; ClickHouse: %d records/s\n",
		word, r.Records, r.Through, r.Limits, per(r.LedgerMS), per(r.ReportsMS))
	for _, d := range r.Differences {
		fmt.Fprintf(w, "  difference: %s\n", d)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(w, "  note: %s\n", n)
	}
}

// capped is a stream that ends at a batch, so that copies are filled up to
// exactly where the ones in use were read.
type capped struct {
	serving.Stream
	last uint64
}

func (c capped) Last(ctx context.Context, stream string) (first, last uint64, err error) {
	first, last, err = c.Stream.Last(ctx, stream)
	return first, min(last, c.last), err
}

func (c capped) Read(ctx context.Context, stream string, from, to uint64, fn func(*diary.Batch) error) error {
	return c.Stream.Read(ctx, stream, from, min(to, c.last), fn)
}

// Consume stands still at the last batch until ctx ends.
func (c capped) Consume(ctx context.Context, stream string, from uint64, fn func(*diary.Batch) error) error {
	return c.Stream.Consume(ctx, stream, from, func(b *diary.Batch) error {
		if b.Seq > c.last {
			<-ctx.Done()
			return ctx.Err()
		}
		return fn(b)
	})
}

// rebuild fills an empty ledger and an empty ClickHouse from archive and diary
// and compares them with those in use.
func (n *Node) rebuild(ctx context.Context, o rebuildOrder, told func(progress)) (out *rebuiltSummary, err error) {
	dir, err := os.MkdirTemp(n.cfg.DataDir, "rebuild-")
	if err != nil {
		return nil, fmt.Errorf("make room for what is rebuilt: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	used, last, err := n.ledgerTotals(ctx)
	if err != nil {
		return nil, err
	}
	if first, _, err := n.history.Last(ctx, diary.Money); err != nil {
		return nil, err
	} else if first > 1 {
		return nil, fmt.Errorf("retention removed batches 1 to %d: a ledger of all time cannot be made again from what is left", first-1)
	}
	out = &rebuiltSummary{Through: last}
	stream := capped{n.history, last}
	books, closeBooks, err := n.rebuildLedger(ctx, filepath.Join(dir, "ledger"), stream, used, out, told)
	if err != nil {
		return nil, fmt.Errorf("rebuild the ledger: %w", err)
	}
	defer func() { err = errors.Join(err, closeBooks()) }()
	if err := n.rebuildReports(ctx, dir, o.ClickHouse, stream, books, out, told); err != nil {
		return nil, fmt.Errorf("rebuild ClickHouse: %w", err)
	}
	return out, nil
}

// ledgerTotals reads every total of the ledger in use at one position.
func (n *Node) ledgerTotals(ctx context.Context) (totals []ledger.LimitSpend, last uint64, err error) {
	const tries = 20
	for range tries {
		before, err := n.ledger.Position(ctx, n.diary.MoneyStream())
		if err != nil {
			return nil, 0, err
		}
		if totals, err = n.ledger.Spend(ctx, ledger.SpendQuery{}); err != nil {
			return nil, 0, err
		}
		after, err := n.ledger.Position(ctx, n.diary.MoneyStream())
		if err != nil {
			return nil, 0, err
		}
		if before.Seq == after.Seq {
			return totals, before.Seq, nil
		}
	}
	return nil, 0, errors.New("the ledger did not stand still; try again with less traffic")
}

// rebuildLedger books the whole stream into a fresh SQLite file and compares
// every total: all limits, all days, amounts and numbers of events.
func (n *Node) rebuildLedger(ctx context.Context, dir string, stream capped, used []ledger.LimitSpend, out *rebuiltSummary, told func(progress)) (ledger.Store, func() error, error) {
	db, err := sqldb.Open(ctx, sqldb.Config{Dir: dir, Clock: n.clock})
	if err != nil {
		return nil, nil, err
	}
	fail := func(err error) (ledger.Store, func() error, error) { return nil, nil, errors.Join(err, db.Close()) }
	books, err := ledgersql.Open(ctx, db, ledgersql.Config{Clock: n.clock})
	if err != nil {
		return fail(err)
	}
	began := time.Now()
	keeper, err := serving.NewBookkeeper(ctx, serving.BookkeeperConfig{Clock: n.clock, Stream: counted{stream, out, told}, Books: books, Node: n.life.Node})
	if err != nil {
		return fail(err)
	}
	if _, err := keeper.Pass(ctx); err != nil {
		return fail(err)
	}
	out.LedgerMS = time.Since(began).Milliseconds()
	pos, err := books.Position(ctx, n.diary.MoneyStream())
	if err != nil {
		return fail(err)
	}
	if pos.Seq != stream.last {
		return fail(fmt.Errorf("it ends at batch %d instead of %d", pos.Seq, stream.last))
	}
	got, err := books.Spend(ctx, ledger.SpendQuery{})
	if err != nil {
		return fail(err)
	}
	out.compareTotals(used, got)
	trial, err := books.Trial(ctx)
	if err != nil {
		return fail(err)
	}
	out.Differences = append(out.Differences, trial.Problems...)
	return books, db.Close, nil
}

// maxRebuiltDifferences bounds the list.
const maxRebuiltDifferences = 100

func (r *rebuiltSummary) compareTotals(used, rebuilt []ledger.LimitSpend) {
	totals := make(map[ledger.Limit]ledger.LimitSpend, len(used))
	for _, t := range used {
		totals[t.Limit] = t
	}
	differ := func(u, g ledger.LimitSpend, l ledger.Limit) {
		if u.Spent != g.Spent || u.Count != g.Count {
			if len(r.Differences) < maxRebuiltDifferences {
				r.Differences = append(r.Differences, fmt.Sprintf("ledger, %s of %d, day %d: %s for %d events in use, %s for %d rebuilt",
					l.Kind, l.Owner, l.Day, u.Spent, u.Count, g.Spent, g.Count))
			}
		}
	}
	for _, g := range rebuilt {
		differ(totals[g.Limit], g, g.Limit)
		delete(totals, g.Limit)
		r.Limits++
	}
	for l, u := range totals {
		differ(u, ledger.LimitSpend{}, l)
	}
}

// counted tells progress and counts records while a stream is read.
type counted struct {
	capped
	out  *rebuiltSummary
	told func(progress)
}

func (c counted) Read(ctx context.Context, stream string, from, to uint64, fn func(*diary.Batch) error) error {
	return c.capped.Read(ctx, stream, from, to, func(b *diary.Batch) error {
		c.out.Records += uint64(b.Count)
		c.told(progress{"ledger", int64(b.Seq), int64(c.last)})
		return fn(b)
	})
}

// rebuildReports fills a ClickHouse and compares it with the fold, with the
// rebuilt ledger and with the one in use.
func (n *Node) rebuildReports(ctx context.Context, dir, url string, stream capped, books ledger.Store, out *rebuiltSummary, told func(progress)) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	locate := reporting.At(url)
	if url == "" {
		engine, err := n.newEngine(filepath.Join(dir, "clickhouse"))
		if err != nil {
			return err
		}
		wg.Go(func() { _ = engine.Run(ctx) })
		if err := engine.WaitReady(ctx); err != nil {
			return err
		}
		locate = engine.Endpoint
	}
	client, err := reporting.NewClient(reporting.ClientConfig{Locate: locate})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	if err := client.MustBeEmpty(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := n.fill(ctx, client, filepath.Join(dir, "sink.journal"), stream, told); err != nil {
		return err
	}
	out.ReportsMS = time.Since(began).Milliseconds()
	got, err := reporting.Verify(ctx, reporting.VerifyConfig{Client: client, Source: diarysource.Of(stream, n.diary.MoneyStream()), Ledger: reporting.Books(books, n.diary.MoneyStream())})
	if err != nil {
		return err
	}
	out.Differences, out.Notes = append(out.Differences, got.Differences...), append(out.Notes, got.Notes...)
	differences, notes, err := reporting.Same(ctx, n.client, client, n.diary.MoneyStream(), stream.last)
	out.Differences, out.Notes = append(out.Differences, differences...), append(out.Notes, notes...)
	return err
}

// fill runs a sink until the stream is in.
func (n *Node) fill(ctx context.Context, client *reporting.Client, journalPath string, stream capped, told func(progress)) error {
	journal, err := reporting.OpenJournal(journalPath)
	if err != nil {
		return err
	}
	defer func() { _ = journal.Close() }()
	sink, err := reporting.NewSink(reporting.SinkConfig{Client: client, Source: diarysource.Of(stream, n.diary.MoneyStream()), Intents: journal, Clock: n.clock, Log: n.log})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- sink.Run(ctx) }()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for sink.Status().Seq < stream.last {
		select {
		case <-poll.C:
			told(progress{"reports", int64(sink.Status().Seq), int64(stream.last)})
		case err := <-ended:
			cancel()
			return errors.Join(err, ctx.Err())
		}
	}
	cancel()
	return <-ended
}

// newEngine supervises an embedded ClickHouse in a folder.
func (n *Node) newEngine(dir string) (*embedded.Supervisor, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this binary, to start ClickHouse: %w", err)
	}
	command := []string{self, "clickhouse"}
	if failpoint.On() {
		command = append(command, "--"+failpointsFlag)
	}
	return embedded.NewSupervisor(embedded.SupervisorConfig{
		Command: command, Lib: n.cfg.ClickHouse.Library, Roots: engineRoots(self), DataDir: dir, Log: n.log,
	})
}
