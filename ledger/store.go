package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mazad/internal/id"
	"mazad/internal/money"
)

// Limits of one call.
const (
	MaxBatchRows = 100_000
	MaxLeases    = 200_000 // asks or returns in one call
	MaxRequestID = 128     // bytes
	MaxNote      = 512     // bytes
	MaxPageSize  = 1000
	MaxStream    = 64 // bytes of a stream's name
)

// MaxTopUp is the largest single top-up, a trillion units.
const MaxTopUp money.Micros = 1_000_000_000_000 * 1_000_000

// Errors that callers tell apart. Every error of a Store wraps one of these, or
// is our fault.
var (
	ErrInvalid  = errors.New("invalid")
	ErrConflict = errors.New("conflict")
	ErrNotFound = errors.New("not found")
	// ErrSequence is a batch that does not begin where the last one ended.
	ErrSequence = errors.New("out of sequence")
	// ErrLifeOver is a node that must stop: a later life of it began, or it was
	// taken for dead.
	ErrLifeOver = errors.New("this life is over")
)

// Problem is a refused call: which field, what was sent, what is allowed. It
// wraps ErrInvalid, ErrConflict or ErrNotFound.
type Problem struct {
	Err     error
	Field   string
	Value   string
	Message string
}

func (p *Problem) Error() string {
	return fmt.Sprintf("%s %s: %s", p.Field, p.Value, p.Message)
}

func (p *Problem) Unwrap() error { return p.Err }

// SequenceError is a gap or an overlap between batches.
type SequenceError struct {
	Stream   string
	Position uint64 // the last sequence that is posted
	First    uint64 // where the batch begins
	Last     uint64
}

func (e *SequenceError) Error() string {
	what := "a gap"
	if e.First <= e.Position {
		what = "an overlap"
	}
	return fmt.Sprintf("stream %s is posted up to %d, the batch is %d to %d: %s", e.Stream, e.Position, e.First, e.Last, what)
}

func (e *SequenceError) Unwrap() error { return ErrSequence }

// HistoryQuery picks transfers of one advertiser's wallet, newest first.
type HistoryQuery struct {
	Kinds    []TransferKind // empty = all
	From, To time.Time      // posted in [From, To); zero = open
	Page     int            // from 1
	PageSize int            // at most MaxPageSize; 0 = 10
}

// History is a page of transfers.
type History struct {
	List  []Transfer
	Total int
}

// Trial is the proof that the books balance.
type Trial struct {
	Transfers  int64
	Currencies []CurrencyTrial
	Problems   []string // empty = everything balances
	Overdrawn  []Balance
}

// CurrencyTrial is one currency's totals over all accounts.
type CurrencyTrial struct {
	Currency money.Currency
	Debits   money.Sum
	Credits  money.Sum
}

// OK reports books that balance.
func (t Trial) OK() bool { return len(t.Problems) == 0 }

// Store keeps the books. Every method may be called from any goroutine.
type Store interface {
	// OpenWallet makes an advertiser's wallet; again with the same currency it
	// does nothing, with another it is a Conflict. TopUp and PostSpend open one
	// by themselves.
	OpenWallet(ctx context.Context, adv id.Advertiser, c money.Currency) error
	// TopUp funds a wallet and returns the transfer; replayed is true when the
	// request id was used before for the same.
	TopUp(ctx context.Context, t TopUp) (posted Transfer, replayed bool, err error)
	// Transfer posts any other movement under a key that makes it happen once.
	Transfer(ctx context.Context, t Transfer) (posted Transfer, replayed bool, err error)
	// Wallet is an advertiser's balance; NotFound before it is opened.
	Wallet(ctx context.Context, adv id.Advertiser) (Balance, error)
	// Balances are all accounts, or those of the advertisers named.
	Balances(ctx context.Context, advs ...id.Advertiser) ([]Balance, error)
	History(ctx context.Context, adv id.Advertiser, q HistoryQuery) (History, error)
	// Trial reads every transfer; it is for audits, not for pages.
	Trial(ctx context.Context) (Trial, error)

	// PostSpend books a batch. Entries are immutable: when a later batch has the
	// same ad group and second, it adds another pair under its own batch.
	PostSpend(ctx context.Context, b SpendBatch) (Posted, error)
	// Heartbeat says that the consumer of a stream has nothing left to post that
	// was appended before through.
	Heartbeat(ctx context.Context, stream string, through time.Time) error
	// Position is where to go on; zero for a new stream.
	Position(ctx context.Context, stream string) (Position, error)
	Spend(ctx context.Context, q SpendQuery) ([]LimitSpend, error)

	// BeginLife ends the earlier lives of a node: they get nothing more, and the
	// new life acts for them. Their leases stay outstanding.
	BeginLife(ctx context.Context, node uint16, generation uint32, expires time.Time) error
	// GrantLeases answers each ask in order; what cannot be granted is a Grant
	// with Added less than Want, not an error. A lease is outstanding until it is
	// given back, or billed and posted, or its life is freed: never because of the
	// time. ErrLifeOver: the life was ended, and must not bill any more.
	GrantLeases(ctx context.Context, node uint16, generation uint32, asks []LeaseAsk) ([]Grant, error)
	// ReturnLeases lowers leases of a life; the newest life of a node does it for
	// the earlier ones too. It must have made sure that what it gives back cannot
	// be billed any more.
	ReturnLeases(ctx context.Context, node uint16, generation uint32, back []LeaseReturn) error
	// RenewLeases notes when the last token of a life that goes on expires, for
	// those who come after it; CloseGeneration does, and ends the life.
	RenewLeases(ctx context.Context, node uint16, generation uint32, expires time.Time) error
	CloseGeneration(ctx context.Context, node uint16, generation uint32, expires time.Time) error
	// Leases are those of a node, of all its lives, that are outstanding;
	// PruneLeases deletes those that are settled and done with, and past lives.
	Leases(ctx context.Context, node uint16) ([]Lease, error)
	PruneLeases(ctx context.Context) (int, error)
	// Lives are all that are kept, by node and generation. FreeLives ends every
	// life of a node up to newest and voids what is outstanding of their leases.
	// The caller has made sure that the node cannot bill any more and that
	// everything it billed is posted. ErrLifeOver: a later life has begun.
	Lives(ctx context.Context) ([]Life, error)
	FreeLives(ctx context.Context, node uint16, newest uint32) (int, error)
}
