package manage

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"mazad/api/manage/wire"

	"github.com/getkin/kin-openapi/openapi3"
)

// maxDetails bounds how many faults one answer lists: enough to repair a form
// in one go, not enough to make a hostile request expensive.
const maxDetails = 20

// shape checks values against schemas of the spec and collects every fault
// with its path. It is written for callers rather than for JSON Schema: it
// knows money and times, says the allowed values, and in tiktok mode drops
// members that nobody knows, as TikTok does.
type shape struct {
	mode     Mode
	patterns map[string]*regexp.Regexp
	details  []Detail
}

func (s *shape) fail(path, code, message, value, limit string) {
	if len(s.details) < maxDetails {
		s.details = append(s.details, Detail{Field: path, Code: code, Message: message, Value: clip(value, 64), Limit: limit})
	}
}

// check returns v without the members that were dropped.
func (s *shape) check(path string, sch *openapi3.Schema, v any) any {
	if v == nil {
		if !nullable(sch) {
			s.fail(path, "WRONG_TYPE", "null is not allowed here", "null", typeName(sch))
		}
		return nil
	}
	switch t := v.(type) {
	case map[string]any:
		if !s.is(path, sch, "object", "an object") {
			return v
		}
		return s.object(path, sch, t)
	case []any:
		if !s.is(path, sch, "array", "a list") {
			return v
		}
		return s.array(path, sch, t)
	case string:
		if s.is(path, sch, "string", strconv.Quote(clip(t, 40))) {
			s.text(path, sch, t)
		}
	case json.Number:
		if sch.Type.Includes("integer") || sch.Type.Includes("number") {
			s.number(path, sch, t)
		} else {
			s.is(path, sch, "number", t.String())
		}
	case bool:
		s.is(path, sch, "boolean", strconv.FormatBool(t))
	}
	return v
}

func (s *shape) is(path string, sch *openapi3.Schema, kind, got string) bool {
	if sch.Type == nil || sch.Type.Includes(kind) {
		return true
	}
	s.fail(path, "WRONG_TYPE", "wrong type: want "+typeName(sch), got, typeName(sch))
	return false
}

func (s *shape) object(path string, sch *openapi3.Schema, m map[string]any) any {
	for _, name := range sch.Required {
		if _, ok := m[name]; !ok {
			s.fail(join(path, name), "REQUIRED", "the field is required", "", "")
		}
	}
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	notOffered := stringList(sch.Extensions["x-tiktok-not-offered"])
	for _, name := range names {
		child, known := sch.Properties[name]
		switch at := join(path, name); {
		case known:
			m[name] = s.check(at, child.Value, m[name])
		case slices.Contains(stringList(sch.Extensions["x-fixed"]), name):
			s.fail(at, "FIXED", "is fixed at creation and cannot be changed", "", "")
		case slices.Contains(notOffered, name):
			s.fail(at, "NOT_OFFERED_YET", "TikTok's field is not offered here", "", "")
		case sch.AdditionalProperties.Has != nil && !*sch.AdditionalProperties.Has:
			if s.mode == ModeTikTok {
				delete(m, name)
				continue
			}
			s.fail(at, "UNKNOWN_FIELD", "the field does not exist"+nearest(name, sch), "", "")
		}
	}
	return m
}

func (s *shape) array(path string, sch *openapi3.Schema, list []any) any {
	if n := uint64(len(list)); n < sch.MinItems {
		s.fail(path, "TOO_FEW", "too few items", strconv.Itoa(len(list)), strconv.FormatUint(sch.MinItems, 10))
	} else if sch.MaxItems != nil && n > *sch.MaxItems {
		s.fail(path, "TOO_MANY", "too many items", strconv.Itoa(len(list)), strconv.FormatUint(*sch.MaxItems, 10))
		return list
	}
	seen := map[string]bool{}
	for i, item := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		list[i] = s.check(at, sch.Items.Value, item)
		if text, ok := item.(string); ok && sch.UniqueItems {
			if seen[text] {
				s.fail(at, "DUPLICATE_VALUE", "the value is given twice", text, "")
			}
			seen[text] = true
		}
	}
	return list
}

