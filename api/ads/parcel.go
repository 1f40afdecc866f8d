package ads

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/serving"
)

// A parcel is what one node sends another: events whose home the other is. All
// integers are little-endian.
//
//	request   "MzF" 1 | count 2 | items | HMAC-SHA256 of all before
//	item      0 | signal 1 | has price 1 | price 8 | loss code 2 | at ms 8 | length 2, token
//	          1 | advertiser 8 | time ms 8 | value 8 | then each with its length 2: currency, name, event id, user id, click id
//	answer    "MzG" 1 | count 2 | status 1, event id 16 of each item | HMAC-SHA256 of the request's HMAC and all before
//
// The key comes from the secret that seals tokens, which every node has. A parcel
// that is sent again does no harm: its tokens are used up.
const (
	parcelMagic   = "MzF\x01"
	answerMagic   = "MzG\x01"
	parcelHead    = 4 + 2
	parcelMAC     = sha256.Size
	parcelItems   = 256
	parcelBytes   = 256 << 10 // closed at this size; one item is at most 4 KiB
	itemBytes     = 4 << 10
	answerItem    = 1 + 16
	itemBeacon    = 0
	itemSale      = 1
	mostPerParcel = parcelHead + parcelBytes + itemBytes + parcelMAC
)

var errParcel = errors.New("not a parcel of a node of this market")

// parcelKey derives the key of parcels from the secret of the tokens.
func parcelKey(secret []byte) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "mazad relay v1", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key of parcels: %w", err)
	}
	return key, nil
}

func sealParcel(key, b []byte, before ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range before {
		h.Write(p)
	}
	h.Write(b)
	return h.Sum(b)
}

// openParcel checks magic and seal and returns what is between.
func openParcel(key, b []byte, magic string, before ...[]byte) (count int, items, mac []byte, err error) {
	if len(b) < parcelHead+parcelMAC || string(b[:4]) != magic {
		return 0, nil, nil, errParcel
	}
	body, mac := b[:len(b)-parcelMAC], b[len(b)-parcelMAC:]
	if sealed := sealParcel(key, body[:len(body):len(body)], before...); !hmac.Equal(sealed[len(body):], mac) {
		return 0, nil, nil, errParcel
	}
	return int(binary.LittleEndian.Uint16(b[4:])), body[parcelHead:], mac, nil
}

func appendBeacon(dst []byte, b *serving.Beacon) []byte {
	le := binary.LittleEndian
	has := byte(0)
	if b.HasPrice {
		has = 1
	}
	dst = append(dst, itemBeacon, byte(b.Signal), has)
	dst = le.AppendUint64(dst, uint64(b.Price))
	dst = le.AppendUint16(dst, b.LossCode)
	dst = le.AppendUint64(dst, uint64(b.AtMS))
	return appendText(dst, b.Token)
}

func appendConversion(dst []byte, c *serving.Conversion) []byte {
	le := binary.LittleEndian
	dst = append(dst, itemSale)
	for _, n := range [3]uint64{uint64(c.Advertiser), uint64(c.TimeMS), uint64(c.Value)} {
		dst = le.AppendUint64(dst, n)
	}
	for _, s := range [4]string{string(c.Currency), c.Name, c.EventID, c.UserID} {
		dst = appendText(dst, s)
	}
	return appendText(dst, c.ClickToken)
}

func appendText[T string | []byte](dst []byte, s T) []byte {
	s = s[:min(len(s), math.MaxUint16)]
	return append(binary.LittleEndian.AppendUint16(dst, uint16(len(s))), s...)
}

// parcelReader takes items apart; bad is set when one is cut short.
type parcelReader struct {
	b   []byte
	bad bool
}

func (r *parcelReader) take(n int) []byte {
	if n > len(r.b) {
		r.bad, r.b = true, nil
		return make([]byte, n)
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *parcelReader) u64() uint64   { return binary.LittleEndian.Uint64(r.take(8)) }
func (r *parcelReader) u16() uint16   { return binary.LittleEndian.Uint16(r.take(2)) }
func (r *parcelReader) text() []byte  { return r.take(int(r.u16())) }
func (r *parcelReader) octet() uint8  { return r.take(1)[0] }
func (r *parcelReader) words() string { return string(r.text()) }

// item reads one event. Tokens point into the parcel.
func (r *parcelReader) item(e *event) {
	switch r.octet() {
	case itemBeacon:
		signal, has := r.octet(), r.octet()
		e.isBeacon = true
		e.beacon = serving.Beacon{Signal: serving.Signal(signal), HasPrice: has == 1, Price: money.Nanos(r.u64()),
			LossCode: r.u16(), AtMS: int64(r.u64()), Token: r.text(), Relayed: true}
		r.bad = r.bad || int(signal) >= serving.SignalCount || has > 1
	case itemSale:
		v := &e.conversion
		v.Advertiser, v.TimeMS, v.Value = id.Advertiser(r.u64()), int64(r.u64()), money.Nanos(r.u64())
		v.Currency, v.Name, v.EventID, v.UserID = money.Currency(r.words()), r.words(), r.words(), r.words()
		v.ClickToken, v.Relayed = r.text(), true
	default:
		r.bad = true
	}
}

// readParcel gives the events of a parcel and its seal.
func readParcel(key, b []byte) (events []event, mac []byte, err error) {
	n, items, mac, err := openParcel(key, b, parcelMagic)
	if err != nil {
		return nil, nil, err
	}
	if n == 0 || n > parcelItems {
		return nil, nil, fmt.Errorf("a parcel of %d items: want 1 to %d", n, parcelItems)
	}
	r := parcelReader{b: items}
	events = make([]event, n)
	for i := range events {
		if r.item(&events[i]); r.bad {
			return nil, nil, fmt.Errorf("item %d of a parcel is cut short or of another version", i)
		}
	}
	if len(r.b) > 0 {
		return nil, nil, errors.New("a parcel is longer than its items")
	}
	return events, mac, nil
}

func appendAnswer(dst, key, mac []byte, events []event) []byte {
	at := len(dst)
	dst = binary.LittleEndian.AppendUint16(append(dst, answerMagic...), uint16(len(events)))
	for i := range events {
		r := &events[i].receipt
		dst = append(dst, byte(r.Status))
		dst = binary.LittleEndian.AppendUint64(dst, r.EventID.Hi)
		dst = binary.LittleEndian.AppendUint64(dst, r.EventID.Lo)
	}
	return append(dst[:at], sealParcel(key, dst[at:], mac)...)
}

// readAnswer gives the receipts of a parcel that had n items.
func readAnswer(key, mac, b []byte, n int) ([]serving.Receipt, error) {
	count, items, _, err := openParcel(key, b, answerMagic, mac)
	if err != nil {
		return nil, err
	}
	if count != n || len(items) != n*answerItem {
		return nil, fmt.Errorf("%d receipts for %d events", count, n)
	}
	out := make([]serving.Receipt, n)
	r := parcelReader{b: items}
	for i := range out {
		out[i].Status = serving.BeaconStatus(r.octet())
		out[i].EventID = id.Event{Hi: r.u64(), Lo: r.u64()}
		if int(out[i].Status) >= serving.StatusCount {
			return nil, fmt.Errorf("receipt %d has status %d of another version", i, out[i].Status)
		}
	}
	return out, nil
}
