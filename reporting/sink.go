package reporting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"mazad/events"
	"mazad/internal/clock"
)

// SinkConfig of a sink. Zero values take the default.
type SinkConfig struct {
	Client  *Client
	Source  Source
	Intents IntentStore
	Stream  string        // default "MONEY"; part of the deduplication token, never change it
	Every   time.Duration // between inserts; default 1 s
	MaxRows int           // of one insert; default 200,000; a larger batch of the stream goes alone
	Clock   clock.Clock
	Log     *slog.Logger
	After   func(time.Duration) <-chan time.Time // default time.After
}

// SinkState is what the sink is doing.
type SinkState uint8

// The states.
const (
	SinkStarting SinkState = iota
	SinkRunning
	SinkAway   // ClickHouse or the diary cannot be reached; it is tried again
	SinkBroken // a batch is half there: Detail says which and what to do
)

func (s SinkState) String() string {
	return [...]string{"starting", "running", "away", "broken"}[s]
}

// SinkStatus is a snapshot of a sink.
type SinkStatus struct {
	State    SinkState
	Detail   string
	Seq      uint64    // last sequence that is in
	Last     uint64    // last sequence of the stream as last seen
	Through  time.Time // everything acknowledged before is in
	Batches  uint64    // inserts
	Rows     uint64
	Retries  uint64 // inserts that failed and were tried again
	Repeated uint64 // open intents that were repeated after a restart
	Doubles  uint64 // records stored as not counted because their token was used before
}

// Sink copies a stream into ClickHouse.
type Sink struct {
	cfg SinkConfig

	mu     sync.Mutex // guards status
	status SinkStatus

	work sync.Mutex // guards the rest: held while a batch is built or inserted
	used *events.Used
	next uint64 // the sequence that is expected
	pile pile
	redo *Intent // repeat this one first, with its boundaries
	last time.Time
	told time.Time // when progress was last written
}

// pile is the batch under construction.
type pile struct {
	columns     []column
	first, last uint64
	rows        int
	nanos       int64
	closedMS    int64
}

// NewSink checks the configuration; Run works.
func NewSink(cfg SinkConfig) (*Sink, error) {
	if cfg.Client == nil || cfg.Source == nil || cfg.Intents == nil {
		return nil, errors.New("reporting: a sink needs Client, Source and Intents")
	}
	if cfg.Stream == "" {
		cfg.Stream = "MONEY"
	}
	if cfg.Every == 0 {
		cfg.Every = time.Second
	}
	if cfg.MaxRows == 0 {
		cfg.MaxRows = 200_000
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.After == nil {
		cfg.After = time.After
	}
	return &Sink{cfg: cfg, used: events.NewUsed(), pile: pile{columns: eventColumns()}}, nil
}

// Status is what the sink is doing now.
func (s *Sink) Status() SinkStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Through is the promise of every report: everything acknowledged before it is
// in. Zero until the first batch.
func (s *Sink) Through() time.Time { return s.Status().Through }

func (s *Sink) note(change func(*SinkStatus)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.status)
}

// Broken is a batch that cannot be copied without a person: damaged in the
// diary, or half in ClickHouse and too old to be repeated safely (*HalfBatch).
type Broken struct{ Err error }

func (e *Broken) Error() string { return e.Err.Error() }
func (e *Broken) Unwrap() error { return e.Err }

// tick is how often a waiting batch and the watermark are looked at.
const tick = 100 * time.Millisecond

// Run copies until ctx ends. Whatever is away is waited for; the only error is
// *Broken.
func (s *Sink) Run(ctx context.Context) error {
	if err := s.retry(ctx, "start the sink", s.recover); err != nil {
		return s.end(ctx, err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			select {
			case <-s.cfg.After(tick):
			case <-ctx.Done():
				return
			}
			if err := s.beat(ctx); err != nil && ctx.Err() == nil {
				cancel(err)
			}
		}
	})
	err := s.retry(ctx, "read the diary", func(ctx context.Context) error {
		s.work.Lock()
		from := s.next
		s.work.Unlock()
		return s.cfg.Source.Consume(ctx, from, func(b Batch) error { return s.take(ctx, b) })
	})
	wg.Wait()
	return s.end(ctx, err)
}

// end tells a stop that was asked for from a broken batch.
func (s *Sink) end(ctx context.Context, err error) error {
	var broken *Broken
	if errors.As(err, &broken) || errors.As(context.Cause(ctx), &broken) {
		s.note(func(st *SinkStatus) { st.State, st.Detail = SinkBroken, broken.Error() })
		s.cfg.Log.Error("the sink stopped", "error", broken)
		return broken
	}
	return nil
}

