package serving

import (
	"encoding/binary"
	"time"

	"mazad/audience"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/targeting"
)

// tape writes or reads the fields of a recording in one order, so that both
// directions are the same code. Numbers are zigzag varints.
type tape struct {
	b       []byte // written so far, or what is left to read
	reading bool
	bad     bool
	format  uint8
}

type number interface {
	~int | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

func num[T number](t *tape, p *T) {
	if !t.reading {
		t.b = binary.AppendVarint(t.b, int64(*p))
		return
	}
	v, n := binary.Varint(t.b)
	if n <= 0 || int64(T(v)) != v {
		t.bad, t.b = true, nil
		v, n = 0, 0
	}
	*p, t.b = T(v), t.b[n:]
}

// list passes the length and the elements of a list.
func list[T any](t *tape, p *[]T, limit int, each func(*tape, *T)) {
	n := len(*p)
	num(t, &n)
	if t.reading {
		if n < 0 || n > limit || n > len(t.b) { // an element has at least a byte
			t.bad, t.b, n = true, nil, 0
		}
		*p = nil
		if n > 0 {
			*p = make([]T, n)
		}
	}
	for i := range *p {
		each(t, &(*p)[i])
	}
}

func (t *tape) flag(p *bool) {
	n := uint8(0)
	if *p {
		n = 1
	}
	num(t, &n)
	*p = n == 1
	t.bad = t.bad || n > 1
}

func (t *tape) text(p *string) {
	b := []byte(*p)
	list(t, &b, maxKept, num[byte])
	*p = string(b)
}

// instant keeps a time to the nanosecond, in UTC.
func (t *tape) instant(p *time.Time) {
	n := int64(0)
	if !p.IsZero() {
		n = p.UnixNano()
	}
	num(t, &n)
	if t.reading && n != 0 {
		*p = time.Unix(0, n).UTC()
	}
}

func passRequest(t *tape, r *Request) {
	num(t, &r.Door)
	s := &r.Signals
	num(t, &s.Age)
	for _, p := range [...]*bool{&s.COPPA, &s.LMT, &s.GPC, &s.GDPR, &r.Secure, &r.Test} {
		t.flag(p)
	}
	num(t, &s.Consent)
	num(t, &s.Country[0])
	num(t, &s.Country[1])
	num(t, &r.Gender)
	num(t, &r.Country)
	num(t, &r.Region)
	num(t, &r.City)
	num(t, &r.Language)
	num(t, &r.OS)
	num(t, &r.OSVersion)
	num(t, &r.Placement)
	list(t, &r.Tags, MaxTags, num[targeting.Tag])
	list(t, &r.Slots, MaxSlots, passSlot)
	list(t, &r.Recent, MaxRecent, num[id.Ad])
	list(t, &r.BlockedDomains, MaxBlocked, num[uint64])
	list(t, &r.BlockedCategories, MaxBlocked, num[uint64])
}

func passSlot(t *tape, s *Slot) {
	num(t, &s.Formats)
	list(t, &s.Sizes, MaxSizes, passSize)
	num(t, &s.Floor)
	num(t, &s.MinDurationMS)
	num(t, &s.MaxDurationMS)
	passSize(t, &s.MinSize)
	t.flag(&s.NeedsVideo)
}

func passSize(t *tape, s *Size) {
	num(t, &s.W)
	num(t, &s.H)
}

func passProfile(t *tape, p *audience.Profile) {
	t.flag(&p.Known)
	num(t, &p.Age)
	num(t, &p.Gender)
	num(t, &p.Language)
	num(t, &p.Consent)
	list(t, &p.Interests, audience.MaxInterests, num[uint32])
	list(t, &p.Segments, audience.MaxSegments, num[uint32])
}

// passAuction packs what became of an ad group into few bytes: most have one reason and
// no multiplier.
func passAuction(t *tape, a *RecordedAuction) {
	num(t, &a.Slot)
	list(t, &a.Fates, maxKept, func(t *tape, f *Fate) {
		slowed := money.One - f.Pace
		code := uint32(f.Reason) << 2
		if f.Competed {
			code |= 1
		}
		if f.Competed && slowed != 0 {
			code |= 2
		}
		num(t, &code)
		f.Reason, f.Competed = Reason(code>>2), code&1 == 1
		if !f.Competed {
			return
		}
		num(t, &f.Ad)
		if code&2 == 0 {
			slowed = 0
		} else {
			num(t, &slowed)
		}
		f.Pace = money.One - slowed
	})
	list(t, &a.Refused, maxKept, func(t *tape, h *RefusedHold) {
		num(t, &h.Group)
		num(t, &h.Reason)
	})
	list(t, &a.Unplaced, MaxSlots, num[int])
}
