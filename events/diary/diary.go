package diary

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"mazad/events"
)

// Errors of Append and Wait. Test with errors.Is.
var (
	ErrOverloaded  = errors.New("the diary's queue is full")
	ErrFull        = errors.New("the diary's disk budget is used up")
	ErrUnavailable = errors.New("the diary cannot write")
	ErrDiskFull    = errors.New("its disk is full") // with ErrUnavailable
	ErrTimeout     = errors.New("not on disk in time; the record is still on its way")
	ErrClosed      = errors.New("the diary is closed")
	ErrFenced      = errors.New("another writer took over the stream")
	ErrLocked      = errors.New("locked")
)

// Default stream names.
const (
	Money     = "MONEY"
	Decisions = "DECISIONS"
	Replays   = "REPLAYS"
)

// Diary is an open log.
type Diary struct {
	cfg   Config
	enc   events.Encoder
	lock  *os.File // nil when external
	stats counters

	writer  uint64               // names this life in its batches, above all earlier ones; set by Open
	link    atomic.Pointer[link] // replaced by the writer goroutine when it recovers
	trouble chan struct{}        // the embedded server reported an error

	queue     *queue
	scratch   sync.Pool // *encodeBuffer
	decisions *sideStream
	replays   *sideStream

	quit       chan struct{} // closed by Close: send what is queued, then stop
	abandon    chan struct{} // closed when Close's context ends: stop now
	writerDone chan struct{}
	closeOnce  sync.Once
	closeErr   error
}

type encodeBuffer struct {
	b    []byte
	ends []int
}

// Open starts (or connects to) the server, creates the streams where they are
// missing and begins to write. ctx bounds the opening only.
func Open(ctx context.Context, cfg Config) (*Diary, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	d := &Diary{
		cfg: cfg, enc: events.Encoder{Keys: cfg.Keys}, trouble: make(chan struct{}, 1), queue: newQueue(&cfg),
		quit: make(chan struct{}), abandon: make(chan struct{}), writerDone: make(chan struct{}),
	}
	d.decisions = newSideStream(d, cfg.DecisionStream, cfg.DecisionSlots, int64(cfg.DecisionQueue))
	d.replays = newSideStream(d, cfg.ReplayStream, replaySlots, replayQueue)
	d.scratch.New = func() any { return &encodeBuffer{} }
	if cfg.Dir != "" {
		if d.lock, err = lockDir(cfg.Dir); err != nil {
			return nil, err
		}
	}
	w, err := d.begin(ctx)
	if err != nil {
		if l := d.link.Load(); l != nil {
			l.close()
		}
		d.unlock()
		return nil, err
	}
	go w.run()
	go d.decisions.run()
	go d.replays.run()
	return d, nil
}

// begin connects and returns the writer at the end of the stream.
func (d *Diary) begin(ctx context.Context) (*writer, error) {
	l, err := dial(&d.cfg, d.reportTrouble)
	if err != nil {
		return nil, err
	}
	d.link.Store(l)
	if err := l.prepare(ctx, &d.cfg); err != nil {
		return nil, err
	}
	w := &writer{d: d}
	if err := w.readEnd(ctx); err != nil {
		return nil, err
	}
	return w, nil
}

func (d *Diary) reportTrouble() {
	select {
	case d.trouble <- struct{}{}:
	default:
	}
}

func (d *Diary) unlock() {
	if d.lock != nil {
		d.lock.Close()
	}
}

// Ticket stands for accepted records: all of one Enqueue, and by the order of
// the stream all accepted before them.
type Ticket struct {
	d *Diary
	b *batch
}

// Enqueue accepts records without waiting, all or none; nothing is retained. The
// error is ErrOverloaded, ErrFull, ErrUnavailable, ErrClosed, or says which field
// of a record passes its limit.
func (d *Diary) Enqueue(records ...*events.Record) (Ticket, error) {
	buf := d.scratch.Get().(*encodeBuffer)
	defer d.scratch.Put(buf)
	buf.b, buf.ends = buf.b[:0], buf.ends[:0]
	for _, r := range records {
		var err error
		if buf.b, err = d.enc.Append(buf.b, r); err != nil {
			d.stats.invalid.Add(1)
			return Ticket{}, err
		}
		buf.ends = append(buf.ends, len(buf.b))
	}
	if len(records) == 0 {
		return Ticket{d: d}, nil
	}
	b, err := d.queue.add(buf.b, buf.ends, d.cfg.Clock.Now())
	if err != nil {
		d.stats.refused(err, len(records))
		return Ticket{}, err
	}
	d.stats.accepted.Add(uint64(len(records)))
	return Ticket{d: d, b: b}, nil
}

// Accepting reports whether records are taken now: false while the diary is full
// or cannot write, after Close, and while more than half of the room for records
// on their way to the disk is taken: what asks first, ads, leaves the rest to what
// must come in, beacons. It costs two atomic loads.
func (d *Diary) Accepting() bool { return !d.queue.shut.Load() && !d.queue.crowded.Load() }

// Append enqueues r and waits until it is on disk or ctx ends (ErrTimeout, or
// ErrUnavailable when the diary knows why). After that the record is still on its
// way: only OnLost tells that it never arrived.
func (d *Diary) Append(ctx context.Context, r *events.Record) error {
	t, err := d.Enqueue(r)
	if err != nil {
		return err
	}
	return t.Wait(ctx)
}

// Wait waits until the records are on disk or ctx ends.
func (t Ticket) Wait(ctx context.Context) error {
	if t.b == nil {
		return nil
	}
	select {
	case <-t.b.done:
		return t.b.err
	default:
	}
	select {
	case <-t.b.done:
		return t.b.err
	case <-ctx.Done():
		t.d.stats.timeouts.Add(1)
		if stop := t.d.queue.stopped(); stop != nil {
			return stop
		}
		return fmt.Errorf("%w: %w", ErrTimeout, ctx.Err())
	}
}

// Done reports whether the fate of the records is known, and what it is: nil
// means on disk. It does not wait.
func (t Ticket) Done() (known bool, err error) {
	if t.b == nil {
		return true, nil
	}
	select {
	case <-t.b.done:
		return true, t.b.err
	default:
		return false, nil
	}
}

// Promise is a ticket without a diary: it resolves when resolve is called, once.
// It stands in for a disk that hangs.
func Promise() (t Ticket, resolve func(error)) {
	b := &batch{done: make(chan struct{})}
	return Ticket{d: &Diary{queue: &queue{}}, b: b}, func(err error) {
		b.err = err
		close(b.done)
	}
}

// Close refuses new records, sends what is queued, waits for the disk and stops.
// When ctx ends first, what is still under way resolves to ErrClosed: the stream
// knows whether it arrived.
func (d *Diary) Close(ctx context.Context) error {
	d.closeOnce.Do(func() {
		d.queue.halt(ErrClosed)
		d.decisions.ring.close()
		d.replays.ring.close()
		close(d.quit)
		d.queue.signal()
		for _, done := range []chan struct{}{d.writerDone, d.decisions.done, d.replays.done} {
			select {
			case <-done:
			case <-ctx.Done():
				d.closeErr = fmt.Errorf("close the diary: %w", ctx.Err())
			}
		}
		close(d.abandon)
		<-d.writerDone
		<-d.decisions.done
		<-d.replays.done
		d.link.Load().close()
		d.markEnd()
		d.unlock()
	})
	return d.closeErr
}
