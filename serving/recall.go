package serving

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"mazad/events"
	"mazad/events/diary"
)

// A checkpoint is what a node remembers of its money stream up to a batch: used
// tokens, counts of learning, clicks and conversions for attribution, clicks that
// wait for their homes. A start loads it and reads the rest of the stream. All
// integers are little-endian.
//
//	"MzC" 1 | length 8 | sequence 8, writer 8, number 8 of the batch | sections | CRC32C of all before
//	section   tag 1 | length 8 | bytes
//
// It is a cache: whatever is wrong with one, the stream has all of it.
const (
	recallMagic = "MzC\x01"
	recallHead  = 4 + 8 + 3*8
	sectionHead = 1 + 8
)

// Sections of a checkpoint. The numbers are on disk: append only.
const (
	sectionUsed = iota
	sectionLearnt
	sectionAttribution
	sectionPending
	sectionEnd
)

// place names a batch of the stream.
type place struct{ seq, writer, number uint64 }

func placeOf(b *diary.Batch) place { return place{b.Seq, b.Writer, b.Number} }

// Checkpoint is one that was read.
type Checkpoint struct {
	at       place
	sections [sectionEnd][]byte
}

// errNoCheckpoint is what ReadCheckpoint says of bytes that are none.
var errNoCheckpoint = errors.New("not a checkpoint, or damaged")

var recallTable = crc32.MakeTable(crc32.Castagnoli)

// ReadCheckpoint checks every byte. The result points into b.
func ReadCheckpoint(b []byte) (*Checkpoint, error) {
	le := binary.LittleEndian
	switch {
	case len(b) < recallHead+4 || !bytes.Equal(b[:3], []byte(recallMagic[:3])):
		return nil, fmt.Errorf("%w: %d bytes that do not begin as one", errNoCheckpoint, len(b))
	case b[3] != recallMagic[3]:
		return nil, fmt.Errorf("%w: format %d, this build reads %d", errNoCheckpoint, b[3], recallMagic[3])
	case le.Uint64(b[4:]) != uint64(len(b)):
		return nil, fmt.Errorf("%w: it says it has %d bytes, %d are there", errNoCheckpoint, le.Uint64(b[4:]), len(b))
	}
	body := b[:len(b)-4]
	if got, want := crc32.Checksum(body, recallTable), le.Uint32(b[len(body):]); got != want {
		return nil, fmt.Errorf("%w: its checksum is %08x, stored %08x", errNoCheckpoint, got, want)
	}
	c := &Checkpoint{at: place{le.Uint64(b[12:]), le.Uint64(b[20:]), le.Uint64(b[28:])}}
	for rest := body[recallHead:]; len(rest) > 0; {
		if len(rest) < sectionHead || rest[0] >= sectionEnd || le.Uint64(rest[1:]) > uint64(len(rest)-sectionHead) {
			return nil, fmt.Errorf("%w: a section is cut short or unknown", errNoCheckpoint)
		}
		n := sectionHead + int(le.Uint64(rest[1:]))
		c.sections[rest[0]] = rest[sectionHead:n:n]
		rest = rest[n:]
	}
	return c, nil
}

// Sequence is the batch up to which it remembers.
func (c *Checkpoint) Sequence() uint64 { return c.at.seq }

// Recalled is what a start begins with besides what the Bookkeeper keeps.
type Recalled struct {
	Used        *events.Used
	Attribution *events.Attribution
	Pending     Pending
}

// Resume takes a checkpoint instead of the stream up to it. An error says why it
// cannot be used; the Bookkeeper and its learner are then as good as new only if
// they are made anew. Call it before Recover.
func (b *Bookkeeper) Resume(ctx context.Context, c *Checkpoint, attribution events.AttributionConfig) (*Recalled, error) {
	if c.at.seq > b.posted {
		return nil, fmt.Errorf("it is of batch %d and the ledger is at %d: the ledger is an older copy", c.at.seq, b.posted)
	}
	if err := b.sameStream(ctx, c.at); err != nil {
		return nil, err
	}
	out := &Recalled{Attribution: events.NewAttribution(attribution)}
	used, err := c.used()
	if err == nil {
		out.Used, err = c.used() // the Bookkeeper's is only of what is booked, the Tracker's runs ahead
	}
	if err == nil {
		err = out.Attribution.LoadState(c.sections[sectionAttribution])
	}
	if err == nil {
		err = out.Pending.load(c.sections[sectionPending])
	}
	if err == nil && b.cfg.Learner != nil {
		err = b.cfg.Learner.LoadCounts(c.sections[sectionLearnt])
	}
	if err != nil {
		return nil, err
	}
	b.used, b.folded = used, c.at
	for _, click := range out.Pending.Clicks() {
		b.unsent.Add(click)
	}
	return out, nil
}

