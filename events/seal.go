package events

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"mazad/internal/id"
	"mazad/internal/money"
)

// Purpose says what a sealed string is. Every purpose has keys of its own, so
// one can never pass for another. Append only.
type Purpose uint8

// The purposes. Only PurposeAd is sealed here today; the others are taken.
const (
	PurposeAd      Purpose = 1 // a served ad: this Token
	PurposeSession Purpose = 2 // session of the contextual universe
	PurposeLink    Purpose = 3 // a creator's share link
	PurposePage    Purpose = 4 // page token of a list
)

// Secret is a key of the ring: an id that travels with each token, and at least
// MinSecret random bytes.
type Secret struct {
	ID    uint8
	Bytes []byte
}

// MinSecret is the least length of a secret.
const MinSecret = 32

// Sealer seals and opens tokens. It is immutable but for its counters and safe
// for concurrent use; rotation is a new Sealer with the new secret first.
//
// A sealed token is base64url (no padding) of
//
//	version 1 | key id 1 | purpose 1 | token id 12 | AES-256-GCM of the fields | tag 16
//
// The 96-bit nonce is the token id: partition (leased to one process at a time),
// generation (a durable counter, never issued twice) and serial (dense within
// it), under a key that only this purpose uses. So a nonce repeats only if a
// token id does. Sealing the same Token again gives the same bytes, which tells
// nobody anything; two different tokens must never share an id. Whoever restores
// the store that counts generations must raise the counter.
type Sealer struct {
	current uint8
	keys    [256]cipher.AEAD // by key id, PurposeAd; nil = not in the ring
	opened  [StateCount]atomic.Uint64
}

const (
	tokenVersion = 1
	tokenHead    = 3 + 12
	tokenTag     = 16
	tokenFixed   = 144 // the most that the fields without features and destination take
)

// NewSealer seals with current and opens what current or one of older sealed.
func NewSealer(current Secret, older ...Secret) (*Sealer, error) {
	s := &Sealer{current: current.ID}
	for _, k := range append([]Secret{current}, older...) {
		if len(k.Bytes) < MinSecret {
			return nil, fmt.Errorf("token secret %d has %d bytes, the least is %d", k.ID, len(k.Bytes), MinSecret)
		}
		if s.keys[k.ID] != nil {
			return nil, fmt.Errorf("token secret %d is given twice", k.ID)
		}
		info := fmt.Sprintf("mazad token v%d key %d purpose %d", tokenVersion, k.ID, PurposeAd)
		key, err := hkdf.Key(sha256.New, k.Bytes, nil, info, 32)
		if err != nil {
			return nil, fmt.Errorf("derive token key %d: %w", k.ID, err)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("token key %d: %w", k.ID, err)
		}
		if s.keys[k.ID], err = cipher.NewGCM(block); err != nil {
			return nil, fmt.Errorf("token key %d: %w", k.ID, err)
		}
	}
	return s, nil
}

// Lifetime is how long after its auction a token may be used: feeds prefetch, so
// an impression may come half an hour later; a click, a day.
func Lifetime(u Use) time.Duration {
	switch u {
	case UseClick, UseView:
		return 24 * time.Hour
	case UseAttribution:
		return 7 * 24 * time.Hour
	}
	return 30 * time.Minute
}

// Append seals t and appends it to dst. It allocates nothing when dst has room
// for the result twice. Features and Destination beyond their limits are our own
// mistake and panic: both are checked when a campaign is saved.
func (s *Sealer) Append(dst []byte, t *Token) []byte {
	if len(t.Features) > MaxTokenFeatures || len(t.Destination) > MaxDestination || t.ID.Serial > MaxSerial {
		panic(fmt.Sprintf("token %s: %d bytes of features (limit %d), destination of %d (limit %d)",
			t.ID, len(t.Features), MaxTokenFeatures, len(t.Destination), MaxDestination))
	}
	// The raw bytes are built behind the place of the text, sealed in place, and
	// encoded forward into it.
	raw := tokenHead + tokenFixed + len(t.Features) + len(t.Destination) + tokenTag
	text := base64.RawURLEncoding.EncodedLen(raw)
	at := len(dst)
	dst = slices.Grow(dst, text+raw)
	b := dst[at+text : at+text : cap(dst)]
	b = append(b, tokenVersion, s.current, byte(PurposeAd))
	b = b[:tokenHead]
	t.ID.put(b[3:])
	b = appendToken(b, t)
	b = s.keys[s.current].Seal(b[:tokenHead], b[3:tokenHead], b[tokenHead:], b[:3])
	end := at + base64.RawURLEncoding.EncodedLen(len(b))
	base64.RawURLEncoding.Encode(dst[at:end], b)
	return dst[:end]
}

