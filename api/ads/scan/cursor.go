package scan

import (
	"encoding/binary"
	"math/bits"
)

// MaxDepth is the deepest nesting that is accepted. OpenRTB needs about ten.
const MaxDepth = 64

// Kind is the JSON type of a value.
type Kind uint8

// The kinds. Bad is the end of the document or a byte that starts no value.
const (
	Bad Kind = iota
	Object
	Array
	String
	Number
	Bool
	Null
)

// kindOf maps the first byte of a value to its kind.
var kindOf = [256]Kind{
	'{': Object, '[': Array, '"': String, 't': Bool, 'f': Bool, 'n': Null, '-': Number,
	'0': Number, '1': Number, '2': Number, '3': Number, '4': Number,
	'5': Number, '6': Number, '7': Number, '8': Number, '9': Number,
}

// Cursor stands somewhere in a JSON document. The zero value is ready for Reset.
type Cursor struct {
	data  []byte
	pos   int
	start int // where the value read last begins
	depth int
	first bool // directly behind an opening bracket
	bad   bool
	arena []byte // unescaped strings of this document
	fault Fault
}

// Reset puts the cursor at the beginning of data, which must not change while
// the cursor or strings from it are in use.
func (c *Cursor) Reset(data []byte) {
	c.data, c.pos, c.start, c.depth, c.first = data, 0, 0, 0, false
	c.arena = c.arena[:0]
	if c.bad {
		c.bad, c.fault = false, Fault{}
	}
}

// Failed reports whether a fault has stopped the cursor.
func (c *Cursor) Failed() bool { return c.bad }

// Pos is the offset of the next unread byte.
func (c *Cursor) Pos() int { return c.pos }

// Raw is the document between two offsets.
func (c *Cursor) Raw(from, to int) []byte { return c.data[from:to] }

// Kind looks at the next value without reading it.
func (c *Cursor) Kind() Kind {
	if c.bad {
		return Bad
	}
	c.space()
	if c.pos >= len(c.data) {
		return Bad
	}
	return kindOf[c.data[c.pos]]
}

// space steps over white space; the common case, none, is inlined.
func (c *Cursor) space() {
	if c.pos < len(c.data) && c.data[c.pos] <= ' ' {
		c.pos = skipSpace(c.data, c.pos)
	}
}

func skipSpace(data []byte, p int) int {
	for p < len(data) && (data[p] == ' ' || data[p] == '\n' || data[p] == '\t' || data[p] == '\r') {
		p++
	}
	return p
}

// want checks the kind of the next value and marks where it starts.
func (c *Cursor) want(k Kind) bool {
	if c.pos < len(c.data) && kindOf[c.data[c.pos]] == k { // no space, and no fault: that stands at the end
		c.start = c.pos
		return true
	}
	return c.wantAhead(k)
}

func (c *Cursor) wantAhead(k Kind) bool {
	got := c.Kind()
	if c.bad {
		return false
	}
	c.start = c.pos
	if got == k {
		return true
	}
	c.wrongType(k)
	return false
}

// Object steps into an object.
func (c *Cursor) Object() { c.enter(Object) }

// Array steps into an array.
func (c *Cursor) Array() { c.enter(Array) }

func (c *Cursor) enter(k Kind) {
	if !c.want(k) {
		return
	}
	c.pos++
	c.depth++
	c.first = true
	if c.depth > MaxDepth {
		c.failHere(TooDeep, "")
	}
}

// Key steps to the next member that is not null and returns its name; false at
// the end of the object.
func (c *Cursor) Key() ([]byte, bool) {
	for c.next('}') {
		c.space()
		if c.pos >= len(c.data) || c.data[c.pos] != '"' {
			c.syntax(c.pos, "a member name in quotes")
			return nil, false
		}
		key := c.str()
		if c.bad {
			return nil, false
		}
		if c.colon(); c.bad {
			return nil, false
		}
		if c.pos >= len(c.data) || c.data[c.pos] != 'n' {
			return key, true
		}
		if c.literal("null"); c.bad {
			c.In(key)
			return nil, false
		}
	}
	return nil, false
}

// colon steps over the colon behind a name, and the space behind it.
func (c *Cursor) colon() {
	p := c.pos
	if p >= len(c.data) || c.data[p] != ':' {
		if p = skipSpace(c.data, p); p >= len(c.data) || c.data[p] != ':' {
			c.syntax(p, "a colon")
			return
		}
	}
	c.pos = p + 1
	c.space()
}

// Item steps to the next element; false at the end of the array. Unlike a null
// member a null element is a value.
func (c *Cursor) Item() bool { return c.next(']') }

// next reads the comma or the closing bracket.
func (c *Cursor) next(closing byte) bool {
	p := c.pos
	if p < len(c.data) && c.data[p] <= ' ' {
		p = skipSpace(c.data, p)
	}
	if p >= len(c.data) { // also after a fault
		c.syntax(p, "the document to go on")
		return false
	}
	b := c.data[p]
	switch {
	case b == ',' && !c.first:
		c.pos = p + 1
		return true
	case b == closing:
		c.pos = p + 1
		c.depth--
		c.first = false
		return false
	case c.first:
		c.pos = p
		c.first = false
		return true
	}
	c.syntax(p, "a comma or the closing bracket")
	return false
}

// End checks that nothing but space follows.
func (c *Cursor) End() {
	if c.bad {
		return
	}
	c.space()
	if c.pos < len(c.data) {
		c.syntax(c.pos, "the end of the document")
	}
}

// Bool reads true or false.
func (c *Cursor) Bool() bool {
	if !c.want(Bool) {
		return false
	}
	if c.data[c.pos] == 't' {
		c.literal("true")
		return !c.bad
	}
	c.literal("false")
	return false
}

func (c *Cursor) literal(word string) {
	if len(c.data)-c.pos < len(word) || string(c.data[c.pos:c.pos+len(word)]) != word {
		c.syntax(c.pos, word)
		return
	}
	c.pos += len(word)
}

// Str reads a string of at most limit bytes.
func (c *Cursor) Str(limit int) []byte {
	if !c.want(String) {
		return nil
	}
	s := c.str()
	if len(s) > limit && !c.bad {
		c.failRange(TooLong, "at most", int64(limit), "bytes")
		return nil
	}
	return s
}

const (
	eachByte = 0x0101010101010101
	eachHigh = 0x8080808080808080
)

// plain steps over the bytes of a string that need no attention: those that are
// not a quote, a backslash or a control character. Eight at a time.
func plain(data []byte, p int) int {
	for p+8 <= len(data) {
		w := binary.LittleEndian.Uint64(data[p:])
		q, b := w^(eachByte*'"'), w^(eachByte*'\\')
		hit := ((q-eachByte)&^q | (b-eachByte)&^b | (w-eachByte*0x20)&^w) & eachHigh
		if hit != 0 {
			return p + bits.TrailingZeros64(hit)>>3
		}
		p += 8
	}
	for p < len(data) && data[p] != '"' && data[p] != '\\' && data[p] >= 0x20 {
		p++
	}
	return p
}

// str reads the string at pos, which is a quote.
func (c *Cursor) str() []byte {
	from := c.pos + 1
	p := plain(c.data, from)
	if p < len(c.data) && c.data[p] == '"' {
		c.pos = p + 1
		return c.data[from:p]
	}
	return c.escaped(from, p)
}
