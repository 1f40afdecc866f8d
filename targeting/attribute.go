package targeting

import "math/bits"

// An attribute is one value of a list dimension: "country DE", "interest 17".
// An index numbers the attributes that its rules name; a request is translated
// to those numbers once, and everything after works on dense numbers. A value
// that no rule names has no number and is dropped at the door.
type attribute struct {
	value uint64
	kind  attributeKind
}

type attributeKind uint8

const (
	kindNone attributeKind = iota
	kindCountry
	kindRegion
	kindCity
	kindLanguage
	kindInterest
	kindTag
	kindSegment
)

// noAttribute is the number of a value that no rule names.
const noAttribute = ^uint32(0)

// dictionary numbers attributes: open addressing, linear probing, at most half
// full. Keys are compared whole, so there is no false hit.
type dictionary struct {
	slots []dictionarySlot // power of two
	used  int
}

type dictionarySlot struct {
	attribute
	id uint32
}

func hashAttribute(a attribute) uint64 {
	hi, lo := bits.Mul64(a.value^uint64(a.kind)<<56^0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93)
	return hi ^ lo
}

// find returns the number of the attribute or noAttribute.
func (d *dictionary) find(kind attributeKind, value uint64) uint32 {
	if len(d.slots) == 0 {
		return noAttribute
	}
	a := attribute{value: value, kind: kind}
	mask := uint64(len(d.slots) - 1)
	for i := hashAttribute(a) & mask; ; i = (i + 1) & mask {
		switch slot := &d.slots[i]; {
		case slot.attribute == a:
			return slot.id
		case slot.kind == kindNone:
			return noAttribute
		}
	}
}

// number returns the number of the attribute, giving it the next one if it is
// new. Only Build calls it.
func (d *dictionary) number(kind attributeKind, value uint64) uint32 {
	if id := d.find(kind, value); id != noAttribute {
		return id
	}
	if 2*(d.used+1) > len(d.slots) {
		old := d.slots
		d.slots = make([]dictionarySlot, max(16, 2*len(old)))
		for _, s := range old {
			if s.kind != kindNone {
				d.put(s)
			}
		}
	}
	id := uint32(d.used)
	d.used++
	d.put(dictionarySlot{attribute: attribute{value: value, kind: kind}, id: id})
	return id
}

func (d *dictionary) put(s dictionarySlot) {
	mask := uint64(len(d.slots) - 1)
	i := hashAttribute(s.attribute) & mask
	for d.slots[i].kind != kindNone {
		i = (i + 1) & mask
	}
	d.slots[i] = s
}
