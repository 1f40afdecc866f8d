package serving

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"mazad/events"
	"mazad/events/diary"
	"mazad/internal/clock"
	"mazad/internal/failpoint"
	"mazad/internal/money"
	"mazad/ledger"
	"mazad/prediction"
)

// Stream is the diary as the bookkeeper reads it.
type Stream interface {
	Consume(ctx context.Context, stream string, from uint64, fn func(*diary.Batch) error) error
	Read(ctx context.Context, stream string, from, to uint64, fn func(*diary.Batch) error) error
	Last(ctx context.Context, stream string) (first, last uint64, err error)
}

// Books is the part of the ledger that the bookkeeper writes.
type Books interface {
	PostSpend(ctx context.Context, b ledger.SpendBatch) (ledger.Posted, error)
	Heartbeat(ctx context.Context, stream string, through time.Time) error
	Position(ctx context.Context, stream string) (ledger.Position, error)
}

// BookkeeperConfig is what a Bookkeeper works with.
type BookkeeperConfig struct {
	Clock   clock.Clock
	Stream  Stream
	Money   string // the money stream of this node, also its name in the ledger; "" = diary.Money
	Books   Books
	Node    uint16
	Learner *prediction.Learner // nil: nothing is learnt
	Keys    events.Keys
}

// Bookkeeper reads the money stream once and tells the ledger what was billed,
// one entry pair per ad group and second of auctions, and the learner what was
// seen. A failed pass is taken up again by the next one. Only posted spend moves
// the position; learning is rebuilt from the
// stream at every start. One goroutine drives it.
type Bookkeeper struct {
	cfg     BookkeeperConfig
	pending map[spendKey]*ledger.SpendRow
	unsure  *ledger.SpendBatch // sent, and not known to be booked
	posted  uint64
	used    *events.Used // of the stream's prefix that was folded: a later record of a token does not count
	record  events.Record
	through atomic.Int64 // ms: everything that was acknowledged before is posted
	rows    atomic.Int64
	lastMS  int64 // when the newest batch folded was written
	read    place // the newest batch read, not yet posted
	folded  place // the newest batch that used, the learner and unsent have seen
	unsent  Pending
}

// Where a test ends the process.
var (
	beforePost = failpoint.New("books.before-post")
	afterPost  = failpoint.New("books.after-post")
)

type spendKey struct {
	adGroup    int64
	second     int64
	day        int32
	generation uint32
	node       uint16
	currency   [3]byte
}

// passBatches is how many batches of the stream are booked as one batch of the
// ledger at most.
const passBatches = 256

// NewBookkeeper reads the ledger's position.
func NewBookkeeper(ctx context.Context, cfg BookkeeperConfig) (*Bookkeeper, error) {
	if cfg.Clock == nil || cfg.Stream == nil || cfg.Books == nil {
		return nil, fmt.Errorf("serving: Clock, Stream and Books are required")
	}
	if cfg.Money == "" {
		cfg.Money = diary.Money
	}
	pos, err := cfg.Books.Position(ctx, cfg.Money)
	if err != nil {
		return nil, fmt.Errorf("read the ledger's position: %w", err)
	}
	return &Bookkeeper{cfg: cfg, pending: map[spendKey]*ledger.SpendRow{}, used: events.NewUsed(), posted: pos.Seq}, nil
}

// Through is the time up to which everything acknowledged is in the ledger.
func (b *Bookkeeper) Through() time.Time { return time.UnixMilli(b.through.Load()).UTC() }

// Recover reads the stream once, from the beginning or from what Resume took, before
// anything is served: each gets every record in stream order, the learner those that count, and the ledger what it
// does not have yet. It returns the number of batches.
func (b *Bookkeeper) Recover(ctx context.Context, each func(*events.Record)) (int, error) {
	first, last, err := b.cfg.Stream.Last(ctx, b.cfg.Money)
	if err != nil {
		return 0, fmt.Errorf("find the end of the money stream: %w", err)
	}
	if last < b.posted {
		return 0, fmt.Errorf("the ledger is at %d of the money stream, which ends at %d: the diary in this data directory is older than the ledger", b.posted, last)
	}
	if first = max(first, b.folded.seq+1); last >= first {
		err := b.cfg.Stream.Read(ctx, b.cfg.Money, first, last, func(batch *diary.Batch) error {
			booked := batch.Seq <= b.posted
			if booked {
				b.folded = placeOf(batch)
			}
			return batch.Each(b.cfg.Keys, func(r *events.Record) error {
				each(r)
				if !booked {
					return nil
				}
				b.unsent.Apply(r)
				if b.used.Apply(r) {
					b.learn(r)
				}
				return nil
			})
		})
		if err != nil {
			return 0, fmt.Errorf("read the money stream from %d to %d: %w", first, last, err)
		}
	}
	_, err = b.Pass(ctx)
	return int(last - first + 1), err
}

// usedSlackMS keeps token sets a day longer than tokens live: records of one
// token may be some batches apart, and the clock that closed them may have
// jumped. A token that is forgotten too early would not be booked at all.
const usedSlackMS = 24 * 3_600_000

