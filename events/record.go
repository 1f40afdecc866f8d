package events

import (
	"mazad/internal/id"
	"mazad/internal/money"
)

// Kind says what happened. The numbers are on disk: append only.
type Kind uint8

// The kinds of records.
const (
	KindNone       Kind = iota
	KindImpression      // an ad was shown
	KindClick           // an ad was clicked
	KindView            // an ad was viewed long enough to count
	KindBill            // OpenRTB burl: the exchange says it is billable; adds to spend, not to impressions
	KindConversion      // a purchase, install or custom event of an advertiser
	KindDecision        // an auction was held; stream DECISIONS
	KindWin             // OpenRTB nurl, never billed
	KindLoss            // OpenRTB lurl, never billed
	KindRefused         // an authentic token that was refused: used before, or too old; what it was is in Use
	KindBudgetTick      // state of the budget controllers, opaque Body
	KindAudience        // a change of users or segments, opaque Body
	KindRevision        // a snapshot of a revision went live
	KindReplay          // everything that an auction was decided by, opaque Body; stream REPLAYS
	KindPending         // a click whose home could not be reached; Body is the sealed token. Its verdict is its home's
	KindDelivered       // the click of this token has reached its home
	kindEnd
)

var kindNames = [...]string{"none", "impression", "click", "view", "bill", "conversion", "decision", "win", "loss",
	"refused", "budget_tick", "audience", "revision", "replay", "pending", "delivered"}

func (k Kind) String() string { return name(kindNames[:], int(k)) }

// Verdict is the answer to "is it billed", given once by the token's home
// partition. Everybody else only adds it up.
type Verdict uint8

// The verdicts. Append only.
const (
	VerdictNone    Verdict = iota // not a billable kind
	VerdictBilled                 // BilledNanos is owed
	VerdictFree                   // counted, not billed; Reason says why
	VerdictRefused                // neither counted nor billed; Reason says why
	verdictEnd
)

var verdictNames = [...]string{"none", "billed", "free", "refused"}

func (v Verdict) String() string { return name(verdictNames[:], int(v)) }

// Reason says why an event was free or refused. In a record of KindDecision the
// number is the corridor's own reason (serving.Reason). Append only.
type Reason uint16

// The reasons of verdicts.
const (
	ReasonNone         Reason = iota
	ReasonNotBillable         // the ad group is charged for another event (a CPC impression)
	ReasonRepeat              // the token was already used for this event
	ReasonExpired             // the token is too old for this event
	ReasonOverLimit           // a limit of the chain would have been passed
	ReasonBadPrice            // billed at the bid: ${AUCTION_PRICE} was missing or out of range
	ReasonTest                // OpenRTB test=1
	ReasonPreviousLife        // the hold died with the process that made it
	ReasonInvalid             // invalid traffic, filtered
	ReasonUnattributed        // a conversion without a click of ours
	ReasonLate                // refused: so old that nobody remembers whether the token was used
	ReasonAdopted             // the token's home is gone; the node that stands in for it bills nothing
	reasonEnd
)

var reasonNames = [...]string{"none", "not_billable", "repeat", "expired", "over_limit", "bad_price", "test",
	"previous_life", "invalid_traffic", "unattributed", "late", "adopted"}

func (r Reason) String() string { return name(reasonNames[:], int(r)) }

// ReasonCount and VerdictCount size arrays of counters.
const (
	ReasonCount  = int(reasonEnd)
	VerdictCount = int(verdictEnd)
)

// Use is what a token is presented for. A token counts once per use. The
// numbers are on disk: append only.
type Use uint8

// The uses of an ad token.
const (
	UseImpression Use = iota
	UseClick
	UseView
	UseBill
	UseWin
	UseLoss
	UseAttribution // our click id in a conversion
	UseCount
)

var useNames = [...]string{"impression", "click", "view", "bill", "win", "loss", "attribution"}

func (u Use) String() string { return name(useNames[:], int(u)) }

// Use returns the use that a record of this kind makes of its token; ok is
// false for kinds that use up no token.
func (k Kind) Use() (u Use, ok bool) {
	switch k {
	case KindImpression:
		return UseImpression, true
	case KindClick:
		return UseClick, true
	case KindView:
		return UseView, true
	case KindBill:
		return UseBill, true
	case KindWin:
		return UseWin, true
	case KindLoss:
		return UseLoss, true
	}
	return 0, false
}

// Match says how a conversion found its click. Append only.
type Match uint8

// The matches.
const (
	MatchNone  Match = iota
	MatchToken       // by our click id
	MatchUser        // by the last click of the user on the advertiser
	matchEnd
)

var matchNames = [...]string{"none", "click_id", "user"}

func (m Match) String() string { return name(matchNames[:], int(m)) }

// Flags are properties of a record that need one bit. Append only.
type Flags uint16