func (s *shape) text(path string, sch *openapi3.Schema, v string) {
	if len(sch.Enum) > 0 {
		allowed := enumText(sch)
		list := strings.Join(allowed, ", ")
		switch {
		case slices.Contains(allowed, v):
		case slices.Contains(stringList(sch.Extensions["x-not-offered"]), v):
			s.fail(path, "NOT_OFFERED_YET", "the value is not offered yet; allowed: "+list, v, list)
		default:
			s.fail(path, "UNKNOWN_VALUE", "not an allowed value; allowed: "+list, v, list)
		}
		return
	}
	if n := uint64(utf8.RuneCountInString(v)); sch.MaxLength != nil && n > *sch.MaxLength {
		s.fail(path, "TOO_LONG", "too many characters", strconv.FormatUint(n, 10), strconv.FormatUint(*sch.MaxLength, 10))
		return
	} else if n < sch.MinLength {
		s.fail(path, "TOO_SHORT", "too few characters", v, strconv.FormatUint(sch.MinLength, 10))
		return
	}
	if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f }) {
		s.fail(path, "MALFORMED", "control characters are not allowed", strconv.Quote(v), "")
		return
	}
	if re := s.patterns[sch.Pattern]; sch.Pattern != "" && !re.MatchString(v) {
		s.fail(path, "MALFORMED", "does not have the form "+describe(sch), v, sch.Pattern)
	}
	if sch.Format == "timestamp" {
		if _, err := wire.ParseTime(v); err != nil {
			s.fail(path, "MALFORMED", err.Error(), v, "RFC 3339 or YYYY-MM-DD HH:MM:SS")
		}
	}
}

func (s *shape) number(path string, sch *openapi3.Schema, v json.Number) {
	text := v.String()
	if sch.Format == "money" {
		if code, message, limit := wire.CheckAmount(text); code != "" {
			s.fail(path, code, message, text, limit)
		}
		return
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		if sch.Type.Includes("integer") {
			s.fail(path, "WRONG_TYPE", "not a whole number of at most 63 bits", text, typeName(sch))
		}
		return
	}
	if sch.Min != nil && float64(n) < *sch.Min {
		s.fail(path, "OUT_OF_RANGE", "too small", text, strconv.FormatFloat(*sch.Min, 'f', -1, 64))
	}
	if sch.Max != nil && float64(n) > *sch.Max {
		s.fail(path, "OUT_OF_RANGE", "too large", text, strconv.FormatFloat(*sch.Max, 'f', -1, 64))
	}
}

func nullable(sch *openapi3.Schema) bool {
	return sch.Type == nil || sch.Type.Includes("null") || slices.Contains(sch.Enum, nil)
}

func typeName(sch *openapi3.Schema) string {
	if sch.Type == nil {
		return "any"
	}
	return strings.Join(sch.Type.Slice(), " or ")
}

func describe(sch *openapi3.Schema) string {
	if sch.Title != "" {
		return sch.Title
	}
	return sch.Pattern
}

func enumText(sch *openapi3.Schema) []string {
	var out []string
	for _, e := range sch.Enum {
		if text, ok := e.(string); ok {
			out = append(out, text)
		}
	}
	return out
}

// nearest guesses what a misspelt member was meant to be.
func nearest(name string, sch *openapi3.Schema) string {
	squeeze := func(s string) string { return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(s)) }
	for candidate := range sch.Properties {
		if squeeze(candidate) == squeeze(name) || squeeze(candidate) == squeeze(name)+"s" {
			return "; did you mean " + candidate + "?"
		}
	}
	return ""
}

func stringList(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, item := range list {
		if text, ok := item.(string); ok {
			out = append(out, text)
		}
	}
	return out
}
