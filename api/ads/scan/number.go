package scan

import "strconv"

// Number reads a number and returns its text.
func (c *Cursor) Number() []byte {
	if !c.want(Number) {
		return nil
	}
	c.number()
	if c.bad {
		return nil
	}
	return c.data[c.start:c.pos]
}

// number checks the grammar of the number at pos and steps over it.
func (c *Cursor) number() {
	p := c.pos
	if c.data[p] == '-' {
		p++
	}
	q := digits(c.data, p)
	if q == p {
		c.syntax(q, "a digit")
		return
	}
	if c.data[p] == '0' && q > p+1 {
		c.syntax(p+1, "no leading zero")
		return
	}
	p = q
	if p < len(c.data) && c.data[p] == '.' {
		if q = digits(c.data, p+1); q == p+1 {
			c.syntax(q, "a digit behind the point")
			return
		}
		p = q
	}
	if p < len(c.data) && c.data[p]|0x20 == 'e' {
		p++
		if p < len(c.data) && (c.data[p] == '+' || c.data[p] == '-') {
			p++
		}
		if q = digits(c.data, p); q == p {
			c.syntax(q, "a digit of the exponent")
			return
		}
		p = q
	}
	c.pos = p
}

func digits(s []byte, p int) int {
	for p < len(s) && s[p]-'0' <= 9 {
		p++
	}
	return p
}

// Int reads an integer in [low, high]. 300.0 and 3e2 are 300, as in JSON
// schema; 300.5 has the wrong type.
func (c *Cursor) Int(low, high int64) int64 {
	raw := c.Number()
	if c.bad {
		return 0
	}
	n, ok := smallInt(raw)
	if !ok {
		if n, ok = c.wideInt(raw, low, high); !ok {
			return 0
		}
	}
	if n < low {
		c.failRange(OutOfRange, "at least", low, "")
		return 0
	}
	if n > high {
		c.failRange(OutOfRange, "at most", high, "")
		return 0
	}
	return n
}

// smallInt reads plain integers of up to 18 digits, which is nearly all.
func smallInt(raw []byte) (n int64, ok bool) {
	digits := raw
	if raw[0] == '-' {
		digits = raw[1:]
	}
	if len(digits) > 18 {
		return 0, false
	}
	for _, b := range digits {
		if b -= '0'; b > 9 {
			return 0, false
		}
		n = n*10 + int64(b)
	}
	if raw[0] == '-' {
		n = -n
	}
	return n, true
}

func (c *Cursor) wideInt(raw []byte, low, high int64) (int64, bool) {
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	switch {
	case err != nil || f > 1<<62 && high <= 1<<62:
		c.failRange(OutOfRange, "at most", high, "")
	case f < -(1<<62) && low >= -(1<<62):
		c.failRange(OutOfRange, "at least", low, "")
	case f != float64(int64(f)) || f > 1<<53 || f < -(1<<53):
		c.wrongInt()
	default:
		return int64(f), true
	}
	return 0, false
}

// Flag reads an OpenRTB flag: 0 or 1 (true and false are accepted too).
func (c *Cursor) Flag() bool {
	if c.Kind() == Bool {
		return c.Bool()
	}
	return c.Int(0, 1) == 1
}
