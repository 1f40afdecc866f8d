package events

import (
	"encoding/binary"
	"fmt"

	"mazad/internal/id"
	"mazad/internal/money"
)

// Decode reads the record at the start of b into r and returns what follows it.
// Slices of r point into b. keys opens the personal block; where the key is
// missing (or keys is nil) the block reads as forgotten. It allocates only for
// personal blocks.
func Decode(b []byte, r *Record, keys Keys) (rest []byte, err error) {
	return decodeRecord(b, r, keys, false)
}

func decodeRecord(b []byte, r *Record, keys Keys, clear bool) (rest []byte, err error) {
	if len(b) < recordFixed {
		return b, damaged("a record of %d bytes, the fixed part alone has %d", len(b), recordFixed)
	}
	if b[0] != recordMagic0 || b[1] != recordMagic1 {
		return b, damaged("a record starts with %#x %#x instead of \"Mr\"", b[0], b[1])
	}
	if b[2] != formatVersion {
		return b, fmt.Errorf("%w: record format v%d, this build reads v%d", ErrVersion, b[2], formatVersion)
	}
	n := binary.LittleEndian.Uint32(b[4:])
	if limit := Kind(b[3]).maxRecord(); n < recordFixed || int64(n) > int64(limit) || uint64(n) > uint64(len(b)) {
		return b, damaged("a record says it has %d bytes, %d are there, the limit is %d", n, len(b), limit)
	}
	b, rest = b[:n], b[n:]
	if got, want := sumAround(b), binary.LittleEndian.Uint32(b[8:]); got != want {
		return rest, damaged("record checksum is %08x, stored %08x", got, want)
	}
	r.Reset()
	decodeFixed(b, r)
	sections := binary.LittleEndian.Uint16(b[12:])
	if sections&inClear != 0 && !clear {
		return rest, damaged("record %s has an unsealed personal block", r.ID)
	}
	if sections&^(sectionsKnown|inClear) != 0 {
		return rest, fmt.Errorf("%w: record %s has sections %#04x, v%d knows %#04x", ErrVersion, r.ID, sections, formatVersion, sectionsKnown)
	}
	c := cursor{b: b[recordFixed:]}
	decodeSections(&c, r, sections)
	if sections&hasPersonal != 0 {
		if err := decodePersonal(&c, r, keys, sections&inClear != 0); err != nil {
			return rest, err
		}
	}
	if sections&hasSealed != 0 {
		if err := decodeSealed(&c, r, keys); err != nil {
			return rest, err
		}
	}
	if c.short || len(c.b) != 0 {
		return rest, damaged("record %s: its sections do not fill its length", r.ID)
	}
	return rest, r.check()
}

func decodeFixed(b []byte, r *Record) {
	le := binary.LittleEndian
	r.Kind, r.Verdict, r.BillingEvent = Kind(b[3]), Verdict(b[14]), b[15]
	r.Reason, r.Door, r.Slot = Reason(le.Uint16(b[16:])), b[18], b[19]
	r.ID, r.AuctionID, r.Token = eventOf(b[recordIDAt:]), eventOf(b[36:]), tokenIDOf(b[52:])
	r.TimeMS, r.AuctionMS = int64(le.Uint64(b[64:])), int64(le.Uint64(b[72:]))
	r.BilledNanos = money.Nanos(le.Uint64(b[80:]))
	r.PriceNanos = money.Nanos(le.Uint64(b[88:]))
	r.BidNanos = money.Nanos(le.Uint64(b[96:]))
	r.Advertiser = id.Advertiser(le.Uint64(b[104:]))
	r.Campaign = id.Campaign(le.Uint64(b[112:]))
	r.AdGroup = id.AdGroup(le.Uint64(b[120:]))
	r.Ad = id.Ad(le.Uint64(b[128:]))
	r.Revision = int64(le.Uint64(b[136:]))
	r.Region = le.Uint64(b[144:])
	r.Day = int32(le.Uint32(b[152:]))
	copy(r.Country[:], b[156:])
	r.Language = le.Uint16(b[158:])
	r.Age, r.Gender, r.OS, r.Placement, r.Universe = b[160], b[161], b[162], b[163], b[164]
	copy(r.Currency[:], b[165:])
	r.LossCode = le.Uint16(b[168:])
	r.Flags, r.Use = Flags(b[170]), Use(b[171])
	r.Model = le.Uint32(b[172:])
}