// The flags.
const (
	FlagTest     Flags = 1 << iota // OpenRTB test=1
	FlagBadPrice                   // the price macro was not usable
	FlagSampled                    // a decision kept for replay
	flagsKnown   = FlagTest | FlagBadPrice | FlagSampled
)

// Record is one entry of the diary. After decoding, every slice points into the
// batch it was read from (or into the record's own scratch) and is valid until
// the next call of Next on that record or batch.
type Record struct {
	ID        id.Event // this event; unique
	Kind      Kind
	Verdict   Verdict
	Reason    Reason
	Flags     Flags
	Use       Use // KindRefused: what was refused; else implied by Kind
	AuctionID id.Event
	Token     TokenID
	TimeMS    int64 // when it happened
	AuctionMS int64 // when its auction was; decides budget day and report hour of all but conversions

	BilledNanos  money.Nanos // owed; non-zero only when Verdict is VerdictBilled
	PriceNanos   money.Nanos // price per billing event as cleared
	BidNanos     money.Nanos // the bid behind it, per billing event
	BillingEvent uint8       // campaign's number: CPM, CPC, CPV
	Door         uint8       // serving.Door
	Slot         uint8
	Currency     [3]byte

	Advertiser id.Advertiser
	Campaign   id.Campaign
	AdGroup    id.AdGroup
	Ad         id.Ad
	Revision   int64
	Model      uint32 // version of the prediction model
	Day        int32  // yyyymmdd of the auction in the advertiser's zone

	Country   [2]byte
	Region    uint64 // targeting.Region
	Language  uint16 // targeting.Language
	Age       uint8  // targeting.Band
	Gender    uint8  // targeting.Gender
	OS        uint8
	Placement uint8
	Universe  uint8  // audience.Universe
	LossCode  uint16 // KindLoss: ${AUCTION_LOSS}

	Features   []byte // <= MaxFeatures, opaque, what learning needs
	Body       []byte // <= MaxBody, opaque: budget ticks; <= MaxReplay: a replay, sealed with the personal block
	Conversion Conversion
	Personal   Personal

	scratch []byte // decrypted personal block
	opened  []byte // decrypted body of a replay
}

// Conversion is the part of a record of KindConversion. Name and EventID are
// the advertiser's, for deduplication.
type Conversion struct {
	Name       []byte // <= MaxName, never empty in a conversion
	EventID    []byte // <= MaxEventID
	ValueNanos money.Nanos
	Currency   [3]byte
	Match      Match
	ClickID    id.Event // the record of the click, when known
	ClickMS    int64    // when the click was; the record's TimeMS is the conversion's own time
}

// Privacy says what is known of the user behind a record.
type Privacy uint8

// The states of a personal block.
const (
	PrivacyNone      Privacy = iota // there is no block (contextual universe)
	PrivacyOpen                     // readable
	PrivacyForgotten                // sealed under a key that no longer exists
)

// Personal is the part of a record that is about the user. It is sealed under
// the user's own key and written only in the personal universe.
type Personal struct {
	State     Privacy // PrivacyOpen to write one
	Ord       uint32  // audience.UserOrd; readable without the key
	City      uint32
	IP24      [3]byte
	UserAgent []byte   // <= MaxUserAgent
	Segments  []uint32 // <= MaxSegments
	Interests []uint32 // <= MaxSegments
}

// Keys gives the data key of a user. ok is false when it does not exist or was
// destroyed. It must be safe for concurrent use.
type Keys interface {
	Key(ord uint32) (key [32]byte, ok bool)
}

// Limits of a record. Encoding refuses what passes them, decoding too.
const (
	MaxFeatures  = 256
	MaxBody      = 32 << 10
	MaxName      = 64
	MaxEventID   = 128
	MaxUserAgent = 512
	MaxSegments  = 1024
	MaxRecord    = 64 << 10  // one encoded record, with its header
	MaxBatch     = 512 << 10 // one encoded batch; below the 1 MiB that a NATS server accepts by default

	MaxReplay       = 192 << 10 // body of a replay
	MaxReplayRecord = 200 << 10 // one encoded record of a replay
)

// Reset empties the record and keeps its memory.
func (r *Record) Reset() {
	seg, in, s, o := r.Personal.Segments[:0], r.Personal.Interests[:0], r.scratch[:0], r.opened[:0]
	*r = Record{scratch: s, opened: o}
	r.Personal.Segments, r.Personal.Interests = seg, in
}

// TokenUse returns the token use that the record stands for and whether it
// counts as one: a refused event uses nothing up.
func (r *Record) TokenUse() (Use, bool) {
	u, ok := r.Kind.Use()
	return u, ok && r.Verdict != VerdictRefused && !r.Token.IsZero()
}

func name(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return "unknown"
}
