package archive

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"mazad/events/diary"
)

// Stream is the diary as it is read; *diary.Diary is one.
type Stream interface {
	Consume(ctx context.Context, stream string, from uint64, fn func(*diary.Batch) error) error
	Read(ctx context.Context, stream string, from, to uint64, fn func(*diary.Batch) error) error
	Last(ctx context.Context, stream string) (first, last uint64, err error)
}

// Sequence reads archive and stream as one: every batch from the oldest that is
// kept to the newest, in order, each once, with the methods and promises of
// diary.Diary. Other streams than the archived one are passed through.
type Sequence struct {
	archive *Archive
	stream  Stream
	healed  atomic.Uint64
}

// NewSequence joins an archive and the stream that it was made from.
func NewSequence(a *Archive, s Stream) *Sequence { return &Sequence{archive: a, stream: s} }

// Healed counts batches that the stream should have had and did not, and that
// were read from the archive.
func (s *Sequence) Healed() uint64 { return s.healed.Load() }

// Last returns the first and last sequence there is; last is 0 when there never
// was any.
func (s *Sequence) Last(ctx context.Context, stream string) (first, last uint64, err error) {
	first, last, err = s.stream.Last(ctx, stream)
	if err != nil || stream != s.archive.stream {
		return first, last, err
	}
	oldest, newest := s.archive.Range()
	switch {
	case s.archive.Trouble() != nil: // nobody knows what it holds: who reads from the beginning is told so
		return min(first, 1), last, nil
	case newest == 0:
		return first, last, nil
	case newest > last:
		return 0, 0, &BehindError{Stream: stream, Last: last, Archived: newest}
	}
	return min(oldest, first), last, nil
}

// BehindError says that the stream ends before the archive does: it lost batches
// that were acknowledged, or is an old copy. Nothing may be written to it.
type BehindError struct {
	Stream         string
	Last, Archived uint64
}

func (e *BehindError) Error() string {
	return fmt.Sprintf("stream %s ends at %d, but batches up to %d were archived from it: it lost acknowledged batches, or is an older copy; "+
		"restore the diary's folder from a backup that has them", e.Stream, e.Last, e.Archived)
}

// stopped carries an error of the caller's fn past the handling of gaps.
type stopped struct{ err error }

func (e *stopped) Error() string { return e.err.Error() }

// Consume calls fn for every batch from sequence from on, as diary.Consume does.
func (s *Sequence) Consume(ctx context.Context, stream string, from uint64, fn func(*diary.Batch) error) error {
	if stream != s.archive.stream {
		return s.stream.Consume(ctx, stream, from, fn)
	}
	pos := from
	step := func(b *diary.Batch) error {
		if err := fn(b); err != nil {
			return &stopped{err}
		}
		pos = b.Seq + 1
		return nil
	}
	for {
		err := s.catchUp(ctx, &pos, step)
		if err == nil {
			err = s.stream.Consume(ctx, stream, pos, step)
		}
		var gap *diary.GapError
		if errors.As(err, &gap) && s.has(gap.Want, gap.Next-1) {
			if err = s.heal(ctx, gap, step); err == nil {
				continue
			}
		}
		var stop *stopped
		if errors.As(err, &stop) {
			return stop.err
		}
		return err
	}
}

// heal reads from the archive what the stream does not have: it was purged while
// it was read, or the stream lost it, which is counted.
func (s *Sequence) heal(ctx context.Context, gap *diary.GapError, step func(*diary.Batch) error) error {
	first, _, err := s.stream.Last(ctx, s.archive.stream)
	if err == nil && gap.Want >= first {
		s.healed.Add(gap.Next - gap.Want)
	}
	return errors.Join(err, s.archive.Read(ctx, gap.Want, gap.Next-1, step))
}

// catchUp reads from the archive what the stream no longer has. What neither has
// is left to the stream, which says so.
func (s *Sequence) catchUp(ctx context.Context, pos *uint64, step func(*diary.Batch) error) error {
	first, _, err := s.stream.Last(ctx, s.archive.stream)
	if err != nil {
		return err
	}
	oldest, newest := s.archive.Range()
	if *pos == 0 {
		*pos = 1
		if newest != 0 {
			*pos = oldest
		} else if s.archive.Trouble() == nil {
			*pos = first
		}
	}
	if *pos >= first {
		return nil
	}
	if err := s.archive.Trouble(); err != nil {
		return err
	}
	if *pos > newest {
		return nil
	}
	return s.archive.Read(ctx, *pos, min(newest, first-1), step)
}

func (s *Sequence) has(from, to uint64) bool {
	oldest, newest := s.archive.Range()
	return from <= to && oldest <= from && to <= newest
}

// errEnough ends a Read.
var errEnough = errors.New("read to the end")

// Read calls fn for the batches from..to that exist, both included. Batches that
// are gone are a *diary.GapError, as in Consume.
func (s *Sequence) Read(ctx context.Context, stream string, from, to uint64, fn func(*diary.Batch) error) error {
	first, last, err := s.Last(ctx, stream)
	if err != nil {
		return err
	}
	if to = min(to, last); max(from, first) > to {
		return nil
	}
	err = s.Consume(ctx, stream, from, func(b *diary.Batch) error {
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
