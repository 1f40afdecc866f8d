package reporting_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mazad/events"
	"mazad/internal/clock"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/reporting"
	"mazad/reporting/embedded"
	"mazad/reporting/embedded/embeddedtest"
	"mazad/targeting"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

// tape is a diary in memory.
type tape struct {
	mu      sync.Mutex
	batches [][]events.Record
	timesMS []int64
	grown   chan struct{}
}

func newTape() *tape { return &tape{grown: make(chan struct{})} }

func (t *tape) append(at time.Time, records ...events.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.batches, t.timesMS = append(t.batches, records), append(t.timesMS, at.UnixMilli())
	close(t.grown)
	t.grown = make(chan struct{})
}

func (t *tape) batch(seq uint64) (b reporting.Batch, ok bool, grown chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if seq > uint64(len(t.batches)) {
		return b, false, t.grown
	}
	list := t.batches[seq-1]
	return reporting.Batch{Seq: seq, TimeMS: t.timesMS[seq-1], Each: func(fn func(*events.Record) error) error {
		for i := range list {
			if err := fn(&list[i]); err != nil {
				return err
			}
		}
		return nil
	}}, true, nil
}

func (t *tape) Consume(ctx context.Context, from uint64, fn func(reporting.Batch) error) error {
	for seq := from; ; {
		b, ok, grown := t.batch(seq)
		if !ok {
			select {
			case <-grown:
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

func (t *tape) Read(_ context.Context, from, to uint64, fn func(reporting.Batch) error) error {
	for seq := from; seq <= to; seq++ {
		b, ok, _ := t.batch(seq)
		if !ok {
			return nil
		}
		if err := fn(b); err != nil {
			return err
		}
	}
	return nil
}

func (t *tape) Last(context.Context) (uint64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return uint64(len(t.batches)), nil
}

// fold is the independent oracle's view of the tape.
func (t *tape) fold(each func(*events.Record)) *events.Fold {
	var f events.Fold
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, b := range t.batches {
		for i := range b {
			if f.Add(&b[i]) && each != nil {
				each(&b[i])
			}
		}
	}
	return &f
}

// story makes records with a seed: few objects, several currencies and days, a
// tenth of them repeated, refused or free.
type story struct {
	rnd    *rand.Rand
	serial uint64
	past   []events.Record
	now    time.Time     // of the next batch; its auctions were in the 20 hours before
	step   time.Duration // between batches
}

func newStory(seed uint64, now time.Time, step time.Duration) *story {
	return &story{rnd: rand.New(rand.NewPCG(seed, 1)), now: now, step: step}
}

func (s *story) next() events.Record {
	if n := len(s.past); n > 0 && s.rnd.IntN(20) == 0 {
		return s.past[max(0, n-200)+s.rnd.IntN(min(n, 200))] // the same record twice on disk
	}
	s.serial++
	at := s.now.Add(-time.Duration(s.rnd.Int64N(int64(20 * time.Hour)))).Truncate(time.Millisecond)
	adv := 1 + s.rnd.IntN(4)
	r := events.Record{
		ID: id.MakeEvent(at.UnixMilli(), 0, 1, s.serial), AuctionID: id.MakeEvent(at.UnixMilli(), 0, 1, 1<<40+s.serial),
		Token: events.TokenID{Partition: 1, Generation: 1 + uint32(s.rnd.IntN(2)), Serial: s.serial},
		Kind:  events.Kind(1 + s.rnd.IntN(5)), TimeMS: at.Add(time.Duration(s.rnd.IntN(600)) * time.Second).UnixMilli(), AuctionMS: at.UnixMilli(),
		Verdict: events.VerdictFree, Reason: events.ReasonNotBillable,
		Advertiser: id.Advertiser(adv), Campaign: id.Campaign(adv*10 + s.rnd.IntN(2)), Country: [2]byte([]byte([]string{"DE", "US", "EG", "\x00\x00"}[s.rnd.IntN(4)])),
		Age: uint8(s.rnd.IntN(int(targeting.Age55_100) + 1)), Gender: uint8(s.rnd.IntN(3)), OS: uint8(s.rnd.IntN(4)), Placement: uint8(1 + s.rnd.IntN(5)),
		Currency: [3]byte([]byte([]string{"USD", "EUR", "JPY", "VND"}[adv-1])), Slot: uint8(s.rnd.IntN(10)),
	}
	r.AdGroup = id.AdGroup(int64(r.Campaign)*10 + int64(s.rnd.IntN(2)))
	r.Ad = id.Ad(int64(r.AdGroup)*10 + int64(s.rnd.IntN(3)))
	switch s.rnd.IntN(10) {
	case 0:
		r.Verdict, r.Reason = events.VerdictRefused, []events.Reason{events.ReasonRepeat, events.ReasonExpired, events.ReasonLate}[s.rnd.IntN(3)]
	case 7:
		r.Reason = []events.Reason{events.ReasonOverLimit, events.ReasonPreviousLife, events.ReasonAdopted, events.ReasonTest}[s.rnd.IntN(4)]
	case 1, 2, 3, 4, 5, 6:
		r.Verdict, r.Reason = events.VerdictBilled, events.ReasonNone
		r.BilledNanos = money.Nanos(s.rnd.Int64N(5_000_000_000))
		if s.rnd.IntN(50) == 0 {
			r.BilledNanos = money.Nanos(1<<62 + s.rnd.Int64N(1<<61)) // sums pass 64 bits
		}
	}
	if s.rnd.IntN(3) > 0 {
		r.Personal = events.Personal{State: events.PrivacyOpen, Ord: uint32(s.rnd.IntN(300))}
		r.Universe = 1
	}
	if r.Kind == events.KindConversion {
		r.Token, r.Verdict, r.BilledNanos = events.TokenID{}, events.VerdictFree, 0
		r.Conversion = events.Conversion{Name: []byte("purchase"), EventID: fmt.Appendf(nil, "order-%d", s.serial), ValueNanos: money.Nanos(s.rnd.Int64N(1e12)), Currency: r.Currency}
		if s.rnd.IntN(4) == 0 {
			r.Conversion.Currency = [3]byte([]byte("CHF"))
		}
	}
	s.past = append(s.past, r)
	return r
}

// fill appends n batches of up to size records.
func (s *story) fill(t *tape, n, size int) {
	for range n {
		var list []events.Record
		for range s.rnd.IntN(size + 1) {
			list = append(list, s.next())
		}
		t.append(s.now, list...)
		s.now = s.now.Add(s.step)
	}
}

// house is a sink on a real engine.
type house struct {
	t      testing.TB
	engine *embedded.Supervisor
	client *reporting.Client
	tape   *tape
	dir    string
	clock  *clock.Fake
}

func newHouse(t testing.TB) *house {
	t.Helper()
	dir := t.TempDir()
	engine, _ := embeddedtest.Start(t, filepath.Join(dir, "clickhouse"))
	client, err := reporting.NewClient(reporting.ClientConfig{Locate: engine.Endpoint})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return &house{t: t, engine: engine, client: client, tape: newTape(), dir: dir,
		clock: clock.NewFake(time.Date(2027, 1, 22, 12, 0, 0, 0, time.UTC))}
}

// run starts a sink; stop ends it and waits. The fake clock moves a second at
// every beat, so batches do not wait for real time.
func (h *house) run(change func(*reporting.SinkConfig)) (s *reporting.Sink, stop func() error) {
	h.t.Helper()
	j, err := reporting.OpenJournal(filepath.Join(h.dir, "sink.journal"))
	if err != nil {
		h.t.Fatal(err)
	}
	cfg := reporting.SinkConfig{Client: h.client, Source: h.tape, Intents: j, Clock: h.clock,
		After: func(time.Duration) <-chan time.Time {
			h.clock.Advance(time.Second)
			return time.After(5 * time.Millisecond)
		}}
	if change != nil {
		change(&cfg)
	}
	if s, err = reporting.NewSink(cfg); err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return s, sync.OnceValue(func() error {
		cancel()
		return cmpOr(<-done, j.Close())
	})
}

func cmpOr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// drained waits until the sink has everything that is on the tape.
func (h *house) drained(s *reporting.Sink) {
	h.t.Helper()
	before := h.clock.Now()
	for deadline := time.Now().Add(40 * time.Second); ; {
		if st := s.Status(); st.State == reporting.SinkRunning && st.Through.After(before) {
			return
		} else if time.Now().After(deadline) {
			h.t.Fatalf("the sink does not get there: %+v", st)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func (h *house) verify(ledger reporting.LedgerTotals) *reporting.Verification {
	h.t.Helper()
	v, err := reporting.Verify(h.t.Context(), reporting.VerifyConfig{Client: h.client, Source: h.tape, Ledger: ledger})
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}
