package campaign

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"mazad/internal/money"
)

// name checks a required text of one line.
func (l *list) name(field, s string, most int) { l.text(field, s, 1, most) }

// text checks length in characters and that every character can be printed.
func (l *list) text(field, s string, least, most int) {
	if !utf8.ValidString(s) {
		l.add(CodeMalformed, field, strings.ToValidUTF8(s, "?"), "", "is not valid UTF-8")
		return
	}
	n := utf8.RuneCountInString(s)
	switch {
	case n < least || least > 0 && strings.TrimSpace(s) == "":
		l.add(CodeRequired, field, "", "", "must not be empty")
	case n > most:
		l.add(CodeTooLong, field, s, strconv.Itoa(most)+" characters", "is %d characters long", n)
	case strings.ContainsFunc(s, unicode.IsControl):
		l.add(CodeMalformed, field, s, "", "must not contain control characters")
	}
}

// amount checks 0 < m <= most.
func (l *list) amount(field string, m, most money.Micros) {
	switch {
	case m <= 0:
		l.add(CodeOutOfRange, field, m.String(), "", "must be greater than 0")
	case m > most:
		l.add(CodeOutOfRange, field, m.String(), most.String(), "is too large")
	}
}

// between checks least <= n <= most.
func (l *list) between(field string, n, least, most int) {
	if n < least || n > most {
		l.add(CodeOutOfRange, field, strconv.Itoa(n), fmt.Sprintf("%d to %d", least, most), "is out of range")
	}
}

// enum checks one value and reports whether it is known.
func enum[T ~string](l *list, field string, v T, known ...T) bool {
	switch {
	case v == "":
		l.add(CodeRequired, field, "", words(known...), "must be given")
	case !member(v, known...):
		l.add(CodeUnknownValue, field, string(v), words(known...), "is not a known value")
	default:
		return true
	}
	return false
}

// enums checks a list of values without repeats.
func enums[T ~string](l *list, field string, vs []T, most int, known ...T) {
	if !l.count(field, len(vs), most) {
		return
	}
	for i, v := range vs {
		at := index(field, i)
		if enum(l, at, v, known...) && slices.Contains(vs[:i], v) {
			l.add(CodeDuplicate, at, string(v), "", "is given twice")
		}
	}
}

// count checks the length of a list.
func (l *list) count(field string, n, most int) bool {
	if n > most {
		l.add(CodeTooMany, field, strconv.Itoa(n)+" values", strconv.Itoa(most), "has too many values")
		return false
	}
	return true
}

// assetURL checks an absolute web address.
func (l *list) webURL(field, s string) {
	u, ok := l.anyURL(field, s)
	if !ok {
		return
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Hostname() == "" {
		l.add(CodeMalformed, field, s, "", "must be an absolute http or https URL")
	} else if u.User != nil {
		l.add(CodeMalformed, field, s, "", "must not contain a user name or password")
	}
}

// deeplink checks an app's own address: any scheme but those that run code.
func (l *list) deeplink(field, s string) {
	u, ok := l.anyURL(field, s)
	if !ok {
		return
	}
	switch strings.ToLower(u.Scheme) {
	case "", "javascript", "data", "vbscript", "file", "blob", "about":
		l.add(CodeMalformed, field, s, "", "must be an absolute URL of an app or a web page")
	}
}

func (l *list) anyURL(field, s string) (*url.URL, bool) {
	if len(s) > MaxURL {
		l.add(CodeTooLong, field, s, strconv.Itoa(MaxURL)+" bytes", "is %d bytes long", len(s))
		return nil, false
	}
	bad := func(r rune) bool { return r <= ' ' || r == 0x7f || r == '"' || r == '<' || r == '>' || r == '\\' }
	if !utf8.ValidString(s) || strings.ContainsFunc(s, bad) {
		l.add(CodeMalformed, field, strings.ToValidUTF8(s, "?"), "", "contains characters that a URL must escape")
		return nil, false
	}
	u, err := url.Parse(s)
	if err != nil {
		l.add(CodeMalformed, field, s, "", "is not a URL")
		return nil, false
	}
	return u, true
}

// assetID checks an opaque name of a stored asset.
func (l *list) assetID(field, s string) {
	bad := func(r rune) bool { return r <= ' ' || r > '~' }
	if len(s) > MaxAssetID || strings.ContainsFunc(s, bad) {
		l.add(CodeMalformed, field, s, strconv.Itoa(MaxAssetID)+" printable ASCII characters", "is not an id")
	}
}

func index(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }
