package diary

import (
	"sync"
	"testing"
	"time"

	"mazad/events"
	"mazad/internal/id"
)

func TestQueueClosesBatchesBySizeAndAge(t *testing.T) {
	cfg, err := Config{Dir: "x", BatchBytes: events.BatchOverhead + 100, BatchDelay: 2 * time.Millisecond}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	q, now := newQueue(&cfg), time.Unix(100, 0)
	add := func(n int) {
		t.Helper()
		if _, err := q.add(make([]byte, n), []int{n}, now); err != nil {
			t.Fatal(err)
		}
	}
	take := func(idle bool, records int, wait time.Duration) {
		t.Helper()
		b, w := q.take(now, idle)
		if got := 0; b != nil {
			got = b.records
			if got != records {
				t.Errorf("a batch of %d records, want %d", got, records)
			}
		} else if records != 0 || w != wait {
			t.Errorf("nothing for %s, want %d records or %s", w, records, wait)
		}
	}
	take(true, 0, 0)
	add(10)
	take(false, 0, 2*time.Millisecond)
	now = now.Add(time.Millisecond)
	add(10)
	take(false, 0, time.Millisecond)
	now = now.Add(time.Millisecond)
	take(false, 2, 0) // the first record is 2 ms old
	add(10)
	take(true, 1, 0) // nothing under way: at once
	add(60)
	add(60)
	take(false, 1, 0) // full
	take(false, 0, 2*time.Millisecond)
	now = now.Add(-time.Hour)
	take(false, 1, 0) // the clock jumped back
}

// TestAHalfFullQueueSaysSo: records still come in, until it is full.
func TestAHalfFullQueueSaysSo(t *testing.T) {
	for _, cfg := range []Config{{Dir: "x", QueueRecords: 8}, {Dir: "x", QueueBytes: 8 * events.MaxRecord}} {
		cfg, err := cfg.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		q, size := newQueue(&cfg), 10
		if cfg.QueueBytes == 8*events.MaxRecord {
			size = events.MaxRecord
		}
		d := &Diary{queue: q}
		var sent []*batch
		for i := range 8 {
			if got, want := d.Accepting(), i <= 4; got != want {
				t.Errorf("with %d of 8: accepting %v", i, got)
			}
			if _, err := q.add(make([]byte, size), []int{size}, time.Unix(100, 0)); err != nil {
				t.Fatal(err)
			}
			b, _ := q.take(time.Unix(100, 0), true)
			sent = append(sent, b)
		}
		if _, err := q.add(make([]byte, size), []int{size}, time.Unix(100, 0)); err != ErrOverloaded {
			t.Errorf("the ninth: %v", err)
		}
		for i, b := range sent {
			q.resolve(b, nil, 0)
			if got, want := d.Accepting(), i >= 3; got != want {
				t.Errorf("with %d of 8 again: accepting %v", 7-i, got)
			}
		}
	}
}

func TestRingKeepsOrderAndBounds(t *testing.T) {
	r, enc := newRing(4, 1<<20), &events.Encoder{}
	rec := &events.Record{Kind: events.KindDecision}
	put := func(n uint64) offer {
		rec.ID = id.Event{Lo: n}
		return r.offer(rec, enc)
	}
	for lap := range uint64(3) {
		for n := range uint64(4) {
			if put(lap*10+n+1) != offerTaken {
				t.Fatal("refused with room")
			}
		}
		if put(99) != offerNoRoom {
			t.Fatal("took a fifth of four")
		}
		for n := range uint64(4) {
			var got events.Record
			if !r.poll(func(b []byte) { events.Decode(b, &got, nil) }) || got.ID.Lo != lap*10+n+1 {
				t.Fatalf("lap %d: got %d, want %d", lap, got.ID.Lo, lap*10+n+1)
			}
		}
		if r.poll(func([]byte) {}) || r.bytes.Load() != 0 {
			t.Fatalf("an empty ring has something, %d bytes", r.bytes.Load())
		}
	}
	rec.Features = make([]byte, 300)
	if put(1) != offerInvalid || !r.poll(func([]byte) { t.Error("an invalid record came out") }) {
		t.Error("an invalid record")
	}
	rec.Features = nil
	r.limit = 300
	if put(1) != offerTaken || put(2) != offerTaken || put(3) != offerNoRoom {
		t.Error("the byte budget does not hold")
	}
	r.close()
	if put(4) != offerNoRoom {
		t.Error("a closed ring took a record")
	}
}

func TestRingUnderManyProducers(t *testing.T) {
	r, enc := newRing(64, 1<<20), &events.Encoder{}
	const producers, each = 4, 3000
	var wg sync.WaitGroup
	for p := range uint64(producers) {
		wg.Go(func() {
			rec := &events.Record{Kind: events.KindDecision}
			for n := range uint64(each) {
				rec.ID = id.Event{Hi: p, Lo: n + 1}
				for r.offer(rec, enc) != offerTaken {
				}
			}
		})
	}
	var last [producers]uint64
	for got := 0; got < producers*each; {
		var rec events.Record
		r.poll(func(b []byte) {
			if _, err := events.Decode(b, &rec, nil); err != nil {
				t.Fatal(err)
			}
			if rec.ID.Lo != last[rec.ID.Hi]+1 {
				t.Fatalf("producer %d: %d follows %d", rec.ID.Hi, rec.ID.Lo, last[rec.ID.Hi])
			}
			last[rec.ID.Hi]++
			got++
		})
	}
	wg.Wait()
}
