package diary

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mazad/events"

	"github.com/nats-io/nats.go/jetstream"
)

// recover brings the writer from any failure back to a state in which it may
// send. It is false when the diary stops for good: closed, or fenced off.
func (w *writer) recover(cause error) bool {
	d := w.d
	if isFull(cause) {
		return w.waitForRoom(cause)
	}
	d.stats.failures.Add(1)
	d.queue.halt(d.unavailable(cause))
	d.cfg.Log.Warn("the diary cannot write and tries to recover", "cause", cause, "batches", len(w.inFlight))
	for _, s := range w.inFlight {
		w.backlog = append(w.backlog, s.batch)
	}
	w.backlog, w.inFlight = sortByNumber(w.backlog), nil
	restart := w.doubted || errors.Is(cause, errRestart) || !isWrongSequence(cause) && !errors.Is(cause, jetstream.ErrAsyncPublishTimeout)
	w.doubted = true
	for pause := d.cfg.RetryDelay; ; pause = min(2*pause, 20*d.cfg.RetryDelay) {
		err := w.tryAgain(restart)
		if errors.Is(err, ErrFenced) {
			w.stopForGood(err)
			return false
		}
		if err == nil {
			d.cfg.Log.Info("the diary writes again", "next_sequence", w.next)
			d.queue.halt(nil)
			d.stats.recoveries.Add(1)
			return true
		}
		d.cfg.Log.Warn("the diary still cannot write", "cause", err)
		d.queue.halt(d.unavailable(err))
		restart = true
		if !w.pause(pause) {
			w.giveUp()
			return false
		}
	}
}

// unavailable says why nothing can be written. The server's own error rarely
// names a full disk, so that is looked up.
func (d *Diary) unavailable(cause error) error {
	if free, ok := freeBytes(d.cfg.Dir); ok && d.cfg.Dir != "" && free < leastSpace {
		return fmt.Errorf("%w: %w, %d bytes are left: %w", ErrUnavailable, ErrDiskFull, free, cause)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, cause)
}

// leastSpace is what a server needs to write its index and a few batches.
const leastSpace = 1 << 20

// pause waits; false means that the diary is being closed and has waited long enough.
func (w *writer) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-w.d.abandon:
		return false
	}
}

// tryAgain connects anew where needed and resolves what was under way.
func (w *writer) tryAgain(restart bool) error {
	d := w.d
	ctx, cancel := context.WithTimeout(context.Background(), d.cfg.AckTimeout)
	defer cancel()
	l := d.link.Load()
	if d.cfg.Dir != "" && (restart || !l.alive()) {
		l.close()
		fresh, err := dial(&d.cfg, d.reportTrouble)
		if err != nil {
			return err
		}
		d.stats.restarts.Add(1)
		d.link.Store(fresh)
		l = fresh
	}
	if err := l.prepare(ctx, &d.cfg); err != nil {
		return err
	}
	return w.settle(ctx, l)
}

// settle reads what the stream got since the last acknowledgement and resolves
// the batches that are in it. The rest stays in the backlog, to be sent again
// under the same numbers. A late batch of an earlier life is let be; a batch of a
// later one means that we were replaced.
func (w *writer) settle(ctx context.Context, l *link) error {
	s, err := l.js.Stream(ctx, w.d.cfg.MoneyStream)
	if err != nil {
		return fmt.Errorf("stream %s: %w", w.d.cfg.MoneyStream, err)
	}
	last := s.CachedInfo().State.LastSeq
	w.bytes = int64(s.CachedInfo().State.Bytes)
	if last < w.acked {
		return fmt.Errorf("the stream ends at %d, but %d was acknowledged: %w", last, w.acked, events.ErrDamaged)
	}
	for seq := w.acked + 1; seq <= last; seq++ {
		b, err := readBatch(ctx, s, seq)
		if err != nil {
			return err
		}
		if b.Writer > w.d.writer {
			return fmt.Errorf("batch %d was written by life %d, this is %d: %w", seq, b.Writer, w.d.writer, ErrFenced)
		}
		if b.Writer == w.d.writer && len(w.backlog) > 0 && w.backlog[0].number == b.Number {
			first := w.backlog[0]
			w.backlog = w.backlog[1:]
			w.landed(first, seq)
		}
		w.acked = seq
	}
	w.next = last + 1
	return nil
}

// waitForRoom handles a full stream: everything accepted is lost for certain
// (the head was refused, so nothing behind it can follow), and new records are
// refused until there is room again.
func (w *writer) waitForRoom(cause error) bool {
	d := w.d
	d.stats.fulls.Add(1)
	full := fmt.Errorf("%w: %w", ErrFull, cause)
	d.queue.halt(full)
	d.cfg.Log.Error("the diary is full: events are refused until there is room", "budget_bytes", d.cfg.MoneyBytes, "cause", cause)
	for _, s := range w.inFlight {
		w.lose(s.batch, full)
	}
	for _, b := range append(w.backlog, d.queue.drain()...) {
		w.lose(b, full)
	}
	w.inFlight, w.backlog = nil, nil
	for pause := d.cfg.RetryDelay; ; pause = min(2*pause, 20*d.cfg.RetryDelay) {
		select {
		case <-d.quit:
			return false
		default:
		}
		if !w.pauseUnlessQuit(pause) {
			return false
		}
		if err := w.tryAgain(false); err != nil {
			continue
		}
		if w.bytes+2*int64(d.cfg.BatchBytes+messageOverhead) <= d.cfg.MoneyBytes {
			d.cfg.Log.Info("the diary has room again")
			d.stats.moneyBytes.Store(w.bytes)
			d.queue.halt(nil)
			return true
		}
	}
}

func (w *writer) pauseUnlessQuit(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-w.d.quit:
		return false
	}
}

// stopForGood ends a writer that another one has replaced.
func (w *writer) stopForGood(err error) {
	w.d.cfg.Log.Error("the diary stops writing for good", "cause", err)
	w.d.queue.halt(err)
	for _, b := range append(w.backlog, w.d.queue.drain()...) {
		w.lose(b, err)
	}
	w.backlog = nil
}

// giveUp ends what is under way at a close that ran out of time: its fate is in
// the stream, so nobody is told that it was lost.
func (w *writer) giveUp() {
	for _, s := range w.inFlight {
		w.d.queue.resolve(s.batch, ErrClosed, 0)
	}
	for _, b := range append(w.backlog, w.d.queue.drain()...) {
		w.d.queue.resolve(b, ErrClosed, 0)
	}
	w.inFlight, w.backlog = nil, nil
}

// sortByNumber puts batches that were sent before those that were not, in order.
// There are at most InFlight+1 of them.
func sortByNumber(bs []*batch) []*batch {
	for i := 1; i < len(bs); i++ {
		for j := i; j > 0 && before(bs[j], bs[j-1]); j-- {
			bs[j], bs[j-1] = bs[j-1], bs[j]
		}
	}
	return bs
}

func before(a, b *batch) bool { return a.number != 0 && (b.number == 0 || a.number < b.number) }
