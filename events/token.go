package events

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"mazad/internal/id"
	"mazad/internal/money"
)

// TokenID names a served ad: the home partition (16 bits), the generation (32
// bits: one life of a process, from a durable counter) and a dense serial (48
// bits) within it. Because serials are dense, the used ones form a bitmap.
type TokenID struct {
	Partition  uint16
	Generation uint32
	Serial     uint64 // < 1 << 48
}

// MaxSerial is the largest serial of a token.
const MaxSerial = 1<<48 - 1

// IsZero reports the absent token.
func (t TokenID) IsZero() bool { return t == TokenID{} }

// String gives partition.generation.serial in decimal.
func (t TokenID) String() string {
	return fmt.Sprintf("%d.%d.%d", t.Partition, t.Generation, t.Serial)
}

// put writes the 12 bytes, most significant first.
func (t TokenID) put(b []byte) {
	_ = b[11]
	binary.BigEndian.PutUint16(b, t.Partition)
	binary.BigEndian.PutUint32(b[2:], t.Generation)
	binary.BigEndian.PutUint16(b[6:], uint16(t.Serial>>32))
	binary.BigEndian.PutUint32(b[8:], uint32(t.Serial))
}

func tokenIDOf(b []byte) TokenID {
	_ = b[11]
	return TokenID{
		Partition:  binary.BigEndian.Uint16(b),
		Generation: binary.BigEndian.Uint32(b[2:]),
		Serial:     uint64(binary.BigEndian.Uint16(b[6:]))<<32 | uint64(binary.BigEndian.Uint32(b[8:])),
	}
}

// Token is what a served ad carries through the user's device and back: all
// that a verdict and a report need, so that serving writes nothing durable.
// After Open, Features and Destination point into the token's own buffer and
// are valid until it is opened again.
type Token struct {
	ID        TokenID
	AuctionID id.Event // its time part is the auction's time

	Advertiser id.Advertiser
	Campaign   id.Campaign
	AdGroup    id.AdGroup
	Ad         id.Ad
	Revision   int64

	PriceNanos   money.Nanos // per billing event
	BidNanos     money.Nanos // OpenRTB: per impression, the most burl may bill
	BillingEvent uint8
	Door         uint8
	Slot         uint8
	Currency     [3]byte
	Test         bool // bills nothing

	Day       int32 // yyyymmdd of the auction in the advertiser's zone
	Country   [2]byte
	Age       uint8
	Gender    uint8
	OS        uint8
	Placement uint8
	Universe  uint8
	Region    uint64
	Language  uint16
	Model     uint32

	HasUser bool // personal universe only
	UserOrd uint32

	Chain uint32 // serving's: index of the chain of limits
	Hold  uint64 // serving's: amount or serial of the hold

	Features    []byte // <= MaxTokenFeatures, opaque
	Destination []byte // <= MaxDestination, where a click goes

	buf []byte // memory of an opened token
}

// HomeOf reads the partition that a sealed token names, without opening it: good
// for choosing a way, not for believing it.
func HomeOf(sealed []byte) (partition uint16, ok bool) {
	var raw [6]byte // version, key, purpose, partition
	if len(sealed) < 8 {
		return 0, false
	}
	if n, err := base64.RawURLEncoding.Decode(raw[:], sealed[:8]); err != nil || n != len(raw) {
		return 0, false
	}
	return binary.BigEndian.Uint16(raw[3:]), true
}

// Limits of a token.
const (
	MaxTokenFeatures = 64
	MaxDestination   = 2048
	MaxToken         = 4096 // characters of a sealed token
)

// AuctionMS is the time of the auction in milliseconds since the Unix epoch.
func (t *Token) AuctionMS() int64 { return t.AuctionID.Millis() }

// Reset empties the token and keeps its memory.
func (t *Token) Reset() { *t = Token{buf: t.buf[:0]} }

// State is the outcome of opening a token. Append only.
type State uint8

// The states.
const (
	StateOK          State = iota
	StateMalformed         // not our encoding at all
	StateUnknownKey        // sealed under a key that is not in the ring
	StateBadSeal           // forged or damaged: the seal does not hold
	StateWrongType         // authentic bytes for another purpose
	StateExpired           // authentic, too old for this use; the token is filled in
	StateUnsupported       // a format version of another build
	StateCount
)

var stateNames = [...]string{"ok", "malformed", "unknown_key", "bad_signature", "wrong_type", "expired", "unsupported"}

func (s State) String() string { return name(stateNames[:], int(s)) }

// Authentic reports whether the token was filled in from bytes that we sealed.
func (s State) Authentic() bool { return s == StateOK || s == StateExpired }

// Fill copies what the token says about the auction into r; the caller adds
// ID, Kind, Verdict, Reason, TimeMS, BilledNanos and the personal block.
// Features is shared, not copied.
func (t *Token) Fill(r *Record) {
	r.AuctionID, r.Token, r.AuctionMS = t.AuctionID, t.ID, t.AuctionMS()
	r.PriceNanos, r.BidNanos = t.PriceNanos, t.BidNanos
	r.BillingEvent, r.Door, r.Slot, r.Currency = t.BillingEvent, t.Door, t.Slot, t.Currency
	r.Advertiser, r.Campaign, r.AdGroup, r.Ad = t.Advertiser, t.Campaign, t.AdGroup, t.Ad
	r.Revision, r.Model, r.Day = t.Revision, t.Model, t.Day
	r.Country, r.Region, r.Language = t.Country, t.Region, t.Language
	r.Age, r.Gender, r.OS, r.Placement, r.Universe = t.Age, t.Gender, t.OS, t.Placement, t.Universe
	r.Features = t.Features
	if t.Test {
		r.Flags |= FlagTest
	}
	if t.HasUser {
		r.Personal.State, r.Personal.Ord = PrivacyOpen, t.UserOrd
	}
}
