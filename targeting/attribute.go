package targeting

import "math/bits"

// An attribute is one value of a list dimension: "country DE", "interest 17". An
// index numbers the attributes that its rules name; a request is translated to
// those numbers once, and everything after works on dense numbers. A value that
// no rule names has no number and is dropped at the door.

// attributeKind says which values are comparable.
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

// dictionarySlot is 16 bytes: four to a cache line.
type dictionarySlot struct {
	value uint64
	id    uint32
	kind  attributeKind
}

func hashAttribute(kind attributeKind, value uint64) uint64 {
	hi, lo := bits.Mul64(value^uint64(kind)<<56^0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93)
	return hi ^ lo
}

// find returns the number of the attribute or noAttribute.
func (d *dictionary) find(kind attributeKind, value uint64) uint32 {
	if len(d.slots) == 0 {
		return noAttribute
	}
	mask := uint64(len(d.slots) - 1)
	for i := hashAttribute(kind, value); ; i++ {
		switch slot := &d.slots[i&mask]; {
		case slot.value == value && slot.kind == kind:
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
	d.put(dictionarySlot{value: value, id: id, kind: kind})
	return id
}

func (d *dictionary) put(s dictionarySlot) {
	mask := uint64(len(d.slots) - 1)
	i := hashAttribute(s.kind, s.value) & mask
	for d.slots[i].kind != kindNone {
		i = (i + 1) & mask
	}
	d.slots[i] = s
}