// Open verifies b for one use at time nowMS and fills t when the outcome is
// Authentic. It allocates nothing once t's buffer has grown. b is not retained.
func (s *Sealer) Open(t *Token, b []byte, use Use, nowMS int64) State {
	st := s.open(t, b)
	if st == StateOK && nowMS-t.AuctionMS() > Lifetime(use).Milliseconds() {
		st = StateExpired
	}
	s.opened[st].Add(1)
	return st
}

// Opened is how many calls of Open ended in st.
func (s *Sealer) Opened(st State) uint64 { return s.opened[st].Load() }

func (s *Sealer) open(t *Token, b []byte) State {
	t.Reset()
	n := base64.RawURLEncoding.DecodedLen(len(b))
	if len(b) > MaxToken || n < tokenHead+tokenTag {
		return StateMalformed
	}
	raw := slices.Grow(t.buf[:0], n)[:n]
	t.buf = raw
	// Strict refuses stray bits in the last character; the length refuses line
	// breaks, which the decoder skips. So one token has exactly one spelling.
	got, err := base64.RawURLEncoding.Strict().Decode(raw, b)
	if err != nil || base64.RawURLEncoding.EncodedLen(got) != len(b) {
		return StateMalformed
	}
	switch {
	case raw[0] != tokenVersion:
		return StateUnsupported
	case raw[2] != byte(PurposeAd):
		return StateWrongType
	case s.keys[raw[1]] == nil:
		return StateUnknownKey
	}
	fields, err := s.keys[raw[1]].Open(raw[tokenHead:tokenHead], raw[3:tokenHead], raw[tokenHead:], raw[:3])
	if err != nil {
		return StateBadSeal
	}
	t.ID = tokenIDOf(raw[3:])
	if !readToken(fields, t) {
		t.Reset()
		return StateUnsupported
	}
	return StateOK
}

const (
	tokenHasUser = 1 << iota
	tokenTest
)

func appendToken(b []byte, t *Token) []byte {
	le := binary.LittleEndian
	var flags byte
	if t.HasUser {
		flags |= tokenHasUser
	}
	if t.Test {
		flags |= tokenTest
	}
	b = append(b, flags, t.BillingEvent, t.Door, t.Slot, t.Age, t.Gender, t.OS, t.Placement, t.Universe)
	b = append(b, t.Currency[:]...)
	b = append(b, t.Country[:]...)
	b = le.AppendUint16(b, t.Language)
	b = le.AppendUint32(b, uint32(t.Day))
	b = le.AppendUint64(b, t.AuctionID.Hi)
	b = le.AppendUint64(b, t.AuctionID.Lo)
	for _, v := range [4]int64{int64(t.Advertiser), int64(t.Campaign), int64(t.AdGroup), int64(t.Ad)} {
		b = le.AppendUint64(b, uint64(v))
	}
	for _, v := range [8]uint64{uint64(t.Revision), uint64(t.PriceNanos), uint64(t.BidNanos), t.Region,
		uint64(t.Model), uint64(t.UserOrd), uint64(t.Chain), t.Hold} {
		b = binary.AppendUvarint(b, v)
	}
	b = append(b, byte(len(t.Features)))
	b = append(b, t.Features...)
	return append(b, t.Destination...)
}

func readToken(b []byte, t *Token) bool {
	c := cursor{b: b}
	flags := c.u8()
	t.HasUser, t.Test = flags&tokenHasUser != 0, flags&tokenTest != 0
	if h := c.take(8); h != nil {
		t.BillingEvent, t.Door, t.Slot, t.Age, t.Gender, t.OS, t.Placement, t.Universe = h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]
	}
	copy(t.Currency[:], c.take(3))
	copy(t.Country[:], c.take(2))
	t.Language = c.u16()
	t.Day = int32(c.u32())
	t.AuctionID = id.Event{Hi: c.u64(), Lo: c.u64()}
	t.Advertiser, t.Campaign = id.Advertiser(c.u64()), id.Campaign(c.u64())
	t.AdGroup, t.Ad = id.AdGroup(c.u64()), id.Ad(c.u64())
	t.Revision = int64(c.uvarint())
	t.PriceNanos, t.BidNanos = money.Nanos(c.uvarint()), money.Nanos(c.uvarint())
	t.Region = c.uvarint()
	t.Model, t.UserOrd, t.Chain = uint32(c.uvarint()), uint32(c.uvarint()), uint32(c.uvarint())
	t.Hold = c.uvarint()
	t.Features = c.take(int(c.u8()))
	t.Destination = c.b
	return !c.short && flags&^(tokenHasUser|tokenTest) == 0 &&
		len(t.Features) <= MaxTokenFeatures && len(t.Destination) <= MaxDestination
}
