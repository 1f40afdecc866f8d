package diary

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mazad/events"
	"mazad/internal/id"
)

// Replays wait for their batch in a ring of their own: they are large and few.
const (
	replaySlots = 64
	replayQueue = 8 << 20 // bytes
)

// ReplayStream is the name of this diary's stream of replays.
func (d *Diary) ReplayStream() string { return d.cfg.ReplayStream }

// Clocks of an auction and of the server that took its record may differ by
// findBefore; a record that came more than findAfter later is looked for
// everywhere.
const (
	findBefore = 2 * time.Second
	findAfter  = 30 * time.Second
)

// Find returns the record of an event (of an auction: its decision or replay) in
// a side stream, nil when there is none. It looks where the event's time says
// first, then everywhere: a clock may have jumped.
func (d *Diary) Find(ctx context.Context, stream string, event id.Event) (*events.Record, error) {
	first, last, err := d.Last(ctx, stream)
	if err != nil || last == 0 || first > last {
		return nil, err
	}
	at := time.UnixMilli(event.Millis())
	from, err := d.SeqAt(ctx, stream, at.Add(-findBefore))
	if err != nil { // the oldest go while we look
		from = first
	}
	to, err := d.SeqAt(ctx, stream, at.Add(findAfter))
	if err != nil {
		to = last
	}
	for _, part := range [...][2]uint64{{from, min(to, last)}, {first, from - 1}, {to + 1, last}} {
		if part[0] > part[1] || part[1] == 0 {
			continue
		}
		r, err := d.search(ctx, stream, part[0], part[1], event)
		if r != nil || err != nil {
			return r, err
		}
	}
	return nil, nil
}

func (d *Diary) search(ctx context.Context, stream string, from, to uint64, event id.Event) (found *events.Record, err error) {
	var r events.Record
	err = d.Read(ctx, stream, from, to, func(b *Batch) error {
		for b.Rewind(); ; {
			before := *b
			ok, err := b.Next(&r, nil) // what is sealed stays so
			if err != nil || !ok {
				return err
			}
			if r.ID != event {
				continue
			}
			found = new(events.Record)
			if _, err := before.Next(found, d.cfg.Keys); err != nil {
				return err
			}
			found.Body = slices.Clone(found.Body)
			found.Features, found.Conversion = nil, events.Conversion{} // they lie in the batch
			return errEnough
		}
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return found, err
}

// Oldest is when the oldest batch of a stream was stored; ok is false when there
// is none.
func (d *Diary) Oldest(ctx context.Context, stream string) (at time.Time, ok bool, err error) {
	s, err := d.link.Load().js.Stream(ctx, stream)
	if err != nil {
		return time.Time{}, false, fmt.Errorf("stream %s: %w", stream, err)
	}
	state := s.CachedInfo().State
	return state.FirstTime.UTC(), state.Msgs > 0, nil
}
