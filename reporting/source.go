package reporting

import (
	"context"

	"mazad/events"
)

// Source is a stream of the diary as the sink reads it.
type Source interface {
	// Consume calls fn for every batch from sequence from on, in order, until
	// ctx ends or fn fails.
	Consume(ctx context.Context, from uint64, fn func(Batch) error) error
	// Read calls fn for the batches from..to that are there.
	Read(ctx context.Context, from, to uint64, fn func(Batch) error) error
	// Last is the last sequence that was acknowledged, 0 for an empty stream.
	Last(ctx context.Context) (uint64, error)
}

// Batch is one message of the stream.
type Batch struct {
	Seq    uint64
	TimeMS int64 // when it was closed
	// Each calls fn for every record; the record is fn's until fn returns.
	Each func(fn func(*events.Record) error) error
}
