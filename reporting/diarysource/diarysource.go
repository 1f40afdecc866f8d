// Package diarysource lets the reporting room read a diary: it is the only place
// where the two meet, so that reports build and are tested without a log server.
//
// Contract: batches come in stream order; personal blocks stay sealed, because
// reports need the user's ordinal only, which is readable without the key.
//
// Concurrency: as diary.Diary.
package diarysource

import (
	"context"

	"mazad/events"
	"mazad/events/diary"
	"mazad/reporting"
)

// Diary is what can be read: *diary.Diary, or *archive.Sequence, which goes back
// further.
type Diary interface {
	Consume(ctx context.Context, stream string, from uint64, fn func(*diary.Batch) error) error
	Read(ctx context.Context, stream string, from, to uint64, fn func(*diary.Batch) error) error
	Last(ctx context.Context, stream string) (first, last uint64, err error)
}

// Of reads a stream of a diary.
func Of(d Diary, stream string) reporting.Source { return source{d, stream} }

type source struct {
	d      Diary
	stream string
}

func (s source) Consume(ctx context.Context, from uint64, fn func(reporting.Batch) error) error {
	return s.d.Consume(ctx, s.stream, from, func(b *diary.Batch) error { return fn(batchOf(b)) })
}

func (s source) Read(ctx context.Context, from, to uint64, fn func(reporting.Batch) error) error {
	return s.d.Read(ctx, s.stream, from, to, func(b *diary.Batch) error { return fn(batchOf(b)) })
}

func (s source) Last(ctx context.Context) (uint64, error) {
	_, last, err := s.d.Last(ctx, s.stream)
	return last, err
}

func batchOf(b *diary.Batch) reporting.Batch {
	return reporting.Batch{Seq: b.Seq, TimeMS: b.TimeMS,
		Each: func(fn func(*events.Record) error) error { return b.Each(nil, fn) }}
}
