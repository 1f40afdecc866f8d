package diary

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mazad/events"
	"mazad/internal/id"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

func testOpen(t testing.TB, cfg Config) *Diary {
	t.Helper()
	cfg.RetryDelay = time.Millisecond
	d, err := Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		d.Close(ctx)
	})
	return d
}

func testRecord(n uint64) *events.Record {
	return &events.Record{ID: id.MakeEvent(1, 0, 0, n+1), Kind: events.KindView, Features: make([]byte, 200)}
}

// serials reads the money stream, which must hold each record once.
func serials(t testing.TB, d *Diary) map[uint64]bool {
	t.Helper()
	got := map[uint64]bool{}
	err := d.Read(context.Background(), d.MoneyStream(), 0, 1<<63, func(b *Batch) error {
		return b.Each(nil, func(r *events.Record) error {
			n := r.ID.Serial() - 1
			if got[n] {
				t.Errorf("record %d is there twice", n)
			}
			got[n] = true
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestServerDiesUnderLoad: whatever dies below, every record that was accepted
// arrives once, and a consumer sees them all in order.
func TestServerDiesUnderLoad(t *testing.T) {
	d := testOpen(t, Config{Dir: t.TempDir()})
	const each, senders = 300, 4
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var sent atomic.Int64
	var wg sync.WaitGroup
	for s := range uint64(senders) {
		wg.Go(func() {
			for n := range uint64(each) {
				r := testRecord(s*each + n)
				err := d.Append(ctx, r)
				for ; errors.Is(err, ErrUnavailable) && ctx.Err() == nil; err = d.Append(ctx, r) {
					runtime.Gosched()
				}
				if err != nil {
					t.Error(err)
					return
				}
				if c := sent.Add(1); c%300 == 0 && c < each*senders { // the last one would have nobody wait for its recovery
					d.link.Load().server.Shutdown()
				}
			}
		})
	}
	seen, last := 0, uint64(0)
	err := d.Consume(ctx, Money, 1, func(b *Batch) error {
		if b.Seq != last+1 {
			t.Errorf("batch %d follows %d", b.Seq, last)
		}
		last = b.Seq
		if seen += b.Count; seen >= each*senders {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	wg.Wait()
	if got := serials(t, d); len(got) != each*senders {
		t.Errorf("%d of %d records are there", len(got), each*senders)
	}
	if st := d.Stats(); st.Recoveries == 0 || st.Restarts == 0 || st.Lost != 0 || st.Stopped != nil {
		t.Errorf("stats are %+v", st)
	}
}

// TestFullStreamRefusesAndResumes: at the byte budget new records are refused,
// old ones stay, what was lost is told, and room is noticed.
func TestFullStreamRefusesAndResumes(t *testing.T) {
	lost := map[uint64]bool{}
	var mu sync.Mutex
	d := testOpen(t, Config{Dir: t.TempDir(), MoneyBytes: 128 << 10, BatchBytes: 16 << 10, OnLost: func(r *events.Record) {
		mu.Lock()
		defer mu.Unlock()
		lost[r.ID.Serial()-1] = true
	}})
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	acked := map[uint64]bool{}
	var err error
	n := uint64(0)
	for ; n < 2000; n++ {
		if err = d.Append(ctx, testRecord(n)); err != nil {
			break
		}
		acked[n] = true
	}
	if !errors.Is(err, ErrFull) || len(acked) < 100 {
		t.Fatalf("after %d records: %v", n, err)
	}
	st := d.Stats()
	if d.Accepting() {
		t.Error("a full diary says that it accepts")
	}
	if !st.Alarm || st.Fulls != 1 || st.Lost != 1 {
		t.Errorf("stats are %+v", st)
	}
	mu.Lock()
	if len(lost) != 1 || !lost[n] {
		t.Errorf("lost were %v, want %d", lost, n)
	}
	mu.Unlock()
	got := serials(t, d)
	for n := range acked {
		if !got[n] {
			t.Errorf("acknowledged record %d is gone", n)
		}
	}
	s, err := d.link.Load().js.Stream(ctx, Money)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(ctx, jetstream.WithPurgeKeep(3)); err != nil {
		t.Fatal(err)
	}
	for err = d.Append(ctx, testRecord(9999)); errors.Is(err, ErrFull) && ctx.Err() == nil; err = d.Append(ctx, testRecord(9999)) {
		runtime.Gosched()
	}
	if err != nil || d.Stats().Alarm || !d.Accepting() {
		t.Errorf("after there was room: %v, %+v", err, d.Stats())
	}
	var gap *GapError
	if err := d.Consume(ctx, Money, 1, func(*Batch) error { return nil }); !errors.As(err, &gap) || gap.Want != 1 || gap.Next < 2 {
		t.Errorf("a consumer behind the stream got %v", err)
	}
}

// external starts a NATS server on loopback, as an operator would run one.
func external(t testing.TB) string {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, NoSigs: true, NoLog: true,
		StoreDir: filepath.Join(t.TempDir(), "nats")})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server did not start")
	}
	return s.ClientURL()
}

// TestSecondWriterFencesTheFirst: over an external server two processes may open
// one stream by mistake; the older one must stop, not interleave.
func TestSecondWriterFencesTheFirst(t *testing.T) {
	url := external(t)
	var lost atomic.Int64
	old := testOpen(t, Config{URL: url, OnLost: func(*events.Record) { lost.Add(1) }})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := old.Append(ctx, testRecord(0)); err != nil {
		t.Fatal(err)
	}
	fresh := testOpen(t, Config{URL: url})
	if err := old.Append(ctx, testRecord(5)); err != nil { // a last word, after the new one has looked
		t.Fatal(err)
	}
	if err := fresh.Append(ctx, testRecord(1)); err != nil {
		t.Fatal(err)
	}
	if err := old.Append(ctx, testRecord(2)); !errors.Is(err, ErrFenced) {
		t.Errorf("the first writer got %v", err)
	}
	if err := old.Append(ctx, testRecord(3)); !errors.Is(err, ErrFenced) {
		t.Errorf("... and then %v", err)
	}
	if err := fresh.Append(ctx, testRecord(4)); err != nil {
		t.Error(err)
	}
	if got := serials(t, fresh); len(got) != 4 || got[2] || lost.Load() != 1 {
		t.Errorf("the stream holds %v, %d lost", got, lost.Load())
	}
}

// TestLostAnswerDoublesNothing: the batch is stored but the writer never hears
// of it; the end of the stream tells.
func TestLostAnswerDoublesNothing(t *testing.T) {
	d := testOpen(t, Config{Dir: t.TempDir()})
	close(d.quit) // stop the writer: this test plays it
	<-d.writerDone
	d.quit = make(chan struct{})
	ctx := context.Background()
	w := &writer{d: d}
	if err := w.readEnd(ctx); err != nil {
		t.Fatal(err)
	}
	var tickets []Ticket
	for n := range uint64(3) {
		ticket, err := d.Enqueue(testRecord(n))
		if err != nil {
			t.Fatal(err)
		}
		tickets = append(tickets, ticket)
		b, _ := d.queue.take(d.cfg.Clock.Now(), true)
		if n < 2 {
			if err := w.send(b); err != nil {
				t.Fatal(err)
			}
			<-w.inFlight[n].future.Ok() // stored; the answer goes nowhere
		} else {
			w.backlog = append(w.backlog, b) // never sent
		}
	}
	if !w.recover(jetstream.ErrAsyncPublishTimeout) {
		t.Fatal("did not recover")
	}
	for _, ticket := range tickets[:2] {
		if err := ticket.Wait(ctx); err != nil {
			t.Error(err)
		}
	}
	if len(w.backlog) != 1 || w.next != 3 || w.acked != 2 {
		t.Errorf("backlog %d, next %d, acked %d", len(w.backlog), w.next, w.acked)
	}
	d.writerDone = make(chan struct{})
	go w.run()
	if err := tickets[2].Wait(ctx); err != nil {
		t.Error(err)
	}
	if got := serials(t, d); len(got) != 3 {
		t.Errorf("the stream holds %v", got)
	}
}