// sameStream makes sure that the checkpoint is of this stream: the batch it was
// made at is still the same one, where the stream still has it.
func (b *Bookkeeper) sameStream(ctx context.Context, at place) error {
	first, last, err := b.cfg.Stream.Last(ctx, b.cfg.Money)
	if err != nil {
		return fmt.Errorf("find the end of the money stream: %w", err)
	}
	if at.seq > last || at.seq == 0 {
		return fmt.Errorf("it is of batch %d and the stream ends at %d", at.seq, last)
	}
	if at.seq < first {
		if at.seq+1 < first {
			return fmt.Errorf("it is of batch %d and the stream begins at %d", at.seq, first)
		}
		return nil
	}
	found := place{}
	err = b.cfg.Stream.Read(ctx, b.cfg.Money, at.seq, at.seq, func(batch *diary.Batch) error {
		found = placeOf(batch)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read batch %d of the money stream: %w", at.seq, err)
	}
	if found != at {
		return fmt.Errorf("it is of another stream: batch %d was the %d of life %d, here it is the %d of life %d", at.seq, at.number, at.writer, found.number, found.writer)
	}
	return nil
}

func (c *Checkpoint) used() (*events.Used, error) {
	u, seq, err := events.LoadUsed(c.sections[sectionUsed])
	if err == nil && seq != c.at.seq {
		err = fmt.Errorf("%w: its tokens are of batch %d, it is of %d", errNoCheckpoint, seq, c.at.seq)
	}
	return u, err
}

// AppendCheckpoint appends what is remembered of everything that is booked.
// Attribution is the Tracker's, who knows what of it is not on disk yet. It is
// the Bookkeeper's goroutine that calls it. dst is unchanged when there is
// nothing to remember.
func (b *Bookkeeper) AppendCheckpoint(dst []byte, t *Tracker) ([]byte, error) {
	if b.folded.seq == 0 || b.read != (place{}) && b.read != b.folded { // or what is folded is not all booked
		return dst, nil
	}
	at, le := len(dst), binary.LittleEndian
	dst = le.AppendUint64(append(dst, recallMagic...), 0)
	for _, n := range [3]uint64{b.folded.seq, b.folded.writer, b.folded.number} {
		dst = le.AppendUint64(dst, n)
	}
	section := func(tag byte, write func([]byte) ([]byte, error)) (err error) {
		from := len(dst) + sectionHead
		dst = le.AppendUint64(append(dst, tag), 0)
		if dst, err = write(dst); err == nil {
			le.PutUint64(dst[from-8:], uint64(len(dst)-from))
		}
		return err
	}
	err := errors.Join(
		section(sectionUsed, func(d []byte) ([]byte, error) { return b.used.AppendCheckpoint(d, b.folded.seq) }),
		section(sectionLearnt, func(d []byte) ([]byte, error) {
			if b.cfg.Learner == nil {
				return d, nil
			}
			return b.cfg.Learner.AppendCounts(d), nil
		}),
		section(sectionAttribution, func(d []byte) ([]byte, error) { return t.appendAttribution(d), nil }),
		section(sectionPending, func(d []byte) ([]byte, error) { return b.unsent.append(d), nil }),
	)
	if err != nil {
		return dst[:at], fmt.Errorf("make a checkpoint: %w", err)
	}
	le.PutUint64(dst[at+4:], uint64(len(dst)-at+4))
	return le.AppendUint32(dst, crc32.Checksum(dst[at:], recallTable)), nil
}

// Folded is the batch that a checkpoint made now would be of.
func (b *Bookkeeper) Folded() uint64 { return b.folded.seq }

// appendAttribution leaves out what may yet be lost: its sender will repeat it,
// and must not be told that it is there.
func (t *Tracker) appendAttribution(dst []byte) []byte {
	if t.cfg.Attribution == nil {
		return events.NewAttribution(events.AttributionConfig{}).AppendState(dst, events.Heard{}, nil)
	}
	t.convert.Lock()
	heard := t.cfg.Attribution.Heard()
	t.convert.Unlock()
	unsure := t.flights.conversions() // one that is lost from now on is in it; one that was is forgotten by now
	t.convert.Lock()
	defer t.convert.Unlock()
	return t.cfg.Attribution.AppendState(dst, heard, func(k [16]byte) bool { return unsure[keyOfConversion(k)] })
}

func (p *Pending) append(dst []byte) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint32(dst, uint32(len(p.clicks)))
	for _, c := range p.clicks {
		dst = le.AppendUint64(le.AppendUint32(le.AppendUint16(dst, c.ID.Partition), c.ID.Generation), c.ID.Serial)
		dst = le.AppendUint64(le.AppendUint64(dst, uint64(c.AtMS)), uint64(c.AuctionMS))
		dst = append(le.AppendUint16(dst, uint16(len(c.Token))), c.Token...)
	}
	return dst
}

func (p *Pending) load(b []byte) error {
	const fixed = 2 + 4 + 8 + 8 + 8 + 2
	le := binary.LittleEndian
	if len(b) < 4 {
		return fmt.Errorf("%w: the clicks that wait are cut short", errNoCheckpoint)
	}
	n, b := le.Uint32(b), b[4:]
	for ; n > 0; n-- {
		if len(b) < fixed || len(b) < fixed+int(le.Uint16(b[fixed-2:])) {
			return fmt.Errorf("%w: the clicks that wait are cut short", errNoCheckpoint)
		}
		c := PendingClick{ID: events.TokenID{Partition: le.Uint16(b), Generation: le.Uint32(b[2:]), Serial: le.Uint64(b[6:])},
			AtMS: int64(le.Uint64(b[14:])), AuctionMS: int64(le.Uint64(b[22:]))}
		end := fixed + int(le.Uint16(b[fixed-2:]))
		c.Token = bytes.Clone(b[fixed:end])
		p.Add(c)
		b = b[end:]
	}
	if len(b) > 0 {
		return fmt.Errorf("%w: the clicks that wait are too long", errNoCheckpoint)
	}
	return nil
}
