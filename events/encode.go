package events

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"

	"mazad/internal/id"
)

// Encoder writes records. The zero value drops personal blocks, because there
// is no key to seal them with. It is immutable and safe for concurrent use.
type Encoder struct {
	Keys Keys
	Rand io.Reader // nonces of personal blocks; nil = crypto/rand
}

// Append appends the encoded record to dst. Without a personal block it
// allocates nothing. A user whose key is gone gets no personal block.
func (e *Encoder) Append(dst []byte, r *Record) ([]byte, error) {
	at := len(dst)
	dst, err := appendClear(dst, r)
	if err != nil || r.Personal.State != PrivacyOpen {
		return dst, err
	}
	return e.sealFrom(dst, at, r)
}

// AppendClear encodes r with its personal block readable: for the memory of this
// process only, where sealing would cost the caller too much. Seal makes a
// record of it. It allocates nothing.
func (e *Encoder) AppendClear(dst []byte, r *Record) ([]byte, error) { return appendClear(dst, r) }

// Seal appends to dst the record that AppendClear wrote to clear. r is scratch.
func (e *Encoder) Seal(dst, clear []byte, r *Record) ([]byte, error) {
	if _, err := decodeRecord(clear, r, nil, true); err != nil {
		return dst, fmt.Errorf("seal a record: %w", err)
	}
	return e.Append(dst, r)
}

// appendClear writes the record with an unsealed personal block.
func appendClear(dst []byte, r *Record) ([]byte, error) {
	if err := r.check(); err != nil {
		return dst, err
	}
	at := len(dst)
	dst = appendFixed(dst, r)
	dst = appendSections(dst, r, r.Body)
	if r.Personal.State == PrivacyOpen {
		dst = appendPersonalClear(dst, &r.Personal)
	}
	return finishRecord(dst, at, r)
}

// sealFrom rewrites the record that starts at dst[at], sealing its personal block.
func (e *Encoder) sealFrom(dst []byte, at int, r *Record) ([]byte, error) {
	key, ok := [32]byte{}, false
	if e.Keys != nil {
		key, ok = e.Keys.Key(r.Personal.Ord)
	}
	dst = appendFixed(dst[:at], r)
	sections := binary.LittleEndian.Uint16(dst[at+12:]) &^ (inClear | hasPersonal)
	if ok {
		sections |= hasPersonal
	}
	body := r.Body
	if r.Kind == KindReplay && sections&hasBody != 0 {
		if sections &^= hasBody; ok {
			sections |= hasSealed
		}
		body = nil
	}
	binary.LittleEndian.PutUint16(dst[at+12:], sections)
	dst = appendSections(dst, r, body)
	if !ok {
		return finishRecord(dst, at, r)
	}
	aead, err := personalAEAD(&key)
	if err != nil {
		return dst[:at], err
	}
	dst = binary.LittleEndian.AppendUint32(dst, r.Personal.Ord)
	if dst, err = e.appendNonce(dst); err != nil {
		return dst[:at], err
	}
	dst = append(dst, 0, 0)
	plainAt := len(dst)
	dst = appendPersonalBlock(dst, &r.Personal)
	binary.LittleEndian.PutUint16(dst[plainAt-2:], uint16(len(dst)-plainAt+personalTag))
	event := dst[at+recordIDAt : at+recordIDAt+16]
	dst = aead.Seal(dst[:plainAt], dst[plainAt-2-personalNonce:plainAt-2], dst[plainAt:], event)
	if sections&hasSealed != 0 {
		if dst, err = e.appendNonce(dst); err != nil {
			return dst[:at], err
		}
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(r.Body)+personalTag))
		nonce := dst[len(dst)-4-personalNonce : len(dst)-4]
		dst = aead.Seal(dst, nonce, r.Body, bodyOf(r))
	}
	return finishRecord(dst, at, r)
}

// bodyOf is what is authenticated with a sealed body: its event, and that it is
// no personal block.
func bodyOf(r *Record) []byte {
	b := make([]byte, 16, 20)
	putEvent(b, r.ID)
	return append(b, "body"...)
}

func (e *Encoder) appendNonce(dst []byte) ([]byte, error) {
	source := e.Rand
	if source == nil {
		source = rand.Reader
	}
	dst = append(dst, make([]byte, personalNonce)...)
	if _, err := io.ReadFull(source, dst[len(dst)-personalNonce:]); err != nil {
		return dst, fmt.Errorf("seal a personal block: %w", err)
	}
	return dst, nil
}

// personalAEAD is AES-256-GCM under the user's own key. Nonces are random: a
// user would need 2^32 records before a repeat becomes thinkable. The event id is
// authenticated with it, so a block cannot be moved to another record.
func personalAEAD(key *[32]byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("personal block: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("personal block: %w", err)
	}
	return aead, nil
}

const recordIDAt = 20

