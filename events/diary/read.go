package diary

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mazad/events"

	"github.com/nats-io/nats.go/jetstream"
)

// Batch is one message of a stream. Its bytes are valid until fn returns.
type Batch struct {
	Stream string
	Seq    uint64
	Stored time.Time // when the server took it, UTC
	events.Batch
}

// GapError says that batches a consumer asked for are no longer in the stream.
type GapError struct {
	Stream     string
	Want, Next uint64 // Next is the first one there is
}

func (e *GapError) Error() string {
	return fmt.Sprintf("stream %s: batches %d to %d are gone", e.Stream, e.Want, e.Next-1)
}

// MoneyStream and DecisionStream are the names of this diary's streams.
func (d *Diary) MoneyStream() string    { return d.cfg.MoneyStream }
func (d *Diary) DecisionStream() string { return d.cfg.DecisionStream }

// readAhead bounds what a consumer holds in memory: this many messages.
const readAhead = 64

// heartbeat is how often an idle consumer hears from the server. After two that
// do not come it asks anew; with the default of 5 s a start stood still for 10 s
// when a request was lost, about once in 150 starts after a kill.
const heartbeat = time.Second

// errEnough ends a Read.
var errEnough = errors.New("read to the end")

// Consume calls fn for every batch from sequence `from` on, in order, without
// gaps, until ctx ends or fn fails; it returns that error. from 0 means the
// first there is. The position belongs to the caller, who keeps Seq in its own
// store: it may see a batch again after a restart, never miss one. A server that
// goes away is waited for. In the money stream missing batches are a *GapError;
// of decisions, old ones go by design and are skipped.
func (d *Diary) Consume(ctx context.Context, stream string, from uint64, fn func(*Batch) error) error {
	pos := from
	for {
		err := d.follow(ctx, stream, &pos, fn)
		var gap *GapError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &gap), errors.Is(err, events.ErrDamaged), errors.Is(err, events.ErrVersion):
			return err
		}
		var stop *stopError
		if errors.As(err, &stop) {
			return stop.err
		}
		if errors.Is(err, jetstream.ErrNoHeartbeat) {
			if damage := d.lethal(); damage != nil {
				return damage
			}
		}
		d.stats.reconnects.Add(1)
		d.cfg.Log.Warn("a consumer lost the stream and tries again", "stream", stream, "from", pos, "cause", err)
		if err := d.waitForLink(ctx); err != nil {
			return err
		}
	}
}

// lethal looks for the reason of a server that does not answer any more: files
// that it cannot get through.
func (d *Diary) lethal() error {
	if d.cfg.Dir == "" {
		return nil
	}
	found, err := Inspect(d.cfg.Dir, d.cfg.MoneyStream, 0)
	if err != nil {
		return nil
	}
	for _, f := range found {
		if f.Lethal {
			return fmt.Errorf("stream %s: %w; restore the diary's folder from a backup", d.cfg.MoneyStream, f)
		}
	}
	return nil
}

// waitForLink tells the writer that reading failed and waits a moment.
func (d *Diary) waitForLink(ctx context.Context) error {
	d.reportTrouble()
	t := time.NewTimer(d.cfg.RetryDelay)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-d.abandon:
		return ErrClosed
	}
}

// stopError carries an error of fn out of follow.
type stopError struct{ err error }

func (e *stopError) Error() string { return e.err.Error() }

// follow consumes over one link until it breaks. *pos is the next sequence.
func (d *Diary) follow(ctx context.Context, stream string, pos *uint64, fn func(*Batch) error) error {
	l := d.link.Load()
	s, err := l.js.Stream(ctx, stream)
	if err != nil {
		return fmt.Errorf("stream %s: %w", stream, err)
	}
	if first := max(s.CachedInfo().State.FirstSeq, 1); *pos < first {
		if *pos != 0 && stream == d.cfg.MoneyStream {
			return &GapError{stream, *pos, first}
		}
		*pos = first
	}
	cons, err := l.js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: *pos, InactiveThreshold: time.Minute,
	})
	if err != nil {
		return fmt.Errorf("consume %s: %w", stream, err)
	}
	it, err := cons.Messages(jetstream.PullMaxMessages(readAhead), jetstream.PullHeartbeat(heartbeat))
	if err != nil {
		return fmt.Errorf("consume %s: %w", stream, err)
	}
	defer it.Stop()
	for {
		msg, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("consume %s: %w", stream, err)
		}
		if err := d.deliver(stream, msg, pos, fn); err != nil {
			return err
		}
	}
}

