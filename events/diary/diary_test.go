package diary_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mazad/events"
	"mazad/events/diary"
	"mazad/internal/id"
)

// patient bounds a whole test; nothing waits for it to pass.
func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func open(t testing.TB, cfg diary.Config) *diary.Diary {
	t.Helper()
	if cfg.RetryDelay == 0 {
		cfg.RetryDelay = time.Millisecond
	}
	d, err := diary.Open(patient(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close(context.Background()) })
	return d
}

func closeNow(t testing.TB, d *diary.Diary) {
	t.Helper()
	if err := d.Close(patient(t)); err != nil {
		t.Fatal(err)
	}
}

// record is the n-th record of a sender.
func record(sender uint16, n uint64) *events.Record {
	return &events.Record{ID: id.MakeEvent(1, 0, sender, n), Kind: events.KindClick, Verdict: events.VerdictBilled, BilledNanos: 1,
		Token: events.TokenID{Partition: sender, Serial: n}, Features: make([]byte, 40)}
}

// content reads a whole stream: how often each record is in it. It fails when
// the records of a sender are not in the order of their numbers.
func content(t testing.TB, d *diary.Diary, stream string) map[id.Event]int {
	t.Helper()
	seen, last := map[id.Event]int{}, map[uint16]uint64{}
	err := d.Read(patient(t), stream, 0, 1<<63, func(b *diary.Batch) error {
		return b.Each(nil, func(r *events.Record) error {
			seen[r.ID]++
			if n := r.ID.Serial(); n < last[r.Token.Partition] {
				return fmt.Errorf("sender %d: %d comes after %d", r.Token.Partition, n, last[r.Token.Partition])
			} else {
				last[r.Token.Partition] = n
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func TestAcknowledgedRecordsAreThereAfterReopen(t *testing.T) {
	dir := t.TempDir()
	d := open(t, diary.Config{Dir: dir})
	for n := range uint64(50) {
		if err := d.Append(patient(t), record(1, n)); err != nil {
			t.Fatal(err)
		}
	}
	group := make([]*events.Record, 2000) // spans several batches
	for i := range group {
		group[i] = record(2, uint64(i))
	}
	ticket, err := d.Enqueue(group...)
	if err != nil {
		t.Fatal(err)
	}
	if err := ticket.Wait(patient(t)); err != nil {
		t.Fatal(err)
	}
	closeNow(t, d)
	if err := d.Append(patient(t), record(1, 99)); !errors.Is(err, diary.ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
	d = open(t, diary.Config{Dir: dir})
	if got := content(t, d, diary.Money); len(got) != 2050 {
		t.Errorf("%d of 2050 records are there", len(got))
	}
	if err := d.Append(patient(t), record(1, 100)); err != nil {
		t.Fatal(err)
	}
	if first, last, err := d.Last(patient(t), diary.Money); err != nil || first != 1 || last != d.Stats().LastSeq {
		t.Errorf("stream is %d..%d, last acknowledged %d: %v", first, last, d.Stats().LastSeq, err)
	}
}

// TestCrashImage copies the files while records are being written, as a killed
// process would leave them, and opens the copy.
func TestCrashImage(t *testing.T) {
	dir, image := t.TempDir(), t.TempDir()
	d := open(t, diary.Config{Dir: dir})
	var acked [8]atomic.Int64
	var stop atomic.Bool
	var wg sync.WaitGroup
	started := make(chan struct{}, len(acked))
	for s := range acked {
		wg.Go(func() {
			for n := uint64(0); !stop.Load(); n++ {
				if err := d.Append(patient(t), record(uint16(s), n)); err != nil {
					t.Error(err)
					return
				}
				if acked[s].Add(1) == 50 {
					started <- struct{}{}
				}
			}
		})
	}
	for range acked {
		<-started
	}
	var before [len(acked)]int64
	for s := range acked {
		before[s] = acked[s].Load()
	}
	if err := copyTree(dir, image); err != nil {
		t.Fatal(err)
	}
	stop.Store(true)
	wg.Wait()
	got := content(t, open(t, diary.Config{Dir: image}), diary.Money)
	for s := range acked {
		for n := range uint64(before[s]) {
			if c := got[record(uint16(s), n).ID]; c != 1 {
				t.Fatalf("sender %d, record %d of %d acknowledged is there %d times", s, n, before[s], c)
			}
		}
	}
}

func copyTree(from, to string) error {
	return filepath.Walk(from, func(path string, info os.FileInfo, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(from, path)
		if info.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		b, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	})
}

func TestQueueIsBounded(t *testing.T) {
	d := open(t, diary.Config{Dir: t.TempDir(), QueueRecords: 10})
	var group []*events.Record
	for n := range uint64(11) {
		group = append(group, record(1, n))
	}
	if _, err := d.Enqueue(group...); !errors.Is(err, diary.ErrOverloaded) {
		t.Errorf("11 records in a queue of 10: %v", err)
	}
	if err := d.Append(patient(t), group[0]); err != nil {
		t.Error(err)
	}
	if st := d.Stats(); st.Overloaded != 11 || st.Accepted != 1 {
		t.Errorf("stats are %+v", st)
	}
	bad := record(1, 1)
	bad.Features = make([]byte, 300)
	if _, err := d.Enqueue(bad); !errors.Is(err, events.ErrLimit) || d.Stats().Invalid != 1 {
		t.Errorf("a record over its limit: %v", err)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	d := open(t, diary.Config{Dir: t.TempDir()})
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if err := d.Append(gone, record(1, 1)); err != nil && !errors.Is(err, diary.ErrTimeout) {
		t.Errorf("got %v", err)
	}
	if err := d.Append(patient(t), record(1, 2)); err != nil {
		t.Fatal(err)
	}
	if got := content(t, d, diary.Money); len(got) != 2 {
		t.Errorf("%d records are there: the first must arrive all the same", len(got))
	}
}

func TestDirectoryHasOneProcess(t *testing.T) {
	dir := t.TempDir()
	d := open(t, diary.Config{Dir: dir})
	if _, err := diary.Open(patient(t), diary.Config{Dir: dir}); !errors.Is(err, diary.ErrLocked) {
		t.Errorf("second open: %v", err)
	}
	closeNow(t, d)
	open(t, diary.Config{Dir: dir})
}

func TestConfigNamesTheField(t *testing.T) {
	for _, c := range []struct {
		cfg  diary.Config
		want string
	}{
		{diary.Config{}, "dir and url"},
		{diary.Config{Dir: "x", URL: "nats://y"}, "dir and url"},
		{diary.Config{Dir: "x", MoneyBytes: 10}, "money_bytes is 10"},
		{diary.Config{Dir: "x", BatchBytes: 1 << 30}, "batch_bytes"},
		{diary.Config{Dir: "x", Replicas: 3}, "replicas is 3"},
		{diary.Config{Dir: "x", DecisionSlots: 3}, "decision_slots is 3"},
		{diary.Config{Dir: "x", InFlight: -1}, "in_flight is -1"},
		{diary.Config{Dir: "x", MoneyStream: "A", DecisionStream: "A"}, "money_stream is A"},
		{diary.Config{Dir: "x", MoneyStream: "A", ReplayStream: "A"}, "replay_stream is A"},
		{diary.Config{Dir: "x", ReplayBytes: 1 << 10}, "replay_bytes is 1024"},
	} {
		if _, err := diary.Open(patient(t), c.cfg); err == nil || !contains(err.Error(), c.want) {
			t.Errorf("%q: got %v", c.want, err)
		}
	}
}

func contains(s, part string) bool {
	for i := 0; i+len(part) <= len(s); i++ {
		if s[i:i+len(part)] == part {
			return true
		}
	}
	return false
}

func TestDecisionsSurviveACleanClose(t *testing.T) {
	dir := t.TempDir()
	d := open(t, diary.Config{Dir: dir, Keys: oneKey{}})
	for n := range uint64(3000) {
		r := record(1, n)
		r.Kind, r.Verdict, r.BilledNanos = events.KindDecision, events.VerdictNone, 0
		r.Personal = events.Personal{State: events.PrivacyOpen, Ord: 1, City: 7}
		if !d.Offer(r) {
			t.Fatal("dropped")
		}
	}
	closeNow(t, d)
	if st := d.Stats(); st.Offered != 3000 || st.Decisions != 3000 || st.DecisionsDropped+st.DecisionsLost != 0 {
		t.Errorf("stats are %+v", st)
	}
	if d.Offer(record(1, 1)) {
		t.Error("a closed diary took a decision")
	}
	d = open(t, diary.Config{Dir: dir})
	n, cities := 0, uint32(0)
	err := d.Read(patient(t), diary.Decisions, 0, 1<<63, func(b *diary.Batch) error {
		return b.Each(oneKey{}, func(r *events.Record) error { n++; cities += r.Personal.City; return nil })
	})
	if err != nil || n != 3000 || cities != 3000*7 {
		t.Errorf("%d decisions, cities %d: %v", n, cities, err)
	}
}

type oneKey struct{}

func (oneKey) Key(ord uint32) ([32]byte, bool) { return [32]byte{5}, ord == 1 }

func TestSeqAtFindsTheTail(t *testing.T) {
	d := open(t, diary.Config{Dir: t.TempDir()})
	at := func(when time.Time, want uint64) {
		t.Helper()
		if got, err := d.SeqAt(patient(t), diary.Money, when); err != nil || got != want {
			t.Errorf("got %d, %v; want %d", got, err, want)
		}
	}
	at(time.Unix(0, 0), 1)
	for n := range uint64(9) {
		if err := d.Append(patient(t), record(1, n)); err != nil {
			t.Fatal(err)
		}
	}
	var stored []time.Time
	err := d.Read(patient(t), diary.Money, 0, 1<<63, func(b *diary.Batch) error { stored = append(stored, b.Stored); return nil })
	if err != nil || len(stored) != 9 {
		t.Fatal(stored, err)
	}
	at(time.Unix(0, 0), 1)
	for i, when := range stored {
		at(when, uint64(i+1))
	}
	at(stored[8].Add(1), 10)
}
