package scan

import (
	"unicode/utf16"
	"unicode/utf8"
)

// escaped goes on with a string whose plain prefix is data[from:p], and copies
// it unescaped into the arena.
func (c *Cursor) escaped(from, p int) []byte {
	data, begin := c.data, len(c.arena)
	out := append(c.arena, data[from:p]...)
	for p < len(data) {
		switch b := data[p]; {
		case b == '"':
			c.pos, c.arena = p+1, out
			return out[begin:len(out):len(out)]
		case b != '\\':
			c.syntax(p, "no control character inside a string")
			return nil
		case p+1 < len(data) && data[p+1] == '"': // nearly all there are, in a document inside a string
			out = append(out, '"')
			p += 2
		default:
			c.arena = out
			if p = c.unescape(p); c.bad {
				return nil
			}
			out = c.arena
		}
		from = p
		p = plain(data, p)
		out = append(out, data[from:p]...)
	}
	c.syntax(p, "the closing quote of a string")
	return nil
}

// unescape appends the character of the escape at p and returns where it ends.
func (c *Cursor) unescape(p int) int {
	if p+1 >= len(c.data) {
		c.syntax(len(c.data), "an escaped character")
		return p
	}
	b := c.data[p+1]
	if b == 'u' {
		return c.unescapeRune(p)
	}
	if b = simpleEscape(b); b == 0 {
		c.syntax(p+1, `one of "\/bfnrtu behind a backslash`)
		return p
	}
	c.arena = append(c.arena, b)
	return p + 2
}

func simpleEscape(b byte) byte {
	switch b {
	case '"', '\\', '/':
		return b
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return 0
}

// unescapeRune reads \uXXXX, or two of them that make a surrogate pair. A lone
// surrogate becomes U+FFFD, as in encoding/json.
func (c *Cursor) unescapeRune(p int) int {
	r, ok := c.hex4(p + 2)
	if !ok {
		return p
	}
	p += 6
	if utf16.IsSurrogate(r) {
		pair := rune(utf8.RuneError)
		if p+1 < len(c.data) && c.data[p] == '\\' && c.data[p+1] == 'u' {
			low, ok := c.hex4(p + 2)
			if !ok {
				return p
			}
			if pair = utf16.DecodeRune(r, low); pair != utf8.RuneError {
				p += 6
			}
		}
		r = pair
	}
	c.arena = utf8.AppendRune(c.arena, r)
	return p
}

func (c *Cursor) hex4(p int) (r rune, ok bool) {
	for i := p; i < p+4; i++ {
		if i >= len(c.data) {
			c.syntax(len(c.data), "four hexadecimal digits")
			return 0, false
		}
		b := c.data[i]
		switch {
		case b >= '0' && b <= '9':
			b -= '0'
		case b >= 'a' && b <= 'f':
			b -= 'a' - 10
		case b >= 'A' && b <= 'F':
			b -= 'A' - 10
		default:
			c.syntax(i, "a hexadecimal digit")
			return 0, false
		}
		r = r<<4 | rune(b)
	}
	return r, true
}
