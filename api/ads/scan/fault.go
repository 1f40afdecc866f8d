package scan

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Code is the kind of a fault; the words are part of the API.
type Code string

// The codes.
const (
	Syntax     Code = "syntax"       // not JSON
	WrongType  Code = "wrong_type"   // JSON, but not the type that the field has
	OutOfRange Code = "out_of_range" // a number outside its limits
	TooLong    Code = "too_long"     // a string or a document
	TooMany    Code = "too_many"     // elements
	TooDeep    Code = "too_deep"     // nesting
	Missing    Code = "missing"      // a required field
	Unknown    Code = "unknown"      // a word that is not in the list
	Invalid    Code = "invalid"      // right type, but not a value of the field
	Duplicate  Code = "duplicate"    // must be unique
)

const (
	maxPath      = 12 // path segments kept, innermost first
	maxValueShow = 48
)

// Fault says what is wrong with a document. It is filled on the error path
// only, where allocating is fine.
type Fault struct {
	Code    Code
	Message string // without the field
	Limit   string
	Value   string // as it stands in the document, clipped
	Offset  int
	Line    int // from 1
	Column  int // from 1, in characters

	path  [maxPath]string
	paths int
}

// Fault returns what stopped the cursor; meaningful after Failed.
func (c *Cursor) Fault() *Fault { return &c.fault }

// Field is the path of the field: imp[0].banner.w.
func (f *Fault) Field() string {
	var b strings.Builder
	for i := f.paths - 1; i >= 0; i-- {
		if b.Len() > 0 && f.path[i][0] != '[' {
			b.WriteByte('.')
		}
		b.WriteString(f.path[i])
	}
	return b.String()
}

// Error is the whole sentence.
func (f *Fault) Error() string {
	s := f.Message
	if field := f.Field(); field != "" {
		s = field + ": " + s
	}
	if f.Line > 0 {
		s += fmt.Sprintf(" (line %d, column %d)", f.Line, f.Column)
	}
	return s
}

// In adds the member that the fault was found in to its path.
func (c *Cursor) In(key []byte) {
	if len(key) > 64 {
		key = key[:64]
	}
	c.inside(string(key))
}

// InItem adds the element that the fault was found in to its path.
func (c *Cursor) InItem(i int) { c.inside("[" + strconv.Itoa(i) + "]") }

func (c *Cursor) inside(segment string) {
	if segment == "" {
		segment = `""`
	}
	if f := &c.fault; f.paths < maxPath {
		f.path[f.paths] = segment
		f.paths++
	}
}

// FailAt reports a fault in a member of the object just read, for rules that
// need more than one field. limit says what would be right.
func (c *Cursor) FailAt(member string, code Code, limit string) {
	c.FailValue(member, code, "", limit)
}

// FailValue is FailAt for a value that was read before.
func (c *Cursor) FailValue(member string, code Code, value, limit string) {
	if c.bad {
		return
	}
	c.start = c.pos
	c.set(c.pos, code, limit)
	f := &c.fault
	f.Value = clip([]byte(value))
	switch {
	case code == Missing && limit == "":
		f.Message = "is required"
	case code == Missing:
		f.Message = "is required: " + limit
	case value != "":
		f.Message = strconv.Quote(f.Value) + " is refused: it must be " + limit
	default:
		f.Message = "must be " + limit
	}
	c.inside(member)
}

// Fail reports the value read last. limit says what would be right.
func (c *Cursor) Fail(code Code, limit string) {
	if !c.bad {
		c.failHere(code, limit)
	}
}

func (c *Cursor) failHere(code Code, limit string) {
	switch code {
	case TooDeep:
		limit = "at most " + strconv.Itoa(MaxDepth) + " levels of nesting"
	}
	c.set(c.start, code, limit)
}

func (c *Cursor) failRange(code Code, how string, n int64, unit string) {
	limit := how + " " + strconv.FormatInt(n, 10)
	if unit != "" {
		limit += " " + unit
	}
	c.set(c.start, code, limit)
}

// Many reports an array with more than limit elements.
func (c *Cursor) Many(limit int) {
	if !c.bad {
		c.failRange(TooMany, "at most", int64(limit), "elements")
	}
}

var kindNames = [...]string{"nothing", "an object", "an array", "a string", "a number", "true or false", "null"}

func (c *Cursor) wrongType(want Kind) {
	if c.Kind() == Bad {
		c.syntax(c.pos, kindNames[want])
		return
	}
	c.set(c.start, WrongType, kindNames[want])
}

func (c *Cursor) wrongInt() { c.set(c.start, WrongType, "an integer") }

func (c *Cursor) syntax(offset int, want string) {
	if c.bad {
		return
	}
	c.set(offset, Syntax, want)
	f := &c.fault
	if offset >= len(c.data) {
		f.Message = "not JSON: the document ends where " + want + " is expected"
		return
	}
	r, n := utf8.DecodeRune(c.data[offset:])
	f.Value = string(c.data[offset : offset+n])
	f.Message = fmt.Sprintf("not JSON: %q where %s is expected", r, want)
}

// set records the fault and moves the cursor to the end.
func (c *Cursor) set(offset int, code Code, limit string) {
	f := &c.fault
	*f = Fault{Code: code, Limit: limit, Offset: offset}
	f.Value = clip(c.data[min(c.start, len(c.data)):])
	if c.pos > c.start {
		f.Value = clip(c.data[c.start:c.pos])
	} else if i := strings.IndexAny(f.Value, ",}]\n"); i > 0 {
		f.Value = f.Value[:i]
	}
	f.Line, f.Column = position(c.data, offset)
	f.Message = f.Value + " is refused: it must be " + limit
	if code == TooMany || code == TooDeep {
		f.Value = ""
		f.Message = "is refused: it must have " + limit
	}
	c.bad, c.pos, c.depth = true, len(c.data), 0
}

func clip(b []byte) string {
	if len(b) <= maxValueShow {
		return string(b)
	}
	b = b[:maxValueShow]
	for len(b) > 0 && !utf8.Valid(b) && len(b) > maxValueShow-utf8.UTFMax {
		b = b[:len(b)-1]
	}
	return string(b) + "..."
}

// position turns an offset into a line and a column, both from 1.
func position(data []byte, offset int) (line, column int) {
	offset = min(offset, len(data))
	line, begin := 1, 0
	for i, b := range data[:offset] {
		if b == '\n' {
			line, begin = line+1, i+1
		}
	}
	return line, utf8.RuneCount(data[begin:offset]) + 1
}

// Adopt takes over the fault of a document that lies in a string of this one;
// its line and column count inside that string. In and InItem go on from it.
func (c *Cursor) Adopt(f *Fault) {
	if !c.bad {
		c.fault = *f
		c.bad, c.pos, c.depth = true, len(c.data), 0
	}
}

// Redact takes the value out of the fault, where it must not be repeated.
func (c *Cursor) Redact() {
	if f := &c.fault; c.bad && f.Value != "" {
		f.Value = ""
		f.Message = "must be " + f.Limit
	}
}
