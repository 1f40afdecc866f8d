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
	// was appended before through. Without it leases of a quiet hour would never
	// be freed.
	Heartbeat(ctx context.Context, stream string, through time.Time) error
	// Position is where to go on; zero for a new stream.
	Position(ctx context.Context, stream string) (Position, error)
	Spend(ctx context.Context, q SpendQuery) ([]LimitSpend, error)

	// GrantLeases answers each ask in order; what cannot be granted is a Grant
	// with Added less than Want, not an error. ExpiresAt of every lease asked for
	// becomes expires when that is later. A node must not bill against a lease
	// after it expired; until then, and until what was billed is posted, the
	// lease is outstanding, also after the node died.
	GrantLeases(ctx context.Context, node uint16, generation uint32, expires time.Time, asks []LeaseAsk) ([]Grant, error)
	// ReturnLeases gives back what was granted and will not be billed; more than
	// is outstanding is an error.
	ReturnLeases(ctx context.Context, node uint16, generation uint32, back []LeaseReturn) error
	// RenewLeases moves the expiry of every lease of a life that is not used up;
	// CloseGeneration sets it, which may be earlier: when its last token expires.
	RenewLeases(ctx context.Context, node uint16, generation uint32, expires time.Time) error
	CloseGeneration(ctx context.Context, node uint16, generation uint32, expires time.Time) error
	// Leases are those outstanding; Prune deletes those that are not.
	Leases(ctx context.Context) ([]Lease, error)
	PruneLeases(ctx context.Context) (int, error)
}
