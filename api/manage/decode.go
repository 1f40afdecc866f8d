package manage

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// Limits of one request body. A bulk file has its own door; these bound what a
// single edit may cost to read.
const (
	maxBodyBytes = 1 << 20
	maxDepth     = 16
	maxQuery     = 16 << 10
)

// parseJSON reads exactly one JSON value into maps, slices, strings, bools,
// nil and json.Number, so that no amount ever passes through a float. It
// refuses what encoding/json would let pass: repeated members, nesting beyond
// maxDepth, broken UTF-8 and text after the value. where names the value in
// faults ("body", "filtering").
func parseJSON(where string, src []byte) (any, *Fault) {
	if !utf8.Valid(src) {
		return nil, invalid(where, "MALFORMED", "the text is not valid UTF-8")
	}
	p := jsonReader{dec: json.NewDecoder(bytes.NewReader(src)), src: src, where: where}
	p.dec.UseNumber()
	v, f := p.value(where, 1)
	if f != nil {
		return nil, f
	}
	if _, err := p.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, invalid(where, "MALFORMED", "unexpected text after the JSON value "+p.position())
	}
	return v, nil
}

type jsonReader struct {
	dec   *json.Decoder
	src   []byte
	where string
}

func (p *jsonReader) value(path string, depth int) (any, *Fault) {
	if depth > maxDepth {
		f := invalid(path, "TOO_DEEP", "the JSON is nested too deeply")
		f.Details[0].Limit = strconv.Itoa(maxDepth)
		return nil, f
	}
	tok, err := p.dec.Token()
	if err != nil {
		return nil, p.syntax(err)
	}
	switch t := tok.(type) {
	case json.Delim:
		if t == '{' {
			return p.object(path, depth)
		}
		return p.array(path, depth)
	default:
		return t, nil
	}
}

func (p *jsonReader) object(path string, depth int) (any, *Fault) {
	m := map[string]any{}
	for p.dec.More() {
		tok, err := p.dec.Token()
		if err != nil {
			return nil, p.syntax(err)
		}
		name := tok.(string)
		child := join(p.strip(path), name)
		if _, twice := m[name]; twice {
			return nil, invalid(child, "DUPLICATE_VALUE", "the member is given twice")
		}
		v, f := p.value(child, depth+1)
		if f != nil {
			return nil, f
		}
		m[name] = v
	}
	if _, err := p.dec.Token(); err != nil {
		return nil, p.syntax(err)
	}
	return m, nil
}

func (p *jsonReader) array(path string, depth int) (any, *Fault) {
	list := []any{}
	for p.dec.More() {
		v, f := p.value(fmt.Sprintf("%s[%d]", p.strip(path), len(list)), depth+1)
		if f != nil {
			return nil, f
		}
		list = append(list, v)
	}
	if _, err := p.dec.Token(); err != nil {
		return nil, p.syntax(err)
	}
	return list, nil
}

// strip leaves the word "body" out of paths: a caller writes "budget".
func (p *jsonReader) strip(path string) string {
	if path == "body" {
		return ""
	}
	return path
}

func (p *jsonReader) syntax(err error) *Fault {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return invalid(p.where, "MALFORMED", "the JSON ends too early "+p.position())
	}
	return invalid(p.where, "MALFORMED", "not JSON "+p.position()+": "+clip(err.Error(), 120))
}

// position turns the byte offset into line and column, which is what an editor shows.
func (p *jsonReader) position() string {
	off := min(int(p.dec.InputOffset()), len(p.src))
	line := 1 + bytes.Count(p.src[:off], []byte{'\n'})
	col := off - bytes.LastIndexByte(p.src[:off], '\n')
	return fmt.Sprintf("at line %d, column %d", line, col)
}

func join(path, name string) string {
	if path == "" {
		return clip(name, 64)
	}
	return path + "." + clip(name, 64)
}

// clip shortens what a caller sent before it is echoed.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "..."
}
