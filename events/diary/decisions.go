package diary

import (
	"context"
	"sync/atomic"
	"time"

	"mazad/events"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// decisionsInFlight bounds the batches of a side stream that wait for an answer.
const decisionsInFlight = 8

// sideStream is a stream that nothing bills or learns by: decisions, replays. It
// is fed without blocking and not synced; what cannot be written is dropped and
// counted.
type sideStream struct {
	d       *Diary
	name    string
	ring    *ring
	done    chan struct{}
	stats   sideStats
	batch   events.BatchWriter
	number  uint64
	sealed  []byte
	record  events.Record
	pending []pendingBatch
}

// sideStats count records.
type sideStats struct {
	offered, taken, dropped, lost atomic.Uint64
}

type pendingBatch struct {
	future jetstream.PubAckFuture
	count  int
}

func newSideStream(d *Diary, name string, slots int, bytes int64) *sideStream {
	return &sideStream{d: d, name: name, ring: newRing(slots, bytes), done: make(chan struct{})}
}

// Offer queues a decision for the unsynced stream. It never blocks, takes no
// lock and allocates nothing; false means that it was dropped, and counted. r is
// not retained.
func (d *Diary) Offer(r *events.Record) bool { return d.decisions.offer(r) }

// OfferReplay does the same for the replay of an auction.
func (d *Diary) OfferReplay(r *events.Record) bool { return d.replays.offer(r) }

func (s *sideStream) offer(r *events.Record) bool {
	switch s.ring.offer(r, &s.d.enc) {
	case offerTaken:
		s.stats.offered.Add(1)
		return true
	case offerInvalid:
		s.d.stats.invalid.Add(1)
	default:
		s.stats.dropped.Add(1)
	}
	return false
}

// run is the goroutine behind offer.
func (s *sideStream) run() {
	defer close(s.done)
	delay := time.NewTimer(0)
	<-delay.C
	defer delay.Stop()
	for {
		for s.ring.poll(s.add) {
		}
		s.flush()
		if s.ring.closed.Load() && !s.ring.poll(s.add) {
			s.flush()
			s.settle(0)
			return
		}
		if !s.ring.sleep() {
			continue
		}
		select {
		case <-s.ring.wake:
		case <-s.d.abandon:
			return
		}
		delay.Reset(s.d.cfg.DecisionDelay)
		select {
		case <-delay.C:
		case <-s.d.quit:
		case <-s.d.abandon:
			return
		}
	}
}

func (s *sideStream) add(clear []byte) {
	var err error
	if s.sealed, err = s.d.enc.Seal(s.sealed[:0], clear, &s.record); err != nil {
		s.drop(1, err)
		return
	}
	if s.batch.Count() > 0 && s.batch.Size()+len(s.sealed) > s.d.cfg.BatchBytes {
		s.flush()
	}
	s.batch.Add(s.sealed)
}

func (s *sideStream) flush() {
	n := s.batch.Count()
	if n == 0 {
		return
	}
	s.settle(decisionsInFlight - 1)
	s.number++
	data := s.batch.Finish(s.d.writer, s.number, s.d.cfg.Clock.Now().UnixMilli())
	msg := &nats.Msg{Subject: subject(s.name), Data: data}
	f, err := s.d.link.Load().js.PublishMsgAsync(msg, jetstream.WithRetryAttempts(0))
	if err != nil {
		s.drop(n, err)
		s.batch.Reset()
		return
	}
	s.pending = append(s.pending, pendingBatch{f, n})
	s.batch = events.BatchWriter{} // the client keeps the bytes until it is answered
}

// settle waits until at most `most` batches have no answer.
func (s *sideStream) settle(most int) {
	for len(s.pending) > most {
		p := s.pending[0]
		s.pending = s.pending[1:]
		select {
		case <-p.future.Ok():
			s.stats.taken.Add(uint64(p.count))
		case err := <-p.future.Err(): // the client answers after AckTimeout at the latest
			s.drop(p.count, err)
		case <-s.d.abandon:
			s.drop(p.count, context.Canceled)
		}
	}
}

func (s *sideStream) drop(n int, err error) {
	if s.stats.lost.Add(uint64(n)) == uint64(n) {
		s.d.cfg.Log.Warn("records of a side stream are lost; further losses are only counted", "stream", s.name, "records", n, "cause", err)
	}
}
