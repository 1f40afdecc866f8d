package diary

import (
	"context"
	"time"

	"mazad/events"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// decisionsInFlight bounds the batches of decisions that wait for an answer.
const decisionsInFlight = 8

// Offer queues a decision for the unsynced stream. It never blocks, takes no
// lock and allocates nothing; false means that it was dropped, and counted. r is
// not retained.
func (d *Diary) Offer(r *events.Record) bool {
	switch d.ring.offer(r, &d.enc) {
	case offerTaken:
		d.stats.offered.Add(1)
		return true
	case offerInvalid:
		d.stats.invalid.Add(1)
	default:
		d.stats.decisionsDropped.Add(1)
	}
	return false
}

// decisionWriter is the goroutine behind Offer. What cannot be written is
// dropped and counted: nothing that bills or learns depends on it.
type decisionWriter struct {
	d       *Diary
	batch   events.BatchWriter
	number  uint64
	sealed  []byte
	record  events.Record
	pending []pendingDecision
}

type pendingDecision struct {
	future jetstream.PubAckFuture
	count  int
}

func (d *Diary) writeDecisions() {
	defer close(d.decisionDone)
	w := &decisionWriter{d: d}
	delay := time.NewTimer(0)
	<-delay.C
	defer delay.Stop()
	for {
		for d.ring.poll(w.add) {
		}
		w.flush()
		if d.ring.closed.Load() && !d.ring.poll(w.add) {
			w.flush()
			w.settle(0)
			return
		}
		if !d.ring.sleep() {
			continue
		}
		select {
		case <-d.ring.wake:
		case <-d.abandon:
			return
		}
		delay.Reset(d.cfg.DecisionDelay)
		select {
		case <-delay.C:
		case <-d.quit:
		case <-d.abandon:
			return
		}
	}
}

func (w *decisionWriter) add(clear []byte) {
	var err error
	if w.sealed, err = w.d.enc.Seal(w.sealed[:0], clear, &w.record); err != nil {
		w.drop(1, err)
		return
	}
	if w.batch.Count() > 0 && w.batch.Size()+len(w.sealed) > w.d.cfg.BatchBytes {
		w.flush()
	}
	w.batch.Add(w.sealed)
}

func (w *decisionWriter) flush() {
	n := w.batch.Count()
	if n == 0 {
		return
	}
	w.settle(decisionsInFlight - 1)
	w.number++
	data := w.batch.Finish(w.d.writer, w.number, w.d.cfg.Clock.Now().UnixMilli())
	msg := &nats.Msg{Subject: subject(w.d.cfg.DecisionStream), Data: data}
	f, err := w.d.link.Load().js.PublishMsgAsync(msg, jetstream.WithRetryAttempts(0))
	if err != nil {
		w.drop(n, err)
		w.batch.Reset()
		return
	}
	w.pending = append(w.pending, pendingDecision{f, n})
	w.batch = events.BatchWriter{} // the client keeps the bytes until it is answered
}

// settle waits until at most `most` batches have no answer.
func (w *decisionWriter) settle(most int) {
	for len(w.pending) > most {
		p := w.pending[0]
		w.pending = w.pending[1:]
		select {
		case <-p.future.Ok():
			w.d.stats.decisions.Add(uint64(p.count))
		case err := <-p.future.Err(): // the client answers after AckTimeout at the latest
			w.drop(p.count, err)
		case <-w.d.abandon:
			w.drop(p.count, context.Canceled)
		}
	}
}

func (w *decisionWriter) drop(n int, err error) {
	if w.d.stats.decisionsLost.Add(uint64(n)) == uint64(n) {
		w.d.cfg.Log.Warn("decisions are lost; further losses are only counted", "records", n, "cause", err)
	}
}
