package id

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// Event identifies an auction or an event: 128 bits, most significant first:
// milliseconds since the Unix epoch (48), partition (16), region (8), serial (56).
// Compare orders by time first.
type Event struct {
	Hi, Lo uint64
}

const serialMask = 1<<56 - 1

// MakeEvent packs the parts. ms is truncated to 48 bits and serial to 56.
func MakeEvent(ms int64, region uint8, partition uint16, serial uint64) Event {
	return Event{
		Hi: uint64(ms)<<16 | uint64(partition),
		Lo: uint64(region)<<56 | serial&serialMask,
	}
}

// Millis is the time part, in milliseconds since the Unix epoch.
func (e Event) Millis() int64 { return int64(e.Hi >> 16) }

// Partition is the home partition.
func (e Event) Partition() uint16 { return uint16(e.Hi) }

// Region is the operator's region number.
func (e Event) Region() uint8 { return uint8(e.Lo >> 56) }

// Serial is the dense number within region and partition.
func (e Event) Serial() uint64 { return e.Lo & serialMask }

// IsZero reports the absent id.
func (e Event) IsZero() bool { return e.Hi == 0 && e.Lo == 0 }

// Compare orders by time, then partition, region and serial.
func (e Event) Compare(o Event) int {
	switch {
	case e.Hi < o.Hi || e.Hi == o.Hi && e.Lo < o.Lo:
		return -1
	case e == o:
		return 0
	}
	return 1
}

// Append appends the 32 lower-case hexadecimal digits to dst.
func (e Event) Append(dst []byte) []byte {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], e.Hi)
	binary.BigEndian.PutUint64(b[8:], e.Lo)
	return hex.AppendEncode(dst, b[:])
}

func (e Event) String() string { return string(e.Append(nil)) }

// ParseEvent reads 32 hexadecimal digits.
func ParseEvent(s string) (Event, error) {
	var b [16]byte
	if len(s) != 32 {
		return Event{}, fmt.Errorf("%q is not an event id: want 32 hexadecimal digits, got %d characters", clip(s), len(s))
	}
	if _, err := hex.Decode(b[:], []byte(s)); err != nil {
		return Event{}, fmt.Errorf("%q is not an event id: %w", s, err)
	}
	return Event{Hi: binary.BigEndian.Uint64(b[:8]), Lo: binary.BigEndian.Uint64(b[8:])}, nil
}
