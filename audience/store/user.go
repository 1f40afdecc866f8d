package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mazad/audience"
)

// Limits of one user and one call.
const (
	MaxDigests = 16    // per kind and user
	MaxBatch   = 5_000 // users per Upsert
)

// Digest is the SHA-256 of an e-mail address, a phone number or a device id.
type Digest [32]byte

// User is one user as the operator's app sends it. An Upsert replaces the whole
// user.
type User struct {
	ID        string // the app's own id, 1..128 bytes
	Emails    []Digest
	Phones    []Digest
	Devices   []Digest
	Age       uint8 // years; 0 = unknown
	Gender    audience.Gender
	Language  audience.Language
	Consent   audience.Consent
	Interests []uint32 // any order
	Segments  []uint32 // any order
}

// Validate reports the first field out of its limits, naming field, value and
// limit.
func (u *User) Validate() error {
	switch {
	case len(u.ID) == 0 || len(u.ID) > audience.MaxUserID:
		return fmt.Errorf("id: %d bytes: want 1 to %d", len(u.ID), audience.MaxUserID)
	case u.Age > audience.MaxAge:
		return fmt.Errorf("age: %d: want at most %d", u.Age, audience.MaxAge)
	case u.Gender > audience.GenderFemale:
		return fmt.Errorf("gender: %d: want at most %d", u.Gender, audience.GenderFemale)
	case u.Consent > audience.ConsentDenied:
		return fmt.Errorf("consent: %d: want at most %d", u.Consent, audience.ConsentDenied)
	case len(u.Interests) > audience.MaxInterests:
		return fmt.Errorf("interests: %d entries: want at most %d", len(u.Interests), audience.MaxInterests)
	case len(u.Segments) > audience.MaxSegments:
		return fmt.Errorf("segments: %d entries: want at most %d", len(u.Segments), audience.MaxSegments)
	case len(u.Emails) > MaxDigests:
		return fmt.Errorf("emails: %d entries: want at most %d", len(u.Emails), MaxDigests)
	case len(u.Phones) > MaxDigests:
		return fmt.Errorf("phones: %d entries: want at most %d", len(u.Phones), MaxDigests)
	case len(u.Devices) > MaxDigests:
		return fmt.Errorf("devices: %d entries: want at most %d", len(u.Devices), MaxDigests)
	}
	return nil
}

// entry is what one log entry says of a user. known is false for a user that
// only has a number and a key.
type entry struct {
	User
	known  bool
	atMS   int64
	userNo audience.UserOrd
}

// normal is a copy of u that shares no memory with it, lists ascending.
func normal(u *User) User {
	n := *u
	n.ID = strings.Clone(u.ID)
	n.Emails, n.Phones, n.Devices = slices.Clone(u.Emails), slices.Clone(u.Phones), slices.Clone(u.Devices)
	n.Interests, n.Segments = ascending(u.Interests), ascending(u.Segments)
	return n
}

func ascending(values []uint32) []uint32 {
	values = slices.Clone(values)
	slices.Sort(values)
	return slices.Compact(values)
}

func (e *entry) profile() audience.Profile {
	return audience.Profile{
		Known: e.known, Ord: e.userNo, Age: e.Age, Gender: e.Gender, Language: e.Language,
		Consent: e.Consent, Interests: e.Interests, Segments: e.Segments,
	}
}

// entryVersion is the first byte of an unsealed entry.
const entryVersion = 1

// appendPlain encodes the entry before sealing.
func (e *entry) appendPlain(b []byte) []byte {
	known := byte(0)
	if e.known {
		known = 1
	}
	b = append(b, entryVersion, known)
	b = binary.LittleEndian.AppendUint64(b, uint64(e.atMS))
	b = append(b, byte(len(e.ID)))
	b = append(b, e.ID...)
	b = append(b, e.Age, byte(e.Gender), byte(e.Consent))
	b = binary.LittleEndian.AppendUint16(b, uint16(e.Language))
	for _, list := range [...][]Digest{e.Emails, e.Phones, e.Devices} {
		b = append(b, byte(len(list)))
		for _, d := range list {
			b = append(b, d[:]...)
		}
	}
	for _, list := range [...][]uint32{e.Interests, e.Segments} {
		b = binary.AppendUvarint(b, uint64(len(list)))
		last := uint32(0)
		for _, v := range list {
			b = binary.AppendUvarint(b, uint64(v-last))
			last = v
		}
	}
	return b
}

var errShort = errors.New("entry ends early")

// reader takes an entry apart; bad is set once and stays.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.bad, r.b = true, nil
		return make([]byte, min(n, 64))
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) digests() []Digest {
	n := int(r.take(1)[0])
	if n == 0 || r.bad || n > MaxDigests {
		r.bad = r.bad || n > MaxDigests
		return nil
	}
	list := make([]Digest, n)
	for i := range list {
		copy(list[i][:], r.take(len(Digest{})))
	}
	return list
}

func (r *reader) ascending(limit int) []uint32 {
	n := r.uvarint()
	if n == 0 || r.bad || n > uint64(limit) {
		r.bad = r.bad || n > uint64(limit)
		return nil
	}
	list, last := make([]uint32, n), uint32(0)
	for i := range list {
		last += uint32(r.uvarint())
		list[i] = last
	}
	return list
}

// parsePlain decodes an unsealed entry.
func (e *entry) parsePlain(b []byte) error {
	r := reader{b: b}
	head := r.take(2)
	if head[0] != entryVersion {
		return fmt.Errorf("entry version %d: this build reads version %d", head[0], entryVersion)
	}
	e.known = head[1] == 1
	e.atMS = int64(binary.LittleEndian.Uint64(r.take(8)))
	e.ID = string(r.take(int(r.take(1)[0])))
	fixed := r.take(5)
	e.Age, e.Gender, e.Consent = fixed[0], audience.Gender(fixed[1]), audience.Consent(fixed[2])
	e.Language = audience.Language(binary.LittleEndian.Uint16(fixed[3:]))
	e.Emails, e.Phones, e.Devices = r.digests(), r.digests(), r.digests()
	e.Interests, e.Segments = r.ascending(audience.MaxInterests), r.ascending(audience.MaxSegments)
	if r.bad || len(r.b) != 0 {
		return errShort
	}
	return e.Validate()
}

func (e *entry) updated() time.Time { return time.UnixMilli(e.atMS).UTC() }
