package diary

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"mazad/events"
	"mazad/internal/failpoint"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// writer is the one goroutine that writes the money stream. Each batch names the
// sequence it expects to follow, so the stream takes our batches in order, each
// once, and none after one that failed: what is on disk is always a prefix of
// what was sent. After any doubt the last message of the stream says which.
type writer struct {
	d        *Diary
	inFlight []sent // oldest first
	backlog  []*batch
	next     uint64    // sequence that the next batch sent will get
	acked    uint64    // last sequence known to be ours or from before us
	number   uint64    // batches sent in this life
	bytes    int64     // of the stream, estimated between looks
	marked   time.Time // when the mark was written
	alarmed  bool      // the disk budget is nearly used up
	doubted  bool      // nothing was acknowledged since the last recovery: the next one starts the server anew
}

// sent is a batch with the answer to come.
type sent struct {
	*batch
	seq    uint64
	future jetstream.PubAckFuture
}

const (
	// messageOverhead is about what JetStream adds to a message on disk.
	messageOverhead = 128
	// troublePatience is how long an answer may still come after the server has
	// reported an error: it does not answer a publish that failed on the disk.
	troublePatience = 250 * time.Millisecond
	// lookEvery is how often the size of the stream is read anew.
	lookEvery = 10 * time.Second
)

// Where a test ends the process: a batch is encoded, handed to the stream, on
// disk but not yet answered for, answered for.
var (
	beforePublish = failpoint.New("diary.before-publish")
	afterPublish  = failpoint.New("diary.after-publish")
	beforeReceipt = failpoint.New("diary.before-receipt")
	afterReceipt  = failpoint.New("diary.after-receipt")
)

func (w *writer) run() {
	defer close(w.d.writerDone)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		wait, err := w.sendDue()
		if err != nil && !w.recover(err) {
			return
		}
		if err != nil {
			continue
		}
		if len(w.inFlight) == 0 && wait == 0 && w.closing() {
			return
		}
		timer.Reset(max(wait, time.Microsecond))
		var due <-chan time.Time
		if wait > 0 {
			due = timer.C
		}
		ok, failed := w.answers()
		select {
		case ack := <-ok:
			err = w.acknowledged(ack)
		case err = <-failed:
		case <-w.d.trouble:
			err = w.checkTrouble()
		case <-w.d.queue.wake:
		case <-due:
		case <-look.C:
			w.look()
		case <-w.quitIfIdle():
		case <-w.d.abandon:
			w.giveUp()
			return
		}
		if err != nil && !w.recover(err) {
			return
		}
	}
}

func (w *writer) closing() bool {
	select {
	case <-w.d.quit:
		records, _ := w.d.queue.load()
		return records == 0
	default:
		return false
	}
}

// quitIfIdle wakes the loop at Close; once something is under way its answer does.
func (w *writer) quitIfIdle() <-chan struct{} {
	if len(w.inFlight) == 0 {
		return w.d.quit
	}
	return nil
}

// answers are the channels of the oldest batch under way: they resolve in order.
func (w *writer) answers() (<-chan *jetstream.PubAck, <-chan error) {
	if len(w.inFlight) == 0 {
		return nil, nil
	}
	f := w.inFlight[0].future
	return f.Ok(), f.Err()
}

// sendDue sends what may be sent now and returns how long until more is due.
func (w *writer) sendDue() (wait time.Duration, err error) {
	for len(w.inFlight) < w.d.cfg.InFlight {
		var b *batch
		if len(w.backlog) > 0 {
			b, w.backlog = w.backlog[0], w.backlog[1:]
		} else if b, wait = w.d.queue.take(w.d.cfg.Clock.Now(), len(w.inFlight) == 0 || w.closed()); b == nil {
			return wait, nil
		}
		if err := w.send(b); err != nil {
			w.backlog = append([]*batch{b}, w.backlog...)
			return 0, err
		}
	}
	return 0, nil
}

func (w *writer) closed() bool { return errors.Is(w.d.queue.stopped(), ErrClosed) }

func (w *writer) send(b *batch) error {
	if b.number == 0 {
		w.number++
		b.number = w.number
		b.data = b.w.Finish(w.d.writer, b.number, w.d.cfg.Clock.Now().UnixMilli())
	}
	beforePublish.Hit()
	msg := &nats.Msg{Subject: subject(w.d.cfg.MoneyStream), Data: b.data}
	f, err := w.d.link.Load().js.PublishMsgAsync(msg, jetstream.WithExpectLastSequence(w.next-1), jetstream.WithRetryAttempts(0))
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	w.inFlight = append(w.inFlight, sent{batch: b, seq: w.next, future: f})
	afterPublish.Hit()
	w.next++
	w.d.stats.batches.Add(1)
	w.d.stats.batchBytes.Add(uint64(len(b.data)))
	return nil
}

// acknowledged resolves the oldest batch under way.
func (w *writer) acknowledged(ack *jetstream.PubAck) error {
	head := w.inFlight[0]
	if ack.Sequence != head.seq {
		return fmt.Errorf("the server stored batch %d as %d instead of %d", head.number, ack.Sequence, head.seq)
	}
	w.inFlight = w.inFlight[1:]
	w.doubted = false
	w.landed(head.batch, head.seq)
	return nil
}

