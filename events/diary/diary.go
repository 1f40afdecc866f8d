package diary

import (
	"context"
	"errors"

	"mazad/events"
)

// Errors of Append. Test with errors.Is.
var (
	ErrOverloaded  = errors.New("the diary's queue is full")
	ErrFull        = errors.New("the diary's disk budget is used up")
	ErrUnavailable = errors.New("the diary cannot write")
	ErrClosed      = errors.New("the diary is closed")
)

// Stream names of a diary.
const (
	Money     = "MONEY"
	Decisions = "DECISIONS"
)

// Diary is an open log.
type Diary struct{}

// Ticket stands for an accepted record.
type Ticket struct{}

// Open opens or creates the diary.
func Open(ctx context.Context, cfg Config) (*Diary, error) { return nil, errors.ErrUnsupported }

// Append queues r and waits until it is on disk or ctx ends. After ctx ends the
// record is still on its way.
func (d *Diary) Append(ctx context.Context, r *events.Record) error { return errors.ErrUnsupported }

// Enqueue queues r without waiting. r is not retained.
func (d *Diary) Enqueue(r *events.Record) (Ticket, error) { return Ticket{}, errors.ErrUnsupported }

// Wait waits until the record is on disk or ctx ends.
func (t Ticket) Wait(ctx context.Context) error { return errors.ErrUnsupported }

// Offer queues a decision. It never blocks; false means dropped and counted.
func (d *Diary) Offer(r *events.Record) bool { return false }

// Batch is one message of a stream.
type Batch struct {
	Stream string
	Seq    uint64
	events.Batch
}

// Consume calls fn for every batch from sequence from on, in order, until ctx
// ends or fn fails. The position is the caller's to keep.
func (d *Diary) Consume(ctx context.Context, stream string, from uint64, fn func(*Batch) error) error {
	return errors.ErrUnsupported
}

// Read calls fn for the batches from..to.
func (d *Diary) Read(ctx context.Context, stream string, from, to uint64, fn func(*Batch) error) error {
	return errors.ErrUnsupported
}

// Last returns the first and the last sequence of a stream.
func (d *Diary) Last(ctx context.Context, stream string) (first, last uint64, err error) {
	return 0, 0, errors.ErrUnsupported
}

// Close sends what is queued, waits for the disk and stops.
func (d *Diary) Close(ctx context.Context) error { return errors.ErrUnsupported }
