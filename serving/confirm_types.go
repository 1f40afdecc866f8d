package serving

import (
	"context"

	"mazad/internal/id"
	"mazad/internal/money"
)

// Signal is what a beacon or an event reports about a token.
type Signal uint8

// The signals. SignalWin and SignalLoss are OpenRTB notices and never bill;
// SignalBill is burl.
const (
	SignalImpression Signal = iota
	SignalClick
	SignalView
	SignalBill
	SignalWin
	SignalLoss
	signalCount
)

// SignalCount and StatusCount size arrays of counters.
const (
	SignalCount = int(signalCount)
	StatusCount = int(statusCount)
)

var signalNames = [...]string{"impression", "click", "view", "bill", "win", "loss"}

func (s Signal) String() string { return signalNames[s] }

// Beacon is one tracking call.
type Beacon struct {
	Signal   Signal
	Token    []byte      // sealed token as it came in the URL or the event body
	Price    money.Nanos // SignalBill: per impression, parsed from ${AUCTION_PRICE}; ignored unless HasPrice
	HasPrice bool        // SignalBill: the macro was a number; false is counted as bad_price and bills the bid
	LossCode uint16      // SignalLoss: ${AUCTION_LOSS}
	Relayed  bool        // came from the node that heard of it; is never sent on to a third
	AtMS     int64       // Relayed: when that node heard of it
	hurry    bool        // a user waits for the redirect
}

// Receipt is the verdict on a beacon. It is returned only after the record is
// on disk, except that Redirect is known at once.
type Receipt struct {
	EventID  id.Event
	Status   BeaconStatus
	Redirect string // SignalClick: the destination signed into the token; empty when the token is not authentic
}

// BeaconStatus says what became of a beacon.
type BeaconStatus uint8

// The statuses; String gives the words used in answers and metrics.
const (
	BeaconBilled   BeaconStatus = iota
	BeaconFree                  // recorded, not billed
	BeaconRepeat                // the token was already used for this signal
	BeaconExpired               // authentic but too old: counted, not recorded
	BeaconForged                // not authentic: counted, not recorded
	BeaconOverload              // the queue or the disk is full, or its home is away: try again
	BeaconPending               // a click: on disk here until its home can be reached
	statusCount
)

var beaconStatusNames = [...]string{"billed", "free", "repeat", "expired", "forged", "overload", "pending"}

func (s BeaconStatus) String() string { return beaconStatusNames[s] }

// Conversion is a purchase, install or custom event reported by an advertiser.
type Conversion struct {
	Advertiser id.Advertiser // whose key was used; zero: that of the click id
	Name       string        // event name: COMPLETE_PAYMENT, INSTALL ...
	EventID    string        // the sender's id, for deduplication with Name within 48 h
	ClickToken []byte        // our click id
	UserID     string        // optional
	TimeMS     int64
	Value      money.Nanos
	Currency   money.Currency
	Relayed    bool // came from the node that heard of it
}

// Confirmer is the door's view of what happens after an ad was served. Methods
// block until the record is durable or ctx ends; they may be called from any
// goroutine.
type Confirmer interface {
	// Confirm judges one beacon. Token and Price are not retained.
	Confirm(ctx context.Context, b *Beacon) Receipt
	// ConfirmAll judges the beacons of one sender, all before it waits, and fills
	// receipts, which has as many elements.
	ConfirmAll(ctx context.Context, beacons []Beacon, receipts []Receipt)
	// ClickRedirect judges a click but waits for the disk at most 50 ms.
	ClickRedirect(ctx context.Context, token []byte) Receipt
	// Convert records a conversion; status is BeaconRepeat for a duplicate and
	// BeaconForged when its click id is not ours.
	Convert(ctx context.Context, c *Conversion) Receipt
}