func (w *writer) landed(b *batch, seq uint64) {
	w.acked = seq
	w.bytes += int64(len(b.data)) + messageOverhead
	w.d.stats.moneyBytes.Store(w.bytes)
	w.d.stats.acknowledged.Add(uint64(b.records))
	w.d.stats.lastSeq.Store(seq)
	w.markSometimes(seq)
	w.alarm()
	beforeReceipt.Hit()
	w.d.queue.resolve(b, nil, w.d.cfg.InFlight+4)
	afterReceipt.Hit()
}

// checkTrouble follows up a report of trouble: a server or connection that is
// gone is replaced even when nothing is under way, because consumers need it;
// else the oldest batch gets a moment for its answer.
func (w *writer) checkTrouble() error {
	if !w.d.link.Load().alive() {
		return errRestart
	}
	if len(w.inFlight) == 0 {
		return nil
	}
	ok, failed := w.answers()
	patience := time.NewTimer(troublePatience)
	defer patience.Stop()
	select {
	case ack := <-ok:
		return w.acknowledged(ack)
	case err := <-failed:
		return err
	case <-patience.C:
		return errRestart
	}
}

// errRestart says that the embedded server must be started anew.
var errRestart = errors.New("the embedded server reported an error and stopped answering")

// Error codes of JetStream that the writer tells apart.
const (
	codeStoreFailed       = 10077 // also "maximum bytes exceeded"
	codeWrongLastSequence = 10071
	codeStorageExceeded   = 10047
)

func isFull(err error) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	return api.ErrorCode == codeStorageExceeded ||
		api.ErrorCode == codeStoreFailed && strings.Contains(api.Description, "maximum bytes")
}

func isWrongSequence(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == codeWrongLastSequence
}

// look reads the size of the stream and raises or clears the alarm.
func (w *writer) look() {
	ctx, cancel := context.WithTimeout(context.Background(), w.d.cfg.AckTimeout)
	defer cancel()
	s, err := w.d.link.Load().js.Stream(ctx, w.d.cfg.MoneyStream)
	if err != nil {
		return // the next batch will find out what is wrong
	}
	w.bytes = int64(s.CachedInfo().State.Bytes)
	w.d.stats.moneyBytes.Store(w.bytes)
	w.alarm()
}

// alarm says when the disk budget is nearly used up, and when it is not any more.
func (w *writer) alarm() {
	budget := w.d.cfg.MoneyBytes
	high := alarming(w.bytes, budget)
	if high == w.alarmed {
		return
	}
	if w.alarmed = high; high {
		w.d.cfg.Log.Error("the diary has used more than its alarm share of the disk budget; when it is full, new events are refused",
			"alarm_percent", alarmShare, "used_bytes", w.bytes, "budget_bytes", budget)
		return
	}
	w.d.cfg.Log.Info("the diary is below its alarm share again", "used_bytes", w.bytes, "budget_bytes", budget)
}

// readEnd learns the stream's last sequence before the first batch of this life,
// and takes a writer's number above that of the life that wrote it: the clock's,
// unless the clock jumped back.
func (w *writer) readEnd(ctx context.Context) error {
	d := w.d
	s, err := d.link.Load().js.Stream(ctx, d.cfg.MoneyStream)
	if err != nil {
		return fmt.Errorf("stream %s: %w", d.cfg.MoneyStream, err)
	}
	state := s.CachedInfo().State
	if err := d.checkEnd(state.LastSeq); err != nil {
		return err
	}
	d.writer = uint64(d.cfg.Clock.Now().UnixNano())
	if state.Msgs > 0 {
		b, err := readBatch(ctx, s, state.LastSeq)
		if err != nil {
			return err
		}
		d.writer = max(d.writer, b.Writer+1)
	}
	w.acked, w.next = state.LastSeq, state.LastSeq+1
	w.bytes = int64(state.Bytes)
	d.stats.moneyBytes.Store(w.bytes)
	d.stats.lastSeq.Store(state.LastSeq)
	return nil
}

func readBatch(ctx context.Context, s jetstream.Stream, seq uint64) (events.Batch, error) {
	msg, err := s.GetMsg(ctx, seq)
	if err != nil {
		return events.Batch{}, fmt.Errorf("read batch %d: %w", seq, err)
	}
	b, err := events.OpenBatch(msg.Data)
	if err != nil {
		return b, fmt.Errorf("read batch %d: %w", seq, err)
	}
	return b, nil
}

// lose ends a batch that is certainly not in the stream and never will be.
func (w *writer) lose(b *batch, why error) {
	if b.number == 0 {
		b.data = b.w.Finish(w.d.writer, 0, 0)
	}
	w.d.stats.lost.Add(uint64(b.records))
	if w.d.cfg.OnLost != nil {
		if opened, err := events.OpenBatch(b.data); err == nil {
			opened.Each(w.d.cfg.Keys, func(r *events.Record) error { w.d.cfg.OnLost(r); return nil })
		}
	}
	w.d.queue.resolve(b, why, 0)
}