func (d *Diary) deliver(stream string, msg jetstream.Msg, pos *uint64, fn func(*Batch) error) error {
	meta, err := msg.Metadata()
	if err != nil {
		return fmt.Errorf("stream %s: %w", stream, err)
	}
	seq := meta.Sequence.Stream
	if seq < *pos {
		return nil // seen before a reset
	}
	if seq > *pos && stream == d.cfg.MoneyStream {
		return &GapError{stream, *pos, seq}
	}
	opened, err := events.OpenBatch(msg.Data())
	if err != nil {
		return fmt.Errorf("stream %s, batch %d: %w", stream, seq, err)
	}
	if err := fn(&Batch{Stream: stream, Seq: seq, Stored: meta.Timestamp.UTC(), Batch: opened}); err != nil {
		return &stopError{err}
	}
	*pos = seq + 1
	return nil
}

// Read calls fn for the batches from..to that exist, both included.
func (d *Diary) Read(ctx context.Context, stream string, from, to uint64, fn func(*Batch) error) error {
	first, last, err := d.Last(ctx, stream)
	if err != nil {
		return err
	}
	to = min(to, last)
	if max(from, first) > to {
		return nil
	}
	err = d.Consume(ctx, stream, from, func(b *Batch) error {
		if err := fn(b); err != nil {
			return err
		}
		if b.Seq >= to {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// Last returns the first and last sequence of a stream; last is 0 when it never
// had any. It waits for a server that is away as long as ctx allows.
func (d *Diary) Last(ctx context.Context, stream string) (first, last uint64, err error) {
	for {
		s, err := d.link.Load().js.Stream(ctx, stream)
		if err == nil {
			state := s.CachedInfo().State
			return state.FirstSeq, state.LastSeq, nil
		}
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return 0, 0, fmt.Errorf("stream %s: %w", stream, err)
		}
		if stop := d.waitForLink(ctx); stop != nil {
			return 0, 0, fmt.Errorf("stream %s: %w", stream, errors.Join(stop, err))
		}
	}
}

// SeqAt returns the first sequence that was stored at t or later, last+1 when
// there is none: where a start begins to read when it needs the last hours only.
func (d *Diary) SeqAt(ctx context.Context, stream string, t time.Time) (uint64, error) {
	s, err := d.link.Load().js.Stream(ctx, stream)
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", stream, err)
	}
	state := s.CachedInfo().State
	if state.Msgs == 0 {
		return state.LastSeq + 1, nil
	}
	low, high := state.FirstSeq, state.LastSeq+1
	for low < high {
		mid := low + (high-low)/2
		msg, err := s.GetMsg(ctx, mid)
		if err != nil {
			return 0, fmt.Errorf("stream %s, batch %d: %w", stream, mid, err)
		}
		if msg.Time.Before(t) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low, nil
}

// Purge removes the batches before keep from a stream; the last batch always
// stays. It is for who knows that they are kept elsewhere: the archive's worker.
func (d *Diary) Purge(ctx context.Context, stream string, keep uint64) error {
	s, err := d.link.Load().js.Stream(ctx, stream)
	if err != nil {
		return fmt.Errorf("stream %s: %w", stream, err)
	}
	// An emptied stream is made anew by the server, in steps that a power cut may
	// interrupt; and the last batch tells the next life its writer's number.
	if keep = min(keep, s.CachedInfo().State.LastSeq); keep <= s.CachedInfo().State.FirstSeq {
		return nil
	}
	if err := s.Purge(ctx, jetstream.WithPurgeSequence(keep)); err != nil {
		return fmt.Errorf("stream %s: remove the batches before %d: %w", stream, keep, err)
	}
	return nil
}
