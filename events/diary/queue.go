package diary

import (
	"sync"
	"sync/atomic"
	"time"

	"mazad/events"
)

// batch is a message on its way. Everything but done and err belongs to the
// queue while the batch is in it, then to the writer goroutine.
type batch struct {
	w       events.BatchWriter
	bornAt  time.Time // when its first record came
	number  uint64    // among the batches of this life, from 1; 0 until sent
	data    []byte    // encoded, once sent
	done    chan struct{}
	err     error // valid once done is closed
	records int
	bytes   int
}

// queue collects records into batches. It decides, the writer acts; times are
// passed in.
type queue struct {
	mu      sync.Mutex
	open    *batch   // collecting; nil when empty
	ready   []*batch // closed because they were full, oldest first
	free    []events.BatchWriter
	records int         // accepted and not yet resolved
	bytes   int         // the same
	stop    error       // why nothing is accepted now
	shut    atomic.Bool // stop is set; read without the lock
	crowded atomic.Bool // more than half full; the same
	wake    chan struct{}

	batchBytes, maxBytes, maxRecords int
	delay                            time.Duration
}

func newQueue(cfg *Config) *queue {
	return &queue{wake: make(chan struct{}, 1), batchBytes: cfg.BatchBytes, maxBytes: cfg.QueueBytes,
		maxRecords: cfg.QueueRecords, delay: cfg.BatchDelay}
}

// add accepts n encoded records, laid end to end with the given ends, all or
// none, and returns the batch of the last one.
func (q *queue) add(encoded []byte, ends []int, now time.Time) (*batch, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stop != nil {
		return nil, q.stop
	}
	if q.bytes+len(encoded) > q.maxBytes || q.records+len(ends) > q.maxRecords {
		return nil, ErrOverloaded
	}
	q.bytes += len(encoded)
	q.records += len(ends)
	q.weigh()
	signal, start := q.open == nil, 0
	for _, end := range ends {
		record := encoded[start:end]
		start = end
		if q.open != nil && q.open.w.Size()+len(record) > q.batchBytes {
			q.ready = append(q.ready, q.open)
			q.open, signal = nil, true
		}
		if q.open == nil {
			q.open = q.fresh(now)
		}
		q.open.w.Add(record)
		q.open.records++
		q.open.bytes += len(record)
	}
	if signal {
		q.signal()
	}
	return q.open, nil
}

// weigh notes whether the queue is more than half full. The caller holds the lock.
func (q *queue) weigh() {
	if crowded := q.records > q.maxRecords/2 || q.bytes > q.maxBytes/2; crowded != q.crowded.Load() {
		q.crowded.Store(crowded)
	}
}

func (q *queue) fresh(now time.Time) *batch {
	b := &batch{bornAt: now, done: make(chan struct{})}
	if n := len(q.free); n > 0 {
		b.w, q.free = q.free[n-1], q.free[:n-1]
	}
	return b
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take returns the next batch to send, or how long until one is due (0 = when
// signalled). idle means that nothing is under way, so waiting gains nothing.
func (q *queue) take(now time.Time, idle bool) (b *batch, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.ready) > 0 {
		b = q.ready[0]
		q.ready = q.ready[1:]
		return b, 0
	}
	if q.open == nil {
		return nil, 0
	}
	if age := now.Sub(q.open.bornAt); !idle && age >= 0 && age < q.delay { // a clock that jumped back: due
		return nil, q.delay - age
	}
	b, q.open = q.open, nil
	return b, 0
}

// resolve ends a batch: err nil means on disk.
func (q *queue) resolve(b *batch, err error, keep int) {
	b.err = err
	q.mu.Lock()
	q.bytes -= b.bytes
	q.records -= b.records
	q.weigh()
	if len(q.free) < keep {
		b.w.Reset()
		q.free = append(q.free, b.w)
	}
	b.w, b.data = events.BatchWriter{}, nil
	q.mu.Unlock()
	close(b.done)
}

// halt refuses new records with err (nil = accept again).
func (q *queue) halt(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stop == ErrClosed {
		return
	}
	q.stop = err
	q.shut.Store(err != nil)
}

// stopped is why nothing is accepted now.
func (q *queue) stopped() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.stop
}

// drain takes everything out, oldest first.
func (q *queue) drain() []*batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.ready
	if q.open != nil {
		all = append(all, q.open)
	}
	q.ready, q.open = nil, nil
	return all
}

func (q *queue) load() (records, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.records, q.bytes
}
