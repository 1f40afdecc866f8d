package events

import (
	"encoding/binary"

	"mazad/internal/id"
)

// recallVersion is the version of what AppendState writes.
const recallVersion = 1

// Heard is which conversions an Attribution had heard of at some time.
type Heard struct{ list []dedupEntry }

// Heard copies the list.
func (a *Attribution) Heard() (h Heard) {
	h.list = make([]dedupEntry, 0, a.seen.count)
	for i := range a.seen.count {
		h.list = append(h.list, a.seen.order[(a.seen.first+i)%len(a.seen.order)])
	}
	return h
}

// AppendState appends what the attribution remembers: of conversions, those that
// it had heard of then and has not forgotten since. unsure says of a conversion's
// key (ConversionKey) that its record is not known to be on disk: it is left out,
// because its sender may have to repeat it.
func (a *Attribution) AppendState(dst []byte, heard Heard, unsure func([16]byte) bool) []byte {
	le := binary.LittleEndian
	l := &a.clicks
	held := uint64(len(l.ring))
	dst = le.AppendUint64(append(dst, recallVersion), held)
	for serial := l.head - held + 1; serial <= l.head; serial++ {
		dst = appendClick(dst, &l.at(serial).Click)
	}
	countAt, n := len(dst), uint64(0)
	dst = le.AppendUint64(dst, 0)
	for _, e := range heard.list {
		if ms, ok := a.seen.at[e.key]; !ok || ms != e.ms || unsure != nil && unsure(e.key) {
			continue
		}
		dst = le.AppendUint64(append(dst, e.key[:]...), uint64(e.ms))
		n++
	}
	le.PutUint64(dst[countAt:], n)
	return dst
}

// LoadState takes what AppendState wrote into an Attribution that has seen
// nothing. Applying records that were in it already changes nothing that counts.
func (a *Attribution) LoadState(b []byte) error {
	c := cursor{b: b}
	if v := c.u8(); v != recallVersion {
		return damaged("what attribution remembers has version %d, this build reads %d", v, recallVersion)
	}
	for n := c.u64(); n > 0 && !c.short; n-- {
		if click := readClick(&c); !c.short {
			a.clicks.add(&click)
		}
	}
	for n := c.u64(); n > 0 && !c.short; n-- {
		key, ms := c.take(16), int64(c.u64())
		if !c.short {
			a.seen.mark(dedupKey(key), ms)
		}
	}
	if c.short || len(c.b) > 0 {
		return damaged("what attribution remembers is cut short or too long")
	}
	return nil
}

func appendClick(dst []byte, c *Click) []byte {
	le := binary.LittleEndian
	for _, v := range [4]uint64{c.ID.Hi, c.ID.Lo, c.AuctionID.Hi, c.AuctionID.Lo} {
		dst = le.AppendUint64(dst, v)
	}
	var t [12]byte
	c.Token.put(t[:])
	dst = append(dst, t[:]...)
	for _, v := range [7]uint64{uint64(c.TimeMS), uint64(c.Advertiser), uint64(c.Campaign), uint64(c.AdGroup), uint64(c.Ad), uint64(c.Revision), c.Region} {
		dst = le.AppendUint64(dst, v)
	}
	dst = le.AppendUint32(le.AppendUint32(dst, uint32(c.Day)), c.User)
	dst = append(append(dst, c.Currency[:]...), c.Country[:]...)
	dst = le.AppendUint16(dst, c.Language)
	has := byte(0)
	if c.HasUser {
		has = 1
	}
	return append(dst, c.Age, c.Gender, c.OS, c.Placement, c.Universe, has)
}

func readClick(b *cursor) (c Click) {
	c.ID, c.AuctionID = id.Event{Hi: b.u64(), Lo: b.u64()}, id.Event{Hi: b.u64(), Lo: b.u64()}
	if t := b.take(12); t != nil {
		c.Token = tokenIDOf(t)
	}
	c.TimeMS, c.Advertiser, c.Campaign = int64(b.u64()), id.Advertiser(b.u64()), id.Campaign(b.u64())
	c.AdGroup, c.Ad, c.Revision, c.Region = id.AdGroup(b.u64()), id.Ad(b.u64()), int64(b.u64()), b.u64()
	c.Day, c.User = int32(b.u32()), b.u32()
	copy(c.Currency[:], b.take(3))
	copy(c.Country[:], b.take(2))
	c.Language = b.u16()
	if h := b.take(6); h != nil {
		c.Age, c.Gender, c.OS, c.Placement, c.Universe, c.HasUser = h[0], h[1], h[2], h[3], h[4], h[5] == 1
	}
	return c
}
