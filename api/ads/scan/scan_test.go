package scan_test

import (
	"encoding/json"
	"strings"
	"testing"

	"mazad/api/ads/scan"

	"pgregory.net/rapid"
)

// depthOf is the deepest nesting of a valid document.
func depthOf(doc []byte) int {
	deep, now, quoted := 0, 0, false
	for i := 0; i < len(doc); i++ {
		switch b := doc[i]; {
		case quoted && b == '\\':
			i++
		case b == '"':
			quoted = !quoted
		case quoted:
		case b == '{' || b == '[':
			now++
			deep = max(deep, now)
		case b == '}' || b == ']':
			now--
		}
	}
	return deep
}

func accepts(doc []byte) bool {
	var c scan.Cursor
	c.Reset(doc)
	c.Skip()
	c.End()
	return !c.Failed()
}

var corpus = []string{
	``, ` `, `{}`, `[]`, `null`, `nul`, `true`, `tru`, `false`, `falsey`, `0`, `-0`, `-`, `01`, `1.`, `.5`, `1.5e+3`, `1e`, `1e5x`,
	`""`, `"a`, `"\u12"`, `"\uD83D\uDE00"`, `"\uD83D"`, `"\x"`, "\"\t\"", `"\`, `{"a":1}`, `{"a":1,}`, `{"a" 1}`, `{a:1}`, `[1,2`, `[1 2]`, `[,]`,
	`{"a":{"b":[1,2,{"c":null}]}} `, `{} {}`, "\ufeff{}", `{"a":NaN}`, `{"a":1}}`, `[1,]`, `"12345678\u0041xyz"`, `"1234567\n"`, `{"\u0061":1}`,
}

func FuzzAcceptsWhatEncodingJSONAccepts(f *testing.F) {
	for _, s := range corpus {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		want := json.Valid(doc)
		if want && depthOf(doc) > scan.MaxDepth {
			want = false
		}
		if got := accepts(doc); got != want {
			t.Fatalf("%q: accepted %v, encoding/json says %v", doc, got, want)
		}
	})
}

// The typed reads and Skip must walk the same document alike.
func walk(c *scan.Cursor) any {
	switch c.Kind() {
	case scan.Object:
		m := map[string]any{}
		c.Object()
		for key, ok := c.Key(); ok; key, ok = c.Key() {
			k := string(key)
			m[k] = walk(c)
		}
		return m
	case scan.Array:
		a := []any{}
		c.Array()
		for c.Item() {
			a = append(a, walk(c))
		}
		return a
	case scan.String:
		return strings.ToValidUTF8(string(c.Str(1<<20)), "\ufffd")
	case scan.Number:
		return json.Number(c.Number())
	case scan.Bool:
		return c.Bool()
	}
	c.Skip()
	return nil
}

func dropNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if e == nil {
				delete(v, k)
			} else {
				v[k] = dropNulls(e)
			}
		}
	case []any:
		for i := range v {
			v[i] = dropNulls(v[i])
		}
	}
	return v
}

func FuzzReadsWhatEncodingJSONReads(f *testing.F) {
	for _, s := range corpus {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		var c scan.Cursor
		c.Reset(doc)
		got := walk(&c)
		c.End()
		if c.Failed() {
			return
		}
		dec := json.NewDecoder(strings.NewReader(string(doc)))
		dec.UseNumber()
		var want any
		if err := dec.Decode(&want); err != nil {
			t.Fatalf("%q: accepted, encoding/json: %v", doc, err)
		}
		if strings.Contains(string(doc), "null") {
			return // a null hides an earlier member of the same name there, not here
		}
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(dropNulls(want))
		if string(g) != string(w) && strings.ToValidUTF8(string(doc), "") == string(doc) {
			t.Fatalf("%q: read %s, want %s", doc, g, w)
		}
	})
}

func TestMutatedDocumentsAgree(t *testing.T) {
	base := []byte(`{"id":"r\u00e91","imp":[{"id":"1","banner":{"w":300,"h":250.0},"x":[true,false,null,-1.5e-3]}],"s":"a\"b\\c\/"}`)
	rapid.Check(t, func(t *rapid.T) {
		doc := append([]byte(nil), base...)
		for range rapid.IntRange(1, 3).Draw(t, "edits") {
			i := rapid.IntRange(0, len(doc)-1).Draw(t, "at")
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				doc[i] = rapid.SampledFrom([]byte("{}[]\",:0123456789.eE+-tfn\\u \x00\xff")).Draw(t, "byte")
			case 1:
				doc = append(doc[:i], doc[i+1:]...)
			default:
				doc = doc[:i+1]
			}
			if len(doc) == 0 {
				break
			}
		}
		if accepts(doc) != json.Valid(doc) {
			t.Fatalf("%q: accepted %v, encoding/json %v", doc, accepts(doc), json.Valid(doc))
		}
	})
}

func TestFaultNamesFieldValueLimitAndPlace(t *testing.T) {
	f := func(doc, field, message string, line, column int) {
		t.Helper()
		var c scan.Cursor
		c.Reset([]byte(doc))
		c.Object()
		for key, ok := c.Key(); ok; key, ok = c.Key() {
			switch string(key) {
			case "n":
				c.Int(0, 10)
			case "s":
				c.Str(3)
			case "a":
				c.Array()
				for i := 0; c.Item(); i++ {
					if c.Int(0, 10); c.Failed() {
						c.InItem(i)
					}
				}
			default:
				c.Skip()
			}
			if c.Failed() {
				c.In(key)
			}
		}
		c.End()
		got := c.Fault()
		if got.Field() != field || !strings.Contains(got.Message, message) || got.Line != line || got.Column != column {
			t.Errorf("%s:\n got field %q, %q at %d:%d\nwant field %q, %q at %d:%d",
				doc, got.Field(), got.Message, got.Line, got.Column, field, message, line, column)
		}
	}
	f(`{"n":-1}`, "n", "-1 is refused: it must be at least 0", 1, 6)
	f(`{"n": 11 }`, "n", "11 is refused: it must be at most 10", 1, 7)
	f(`{"n":"1"}`, "n", `"1" is refused: it must be a number`, 1, 6)
	f(`{"n":1.5}`, "n", `1.5 is refused: it must be an integer`, 1, 6)
	f(`{"n":1e400}`, "n", `must be at most 10`, 1, 6)
	f(`{"n":99999999999999999999}`, "n", `must be at most 10`, 1, 6)
	f(`{"s":"abcd"}`, "s", `"abcd" is refused: it must be at most 3 bytes`, 1, 6)
	f("{\"a\":[1,\n 2, {}]}", "a[2]", "must be a number", 2, 5)
	f("{\n\"n\": 1,\n  oops}", "", "not JSON: 'o' where a member name in quotes is expected", 3, 3)
	f(`{"n":1`, "", "the document ends", 1, 7)
	f(`{"x":[1,{"é":01}]}`, "x", "no leading zero", 1, 15)
	f(`{"n":1} x`, "", "the end of the document", 1, 9)
}

func TestIntegralFloatsAreIntegers(t *testing.T) {
	for doc, want := range map[string]int64{"300.0": 300, "3e2": 300, "-0": 0, "9007199254740992": 1 << 53, "1234567890123456789": 1234567890123456789} {
		var c scan.Cursor
		c.Reset([]byte(doc))
		if got := c.Int(-1<<63, 1<<63-1); got != want || c.Failed() {
			t.Errorf("%s: got %d (%v)", doc, got, c.Fault())
		}
	}
}

func TestNoAllocations(t *testing.T) {
	doc := []byte(`{"id":"r\u00e91","imp":[{"id":"1","banner":{"w":300,"h":250}}],"s":"a\"b"}`)
	var c scan.Cursor
	if n := testing.AllocsPerRun(100, func() {
		c.Reset(doc)
		c.Object()
		for key, ok := c.Key(); ok; key, ok = c.Key() {
			if string(key) == "id" {
				c.Str(10)
			} else {
				c.Skip()
			}
		}
		c.End()
	}); n != 0 || c.Failed() {
		t.Fatalf("%v allocations, fault %v", n, c.Fault())
	}
}
