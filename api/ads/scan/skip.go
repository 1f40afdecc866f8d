package scan

// Skip steps over any value and checks its syntax. Half of a bid request is
// skipped, so this is one loop: open holds a bit per level, 1 for an object.
func (c *Cursor) Skip() {
	if c.bad {
		return
	}
	data, p, level, open := c.data, c.pos, 0, uint64(0)
	for {
		if p < len(data) && data[p] <= ' ' {
			p = skipSpace(data, p)
		}
		kind := Bad
		if p < len(data) {
			kind = kindOf[data[p]]
		}
		switch kind {
		case Object, Array:
			c.start = p
			if level++; c.depth+level > MaxDepth {
				c.failHere(TooDeep, "")
				return
			}
			open <<= 1
			if kind == Object {
				open |= 1
			}
			p = skipSpace(data, p+1)
			if p < len(data) && data[p] == closing(open) {
				break // empty: closed below
			}
			if kind == Object {
				if p = c.skipKey(p); c.bad {
					return
				}
			}
			continue
		case String:
			p = c.skipString(p)
		default:
			c.pos = p
			c.skipScalar(kind)
			p = c.pos
		}
		if c.bad {
			return
		}
		if p, level, open = c.close(p, level, open); c.bad {
			return
		}
		if level == 0 {
			c.pos = p
			return
		}
		if open&1 == 1 {
			if p = c.skipKey(skipSpace(data, p)); c.bad {
				return
			}
		}
	}
}

func closing(open uint64) byte {
	if open&1 == 1 {
		return '}'
	}
	return ']'
}

// close steps over the brackets that end here and the comma behind them. Level
// 0 is the end of the skipped value.
func (c *Cursor) close(p, level int, open uint64) (int, int, uint64) {
	for level > 0 {
		if p < len(c.data) && c.data[p] <= ' ' {
			p = skipSpace(c.data, p)
		}
		switch {
		case p < len(c.data) && c.data[p] == ',':
			return p + 1, level, open
		case p < len(c.data) && c.data[p] == closing(open):
			p, level, open = p+1, level-1, open>>1
		default:
			c.syntax(p, "a comma or the closing bracket")
			return p, level, open
		}
	}
	return p, level, open
}

func (c *Cursor) skipScalar(kind Kind) {
	switch kind {
	case Number:
		c.number()
	case Null:
		c.literal("null")
	case Bool:
		c.Bool()
	default:
		c.syntax(c.pos, "a value")
	}
}

// skipKey steps over a member name and its colon.
func (c *Cursor) skipKey(p int) int {
	if p >= len(c.data) || c.data[p] != '"' {
		c.syntax(p, "a member name in quotes")
		return p
	}
	if p = c.skipString(p); c.bad {
		return p
	}
	if p = skipSpace(c.data, p); p >= len(c.data) || c.data[p] != ':' {
		c.syntax(p, "a colon")
		return p
	}
	return p + 1
}

// skipString is str without keeping the text; p is at the opening quote.
func (c *Cursor) skipString(p int) int {
	data := c.data
	for p++; ; {
		p = plain(data, p)
		switch {
		case p >= len(data):
			c.syntax(p, "the closing quote of a string")
			return p
		case data[p] == '"':
			return p + 1
		case data[p] != '\\':
			c.syntax(p, "no control character inside a string")
			return p
		case p+1 >= len(data):
			c.syntax(p+1, "an escaped character")
			return p
		case data[p+1] == 'u':
			if _, ok := c.hex4(p + 2); !ok {
				return p
			}
			p += 6
		case simpleEscape(data[p+1]) == 0:
			c.syntax(p+1, `one of "\/bfnrtu behind a backslash`)
			return p
		default:
			p += 2
		}
	}
}