// Pass posts everything that is in the stream now, in steps, and returns how
// many batches it read.
func (b *Bookkeeper) Pass(ctx context.Context) (int, error) {
	started := b.cfg.Clock.Now()
	_, end, err := b.cfg.Stream.Last(ctx, b.cfg.Money)
	if err != nil {
		return 0, fmt.Errorf("find the end of the money stream: %w", err)
	}
	n := 0
	if b.unsure != nil {
		if err := b.send(ctx); err != nil {
			return n, err
		}
	}
	for b.posted < end {
		to := min(end, b.posted+passBatches)
		if err := b.cfg.Stream.Read(ctx, b.cfg.Money, b.posted+1, to, b.add); err != nil {
			return n, fmt.Errorf("read the money stream from %d: %w", b.posted+1, err)
		}
		n += int(to - b.posted)
		if err := b.post(ctx, to); err != nil {
			return n, err
		}
	}
	// What was acknowledged before the pass began is posted now. A record that
	// was queued but not acknowledged then is not promised.
	if err := b.cfg.Books.Heartbeat(ctx, b.cfg.Money, started); err != nil {
		return n, fmt.Errorf("tell the ledger how far it is: %w", err)
	}
	b.through.Store(started.UnixMilli())
	b.used.Expire(b.lastMS - usedSlackMS)
	return n, nil
}

// add folds one batch.
func (b *Bookkeeper) add(batch *diary.Batch) error {
	b.read = placeOf(batch)
	b.lastMS = batch.TimeMS // never a record's own time: an advertiser says when a sale was
	for {
		ok, err := batch.Next(&b.record, b.cfg.Keys)
		if err != nil {
			return fmt.Errorf("batch %d: %w", batch.Seq, err)
		}
		if !ok {
			return nil
		}
		b.unsent.Apply(&b.record)
		if b.used.Apply(&b.record) {
			b.spend(&b.record)
			b.learn(&b.record)
		}
	}
}

func (b *Bookkeeper) spend(r *events.Record) {
	if r.Verdict != events.VerdictBilled || r.BilledNanos == 0 {
		return
	}
	k := spendKey{int64(r.AdGroup), r.AuctionMS / 1000, r.Day, r.Token.Generation, r.Token.Partition, r.Currency}
	row := b.pending[k]
	if row == nil {
		row = &ledger.SpendRow{
			Advertiser: r.Advertiser, Campaign: r.Campaign, AdGroup: r.AdGroup, Currency: money.Currency(r.Currency[:]),
			Second: k.second, Day: r.Day, Node: b.cfg.Node, Generation: r.Token.Generation,
		}
		b.pending[k] = row
	}
	row.Amount = row.Amount.AddNanos(r.BilledNanos)
	row.Count++
}

func (b *Bookkeeper) learn(r *events.Record) {
	if b.cfg.Learner == nil || r.Verdict == events.VerdictRefused {
		return
	}
	k := prediction.Key{Ad: r.Ad, AdGroup: r.AdGroup, Campaign: r.Campaign}
	switch r.Kind {
	case events.KindImpression:
		b.cfg.Learner.Observe(&k, prediction.SawImpression)
	case events.KindClick:
		b.cfg.Learner.Observe(&k, prediction.SawClick)
	case events.KindView:
		b.cfg.Learner.Observe(&k, prediction.SawView)
	}
}

// post books what was folded as one batch of the ledger.
func (b *Bookkeeper) post(ctx context.Context, to uint64) error {
	batch := ledger.SpendBatch{Stream: b.cfg.Money, FirstSeq: b.posted + 1, LastSeq: to, Rows: make([]ledger.SpendRow, 0, len(b.pending))}
	for _, row := range b.pending {
		batch.Rows = append(batch.Rows, *row)
	}
	sortRows(batch.Rows)
	b.unsure = &batch
	clear(b.pending)
	return b.send(ctx)
}

// send posts the batch that is made up, until the ledger says that it has it: the
// same one each time, because a try whose answer was lost may have been booked.
func (b *Bookkeeper) send(ctx context.Context) error {
	batch := b.unsure
	beforePost.Hit()
	if _, err := b.cfg.Books.PostSpend(ctx, *batch); err != nil {
		return fmt.Errorf("post batches %d to %d: %w", batch.FirstSeq, batch.LastSeq, err)
	}
	afterPost.Hit()
	b.rows.Add(int64(len(batch.Rows)))
	b.posted, b.folded, b.unsure = batch.LastSeq, b.read, nil
	return nil
}

// sortRows puts rows in an order of their own, so that the same stream books the
// same entries.
func sortRows(rows []ledger.SpendRow) {
	slices.SortFunc(rows, func(x, y ledger.SpendRow) int {
		return cmp.Or(cmp.Compare(x.Second, y.Second), cmp.Compare(x.AdGroup, y.AdGroup), cmp.Compare(x.Day, y.Day), cmp.Compare(x.Generation, y.Generation))
	})
}