func appendFixed(dst []byte, r *Record) []byte {
	var b [recordFixed]byte
	le := binary.LittleEndian
	b[0], b[1], b[2], b[3] = recordMagic0, recordMagic1, formatVersion, byte(r.Kind)
	var sections uint16
	if len(r.Features) > 0 {
		sections |= hasFeatures
	}
	if r.Kind == KindConversion {
		sections |= hasConversion
	}
	if len(r.Body) > 0 {
		sections |= hasBody
	}
	if r.Personal.State == PrivacyOpen {
		sections |= hasPersonal | inClear
	}
	le.PutUint16(b[12:], sections)
	b[14], b[15] = byte(r.Verdict), r.BillingEvent
	le.PutUint16(b[16:], uint16(r.Reason))
	b[18], b[19] = r.Door, r.Slot
	putEvent(b[recordIDAt:], r.ID)
	putEvent(b[36:], r.AuctionID)
	r.Token.put(b[52:])
	le.PutUint64(b[64:], uint64(r.TimeMS))
	le.PutUint64(b[72:], uint64(r.AuctionMS))
	le.PutUint64(b[80:], uint64(r.BilledNanos))
	le.PutUint64(b[88:], uint64(r.PriceNanos))
	le.PutUint64(b[96:], uint64(r.BidNanos))
	le.PutUint64(b[104:], uint64(r.Advertiser))
	le.PutUint64(b[112:], uint64(r.Campaign))
	le.PutUint64(b[120:], uint64(r.AdGroup))
	le.PutUint64(b[128:], uint64(r.Ad))
	le.PutUint64(b[136:], uint64(r.Revision))
	le.PutUint64(b[144:], r.Region)
	le.PutUint32(b[152:], uint32(r.Day))
	copy(b[156:], r.Country[:])
	le.PutUint16(b[158:], r.Language)
	b[160], b[161], b[162], b[163], b[164] = r.Age, r.Gender, r.OS, r.Placement, r.Universe
	copy(b[165:], r.Currency[:])
	le.PutUint16(b[168:], r.LossCode)
	b[170], b[171] = byte(r.Flags), byte(r.Use)
	le.PutUint32(b[172:], r.Model)
	return append(dst, b[:]...)
}

// appendSections writes what follows the fixed part, except what is sealed, which
// comes last.
func appendSections(dst []byte, r *Record, body []byte) []byte {
	le := binary.LittleEndian
	if len(r.Features) > 0 {
		dst = le.AppendUint16(dst, uint16(len(r.Features)))
		dst = append(dst, r.Features...)
	}
	if r.Kind == KindConversion {
		c := &r.Conversion
		dst = le.AppendUint64(dst, uint64(c.ValueNanos))
		dst = append(dst, c.Currency[:]...)
		dst = append(dst, byte(c.Match))
		dst = le.AppendUint64(dst, uint64(c.ClickMS))
		dst = le.AppendUint64(dst, c.ClickID.Hi)
		dst = le.AppendUint64(dst, c.ClickID.Lo)
		dst = append(dst, byte(len(c.Name)), byte(len(c.EventID)))
		dst = append(dst, c.Name...)
		dst = append(dst, c.EventID...)
	}
	if len(body) > 0 {
		dst = le.AppendUint32(dst, uint32(len(body)))
		dst = append(dst, body...)
	}
	return dst
}

func appendPersonalClear(dst []byte, p *Personal) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, p.Ord)
	dst = append(dst, make([]byte, personalNonce)...)
	at := len(dst)
	dst = append(dst, 0, 0)
	dst = appendPersonalBlock(dst, p)
	binary.LittleEndian.PutUint16(dst[at:], uint16(len(dst)-at-2))
	return dst
}

// appendPersonalBlock writes what gets sealed.
func appendPersonalBlock(dst []byte, p *Personal) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint32(dst, p.City)
	dst = append(dst, p.IP24[:]...)
	dst = le.AppendUint16(dst, uint16(len(p.UserAgent)))
	dst = append(dst, p.UserAgent...)
	for _, list := range [2][]uint32{p.Segments, p.Interests} {
		dst = le.AppendUint16(dst, uint16(len(list)))
		for _, v := range list {
			dst = le.AppendUint32(dst, v)
		}
	}
	return dst
}

// finishRecord fills in length and checksum.
func finishRecord(dst []byte, at int, r *Record) ([]byte, error) {
	b := dst[at:]
	if limit := r.Kind.maxRecord(); len(b) > limit {
		return dst[:at], fmt.Errorf("record %s: encoded size is %d, the limit is %d: %w", r.ID, len(b), limit, ErrLimit)
	}
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)))
	binary.LittleEndian.PutUint32(b[8:], sumAround(b))
	return dst, nil
}

func putEvent(b []byte, e id.Event) {
	binary.LittleEndian.PutUint64(b, e.Hi)
	binary.LittleEndian.PutUint64(b[8:], e.Lo)
}

func eventOf(b []byte) id.Event {
	return id.Event{Hi: binary.LittleEndian.Uint64(b), Lo: binary.LittleEndian.Uint64(b[8:])}
}