const (
	firstRetry   = 100 * time.Millisecond
	longestRetry = 10 * time.Second
	quietPause   = 2 * time.Second // pauses below it are not worth a warning: three seconds in all
)

// retry runs f until it succeeds, ctx ends, or a batch is broken.
func (s *Sink) retry(ctx context.Context, what string, f func(context.Context) error) error {
	var broken *Broken
	for pause := firstRetry; ; pause = min(2*pause, longestRetry) {
		err := f(ctx)
		if err == nil {
			s.note(func(st *SinkStatus) { st.State, st.Detail = SinkRunning, "" })
			return nil
		}
		if ctx.Err() != nil || errors.As(err, &broken) {
			return err
		}
		s.note(func(st *SinkStatus) {
			st.State, st.Detail = SinkAway, err.Error()
			st.Retries++
		})
		level := slog.LevelWarn
		if errors.Is(err, ErrAway) && pause < quietPause {
			level = slog.LevelDebug // an engine that is starting
		}
		s.cfg.Log.Log(ctx, level, what, "error", err, "again_in", pause)
		select {
		case <-s.cfg.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take adds a batch of the stream to the pile, and inserts the pile when it is
// full or an intent ends here. It blocks while ClickHouse is away: that is the
// back-pressure, the diary keeps the rest.
func (s *Sink) take(ctx context.Context, b Batch) error {
	s.work.Lock()
	defer s.work.Unlock()
	if b.Seq < s.next {
		return nil
	}
	p := &s.pile
	if p.rows == 0 {
		p.first = b.Seq
	}
	err := b.Each(func(r *events.Record) error {
		s.add(r, b.Seq)
		return nil
	})
	if err != nil {
		return &Broken{fmt.Errorf("read batch %d of %s: %w", b.Seq, s.cfg.Stream, err)}
	}
	p.last, p.closedMS, s.next = b.Seq, b.TimeMS, b.Seq+1
	switch {
	case s.redo != nil && p.last >= s.redo.Last, s.redo == nil && p.rows >= s.cfg.MaxRows:
		return s.flush(ctx)
	}
	return nil
}

func (s *Sink) add(r *events.Record, seq uint64) {
	p := &s.pile
	e := entry{Record: r, stream: s.cfg.Stream, seq: seq, idx: uint32(p.rows)}
	if reported(r) {
		if e.counted = s.used.Apply(r); !e.counted {
			s.note(func(st *SinkStatus) { st.Doubles++ })
		}
	}
	for _, c := range p.columns {
		c.add(&e)
	}
	p.rows++
	p.nanos += int64(r.BilledNanos)
}

// reported says whether a report counts records of this kind and verdict, as
// events.Fold does.
func reported(r *events.Record) bool {
	if r.Verdict == events.VerdictRefused {
		return false
	}
	switch r.Kind {
	case events.KindImpression, events.KindClick, events.KindView, events.KindBill, events.KindConversion:
		return true
	}
	return false
}

// beat inserts what waits, once per Every, and moves the watermark of an idle
// stream.
func (s *Sink) beat(ctx context.Context) error {
	s.work.Lock()
	defer s.work.Unlock()
	now := s.cfg.Clock.Now()
	s.clockBack(now)
	if s.redo != nil {
		return nil
	}
	if s.pile.rows > 0 {
		if now.Sub(s.last) < s.cfg.Every {
			return nil
		}
		return s.flush(ctx)
	}
	last, err := s.cfg.Source.Last(ctx)
	if err != nil {
		return nil // Consume says so
	}
	s.note(func(st *SinkStatus) {
		st.Last = last
		if last < s.next && now.After(st.Through) {
			st.Through = now
		}
	})
	if last < s.next && now.Sub(s.told) > progressEvery {
		s.told = now
		_ = s.tellProgress(ctx)
	}
	return nil
}

// clockBack forgets what a clock that was set back would make far away: else no
// batch would be inserted until the old time came again, and reports would
// promise what is acknowledged until then.
func (s *Sink) clockBack(now time.Time) {
	if now.Before(s.last) {
		s.last = time.Time{}
	}
	if now.Before(s.told) {
		s.told = time.Time{}
	}
	s.note(func(st *SinkStatus) {
		if st.Through.After(now) {
			st.Through = now
		}
	})
}

// progressEvery is how often an idle sink tells other processes.
const progressEvery = 10 * time.Second