func decodeSections(c *cursor, r *Record, sections uint16) {
	if sections&hasFeatures != 0 {
		r.Features = c.take(int(c.u16()))
	}
	if sections&hasConversion != 0 {
		f := c.take(conversionFixed)
		if f != nil {
			v := &r.Conversion
			v.ValueNanos = money.Nanos(binary.LittleEndian.Uint64(f))
			copy(v.Currency[:], f[8:])
			v.Match = Match(f[11])
			v.ClickMS = int64(binary.LittleEndian.Uint64(f[12:]))
			v.ClickID = eventOf(f[20:])
			v.Name = c.take(int(f[36]))
			v.EventID = c.take(int(f[37]))
		}
	}
	if sections&hasBody != 0 {
		r.Body = c.take(int(c.u32()))
	}
}

func decodePersonal(c *cursor, r *Record, keys Keys, clear bool) error {
	p := &r.Personal
	p.Ord = c.u32()
	nonce := c.take(personalNonce)
	sealed := c.take(int(c.u16()))
	if c.short {
		return damaged("record %s: its personal block is cut short", r.ID)
	}
	p.State = PrivacyForgotten
	if clear {
		return openPersonal(r, sealed)
	}
	if keys == nil {
		return nil
	}
	key, ok := keys.Key(p.Ord)
	if !ok {
		return nil
	}
	aead, err := personalAEAD(&key)
	if err != nil {
		return err
	}
	var aad [16]byte
	putEvent(aad[:], r.ID)
	r.scratch, err = aead.Open(r.scratch[:0], nonce, sealed, aad[:])
	if err != nil {
		return damaged("record %s: the personal block of user %d does not open with its key", r.ID, p.Ord)
	}
	return openPersonal(r, r.scratch)
}

// decodeSealed opens the body of a replay; without the user's key there is none.
func decodeSealed(c *cursor, r *Record, keys Keys) error {
	nonce := c.take(personalNonce)
	sealed := c.take(int(c.u32()))
	if c.short || r.Personal.State == PrivacyNone || r.Kind != KindReplay || len(r.Body) > 0 {
		return damaged("record %s: a sealed body is cut short or has no place there", r.ID)
	}
	if r.Personal.State != PrivacyOpen {
		return nil
	}
	key, ok := keys.Key(r.Personal.Ord)
	if !ok { // forgotten just now
		r.Personal.State = PrivacyForgotten
		return nil
	}
	aead, err := personalAEAD(&key)
	if err != nil {
		return err
	}
	if r.opened, err = aead.Open(r.opened[:0], nonce, sealed, bodyOf(r)); err != nil {
		return damaged("record %s: its body does not open with the key of user %d", r.ID, r.Personal.Ord)
	}
	r.Body = r.opened
	return nil
}

func openPersonal(r *Record, plain []byte) error {
	p, c := &r.Personal, cursor{b: plain}
	p.City = c.u32()
	copy(p.IP24[:], c.take(3))
	p.UserAgent = c.take(int(c.u16()))
	p.Segments = c.list(p.Segments[:0])
	p.Interests = c.list(p.Interests[:0])
	if c.short || len(c.b) != 0 {
		return damaged("record %s: the personal block does not fill its length", r.ID)
	}
	p.State = PrivacyOpen
	return nil
}

// cursor reads little-endian values and remembers whether it ran out of bytes.
type cursor struct {
	b     []byte
	short bool
}

func (c *cursor) take(n int) []byte {
	if n > len(c.b) || n < 0 {
		c.short, c.b = true, nil
		return nil
	}
	out := c.b[:n:n]
	c.b = c.b[n:]
	return out
}

func (c *cursor) u8() byte {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if b := c.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if b := c.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if b := c.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (c *cursor) uvarint() uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.short, c.b = true, nil
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) list(dst []uint32) []uint32 {
	for n := int(c.u16()); n > 0 && !c.short; n-- {
		dst = append(dst, c.u32())
	}
	return dst
}
