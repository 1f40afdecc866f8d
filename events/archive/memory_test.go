package archive_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mazad/events"
	"mazad/events/archive"
	"mazad/events/diary"
	"mazad/internal/clock"
	"mazad/internal/id"
	"mazad/internal/money"
)

// began is when the tests' diaries begin.
var began = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// memory is a stream as the diary keeps it, without a disk.
type memory struct {
	mu      sync.Mutex
	first   uint64
	batches []stored // of first, first+1, ...
	taken   map[uint64]time.Time
	lost    map[uint64]bool
	grew    chan struct{}
}

type stored struct {
	at   time.Time
	data []byte
}

func newMemory() *memory {
	return &memory{first: 1, grew: make(chan struct{}), lost: map[uint64]bool{}, taken: map[uint64]time.Time{}}
}

// put appends a batch that was taken at a time.
func (m *memory) put(at time.Time, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.batches = append(m.batches, stored{at, data})
	m.taken[m.first+uint64(len(m.batches))-1] = at
	close(m.grew)
	m.grew = make(chan struct{})
}

func (m *memory) lose(seqs ...uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, seq := range seqs {
		m.lost[seq] = true
	}
}

func (m *memory) get(seq uint64) (b *diary.Batch, grew chan struct{}, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case seq < m.first:
		return nil, nil, &diary.GapError{Stream: diary.Money, Want: seq, Next: m.first}
	case m.lost[seq]:
		next := seq
		for m.lost[next] {
			next++
		}
		return nil, nil, &diary.GapError{Stream: diary.Money, Want: seq, Next: next}
	case seq >= m.first+uint64(len(m.batches)):
		return nil, m.grew, nil
	}
	s := m.batches[seq-m.first]
	opened, err := events.OpenBatch(s.data)
	return &diary.Batch{Stream: diary.Money, Seq: seq, Stored: s.at, Batch: opened}, nil, err
}

