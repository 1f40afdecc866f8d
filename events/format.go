package events

import (
	"errors"
	"fmt"
	"hash/crc32"
)

// The numbers of record format v1; FORMAT.md draws them.
const (
	formatVersion = 1

	recordMagic0, recordMagic1 = 'M', 'r'
	recordFixed                = 176

	batchMagic0, batchMagic1, batchMagic2 = 'M', 'z', 'B'
	// BatchOverhead is the size of an empty batch.
	BatchOverhead = 40

	personalNonce = 12
	personalTag   = 16
)

// Sections of a record, in the order in which they follow the fixed part.
const (
	hasFeatures   = 1 << iota // u16 length, bytes
	hasConversion             // conversionFixed bytes, name, event id
	hasPersonal               // ord, nonce, u16 length, sealed bytes
	hasBody                   // u32 length, bytes
	hasSealed                 // nonce, u32 length, the body of a replay under the user's key; after the personal block
	sectionsKnown = hasFeatures | hasConversion | hasPersonal | hasBody | hasSealed

	// inClear marks a personal block that is not sealed yet. It exists only in
	// memory, between Offer and the batch; on disk it is an error.
	inClear = 1 << 15
)

const conversionFixed = 8 + 3 + 1 + 8 + 16 + 1 + 1

// Errors of decoding. Test with errors.Is.
var (
	ErrVersion = errors.New("unknown format version")
	ErrDamaged = errors.New("damaged")
	ErrLimit   = errors.New("limit passed")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumAround is the CRC32C of b without the four bytes at 8, where it is kept.
func sumAround(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:8], castagnoli), castagnoli, b[12:])
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, args...)...)
}

// maxBody and maxRecord are the limits of a kind.
func (k Kind) maxBody() int {
	if k == KindReplay {
		return MaxReplay
	}
	return MaxBody
}

func (k Kind) maxRecord() int {
	if k == KindReplay {
		return MaxReplayRecord
	}
	return MaxRecord
}

// check refuses a record that no writer of ours may produce.
func (r *Record) check() error {
	over := func(field string, n, limit int) error {
		return fmt.Errorf("record %s: %s has %d, the limit is %d: %w", r.ID, field, n, limit, ErrLimit)
	}
	bad := func(field string, v any, want string) error {
		return fmt.Errorf("record %s: %s is %v, want %s", r.ID, field, v, want)
	}
	conv := r.Kind == KindConversion
	switch {
	case r.Kind == KindNone || r.Kind >= kindEnd:
		return bad("kind", uint8(r.Kind), fmt.Sprintf("1 to %d", kindEnd-1))
	case r.ID.IsZero():
		return bad("id", "zero", "an event id")
	case r.Verdict >= verdictEnd:
		return bad("verdict", uint8(r.Verdict), fmt.Sprintf("0 to %d", verdictEnd-1))
	case r.Use >= UseCount:
		return bad("use", uint8(r.Use), fmt.Sprintf("0 to %d", UseCount-1))
	case r.Flags&^flagsKnown != 0:
		return bad("flags", uint16(r.Flags), "known bits only")
	case r.BilledNanos < 0:
		return bad("billed_nanos", int64(r.BilledNanos), "0 or more")
	case r.BilledNanos != 0 && r.Verdict != VerdictBilled:
		return bad("billed_nanos", int64(r.BilledNanos), "0 when the verdict is "+r.Verdict.String())
	case r.Token.Serial > MaxSerial:
		return bad("token serial", r.Token.Serial, "48 bits")
	case len(r.Features) > MaxFeatures:
		return over("features", len(r.Features), MaxFeatures)
	case len(r.Body) > r.Kind.maxBody():
		return over("body", len(r.Body), r.Kind.maxBody())
	case conv != (len(r.Conversion.Name) > 0):
		return bad("conversion name", fmt.Sprintf("%d bytes long", len(r.Conversion.Name)), "one in a conversion and only there")
	case len(r.Conversion.Name) > MaxName:
		return over("conversion name", len(r.Conversion.Name), MaxName)
	case len(r.Conversion.EventID) > MaxEventID:
		return over("event_id", len(r.Conversion.EventID), MaxEventID)
	case r.Conversion.Match >= matchEnd:
		return bad("match", uint8(r.Conversion.Match), fmt.Sprintf("0 to %d", matchEnd-1))
	case len(r.Personal.UserAgent) > MaxUserAgent:
		return over("user agent", len(r.Personal.UserAgent), MaxUserAgent)
	case len(r.Personal.Segments) > MaxSegments:
		return over("segments", len(r.Personal.Segments), MaxSegments)
	case len(r.Personal.Interests) > MaxSegments:
		return over("interests", len(r.Personal.Interests), MaxSegments)
	}
	return nil
}
