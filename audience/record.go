package audience

import (
	"encoding/binary"
	"fmt"
)

// A record: length (2), id length (1), flags (1), age (1), language (2), ord (4),
// interests (1), segments (2), id, interests and segments as varint differences.
const recordHeader = 14

const (
	flagKnown    = 1 << 0
	genderShift  = 1
	consentShift = 3
)

func recordLen(b []byte) int { return int(binary.LittleEndian.Uint16(b)) }

func recordID(b []byte) []byte { return b[recordHeader:][:b[2]] }

func encodeProfile(b []byte, userID []byte, p *Profile) []byte {
	flags := byte(p.Gender)<<genderShift | byte(p.Consent)<<consentShift
	if p.Known {
		flags |= flagKnown
	}
	b = append(b, 0, 0, byte(len(userID)), flags, p.Age)
	b = binary.LittleEndian.AppendUint16(b, uint16(p.Language))
	b = binary.LittleEndian.AppendUint32(b, uint32(p.Ord))
	b = append(b, byte(len(p.Interests)))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(p.Segments)))
	b = append(b, userID...)
	b = appendAscending(b, p.Interests)
	b = appendAscending(b, p.Segments)
	binary.LittleEndian.PutUint16(b, uint16(len(b)))
	return b
}

func decodeProfile(b []byte, p *Profile) {
	flags := b[3]
	p.Known = flags&flagKnown != 0
	p.Gender = Gender(flags >> genderShift & 3)
	p.Consent = Consent(flags >> consentShift & 3)
	p.Age = b[4]
	p.Language = Language(binary.LittleEndian.Uint16(b[5:]))
	p.Ord = UserOrd(binary.LittleEndian.Uint32(b[7:]))
	interests, segments := int(b[11]), int(binary.LittleEndian.Uint16(b[12:]))
	b = b[recordHeader+int(b[2]):]
	p.Interests, b = readAscending(p.Interests, b, interests)
	p.Segments, _ = readAscending(p.Segments, b, segments)
}

func appendAscending(b []byte, values []uint32) []byte {
	last := uint32(0)
	for _, v := range values {
		b = binary.AppendUvarint(b, uint64(v-last))
		last = v
	}
	return b
}

func readAscending(to []uint32, b []byte, n int) ([]uint32, []byte) {
	last := uint32(0)
	for range n {
		diff, shift := uint32(b[0]&0x7F), 7
		for b[0] >= 0x80 {
			b = b[1:]
			diff |= uint32(b[0]&0x7F) << shift
			shift += 7
		}
		b = b[1:]
		last += diff
		to = append(to, last)
	}
	return to, b
}

func checkProfile(userID []byte, p *Profile) error {
	switch {
	case len(userID) == 0 || len(userID) > MaxUserID:
		return fmt.Errorf("user id: %d bytes: want 1 to %d", len(userID), MaxUserID)
	case p.Age > MaxAge:
		return fmt.Errorf("age: %d: want at most %d", p.Age, MaxAge)
	case p.Gender > GenderFemale:
		return fmt.Errorf("gender: %d: want at most %d", p.Gender, GenderFemale)
	case p.Consent > ConsentDenied:
		return fmt.Errorf("consent: %d: want at most %d", p.Consent, ConsentDenied)
	case len(p.Interests) > MaxInterests:
		return fmt.Errorf("interests: %d entries: want at most %d", len(p.Interests), MaxInterests)
	case len(p.Segments) > MaxSegments:
		return fmt.Errorf("segments: %d entries: want at most %d", len(p.Segments), MaxSegments)
	case !ascends(p.Interests):
		return fmt.Errorf("interests: %v: want ascending numbers without repeats", p.Interests)
	case !ascends(p.Segments):
		return fmt.Errorf("segments: %v: want ascending numbers without repeats", p.Segments)
	}
	return nil
}

func ascends(values []uint32) bool {
	for i := 1; i < len(values); i++ {
		if values[i] <= values[i-1] {
			return false
		}
	}
	return true
}