func (m *memory) Consume(ctx context.Context, _ string, from uint64, fn func(*diary.Batch) error) error {
	if from == 0 {
		from, _, _ = m.Last(ctx, "")
	}
	for seq := from; ; {
		b, grew, err := m.get(seq)
		if err != nil {
			return err
		}
		if b == nil {
			select {
			case <-grew:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := fn(b); err != nil {
			return err
		}
		seq++
	}
}

var enough = errors.New("enough")

func (m *memory) Read(ctx context.Context, stream string, from, to uint64, fn func(*diary.Batch) error) error {
	first, last, _ := m.Last(ctx, stream)
	if to = min(to, last); max(from, first) > to {
		return nil
	}
	err := m.Consume(ctx, stream, from, func(b *diary.Batch) error {
		if err := fn(b); err != nil || b.Seq < to {
			return err
		}
		return enough
	})
	if errors.Is(err, enough) {
		return nil
	}
	return err
}

func (m *memory) Last(context.Context, string) (first, last uint64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.first, m.first + uint64(len(m.batches)) - 1, nil
}

func (m *memory) Purge(_ context.Context, _ string, keep uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.batches, m.first = m.batches[keep-m.first:], keep
	return nil
}

// batchOf is batch n of a diary: some billed records, all different.
func batchOf(t testing.TB, n uint64, records int) []byte {
	t.Helper()
	rng := rand.New(rand.NewPCG(n, 1))
	var w events.BatchWriter
	var enc events.Encoder
	for i := range uint64(records) {
		b, err := enc.Append(nil, &events.Record{
			ID: id.MakeEvent(int64(n), 0, 1, n*1000+i), Kind: events.KindImpression, Verdict: events.VerdictBilled, BilledNanos: money.Nanos(1 + rng.Int64N(1e9)),
			Token: events.TokenID{Partition: 1, Generation: 1, Serial: n*1000 + i}, Currency: [3]byte{'U', 'S', 'D'}, Day: 20260301,
			Advertiser: id.Advertiser(1 + rng.IntN(5)), Campaign: 7, AdGroup: id.AdGroup(10 + rng.IntN(50)), AuctionMS: began.UnixMilli() + int64(n),
			Features: []byte(fmt.Sprint(rng.Uint64())),
		})
		if err != nil {
			t.Fatal(err)
		}
		w.Add(b)
	}
	return w.Finish(1, n, began.UnixMilli()+int64(n))
}

// bench is an archive beside a stream, with a worker whose time stands still.
type bench struct {
	t      testing.TB
	dir    string
	stream *memory
	clock  *clock.Fake
	a      *archive.Archive
	w      *archive.Worker
	seq    *archive.Sequence
	ticks  chan time.Time
	stop   func()

	passed map[string]uint64 // positions of consumers
	cfg    archive.WorkerConfig
}

func newBench(t testing.TB, stream *memory) *bench {
	t.Helper()
	b := &bench{t: t, dir: filepath.Join(t.TempDir(), diary.Money), stream: stream, clock: clock.NewFake(began), passed: map[string]uint64{}}
	b.open(nil)
	return b
}

// open begins a life of the worker, on a store of the test's own or the
// directory.
func (b *bench) open(store archive.Store) {
	b.t.Helper()
	var err error
	if store == nil {
		if store, err = archive.OpenDir(b.dir); err != nil {
			b.t.Fatal(err)
		}
	}
	if b.a, err = archive.Open(b.t.Context(), store, diary.Money); err != nil {
		b.t.Fatal(err)
	}
	b.ticks = make(chan time.Time)
	cfg := b.cfg
	cfg.Archive, cfg.Source, cfg.Clock = b.a, b.stream, b.clock
	cfg.After = func(time.Duration) <-chan time.Time { return b.ticks }
	if testing.Verbose() {
		cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	for name := range b.passed {
		cfg.Consumers = append(cfg.Consumers, archive.Consumer{Name: name, Position: func(context.Context) (uint64, error) { return b.passed[name], nil }})
	}
	if b.w, err = archive.NewWorker(cfg); err != nil {
		b.t.Fatal(err)
	}
	b.seq = archive.NewSequence(b.a, b.stream)
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan struct{})
	go func() { b.w.Run(ctx); close(done) }()
	b.stop = func() { cancel(); <-done }
	b.t.Cleanup(b.stop)
}

// fill appends n batches a minute apart and waits until the worker has them.
func (b *bench) fill(n int) {
	b.t.Helper()
	_, last, _ := b.stream.Last(b.t.Context(), "")
	for i := range uint64(n) {
		b.clock.Advance(time.Minute)
		b.stream.put(b.clock.Now(), batchOf(b.t, last+1+i, 3))
	}
	b.seen(last + uint64(n))
}

func (b *bench) seen(seq uint64) {
	b.t.Helper()
	until(b.t, fmt.Sprintf("the worker at %d", seq), func() bool { return b.w.Stats().Seen >= seq })
}

// seal fills and seals files of n batches.
func (b *bench) seal(files ...int) {
	b.t.Helper()
	for _, n := range files {
		b.fill(n)
		if err := b.w.Seal(b.t.Context()); err != nil {
			b.t.Fatal(err)
		}
	}
}

func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s did not happen", what)
		}
	}
}

// wantAll reads the sequence from end to end: batches from..to as they were written.
func (b *bench) wantAll(from, to uint64) {
	b.t.Helper()
	want := from
	err := b.seq.Read(b.t.Context(), diary.Money, 0, 1<<63, func(got *diary.Batch) error {
		if got.Seq != want || got.Stream != diary.Money || string(got.Bytes()) != string(batchOf(b.t, want, 3)) {
			return fmt.Errorf("batch %d where %d is expected, or other bytes", got.Seq, want)
		}
		if at := b.stream.taken[want]; !got.Stored.Equal(at) {
			return fmt.Errorf("batch %d was taken at %s, want %s", want, got.Stored, at)
		}
		want++
		return nil
	})
	if err != nil || want != to+1 {
		b.t.Fatalf("read %d to %d, want to %d: %v", from, want-1, to, err)
	}
}

// check reads everything and returns what is damaged.
func (b *bench) check() *archive.Report {
	b.t.Helper()
	r, err := b.seq.Check(b.t.Context(), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *bench) file(name string) string { return filepath.Join(b.dir, name) }

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func writeFile(t testing.TB, path string, raw []byte) {
	t.Helper()
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}
