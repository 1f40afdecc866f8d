package manage

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// input is what a request sends, checked against the spec: the query
// parameters and the body as trees. Owned by one request.
type input struct {
	contract *contract
	op       *operation
	mode     Mode

	query   map[string]any
	body    map[string]any
	details []Detail
	raw     []byte // body as sent
}

// read parses and checks everything and keeps the faults for later, because
// whether the advertiser may be seen at all is said first.
func (in *input) read(r *http.Request) *Fault {
	sh := &shape{mode: in.mode, patterns: in.contract.patterns}
	if len(r.URL.RawQuery) > maxQuery {
		return invalidValue("query", "TOO_LONG", "the query is too long", strconv.Itoa(len(r.URL.RawQuery)), strconv.Itoa(maxQuery))
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return invalid("query", "MALFORMED", "the query is not well-formed: "+clip(err.Error(), 80))
	}
	if f := in.readQuery(sh, values); f != nil {
		return f
	}
	if in.op.body != nil {
		raw, f := readBody(r)
		if f != nil {
			return f
		}
		in.raw = raw
		tree, f := parseJSON("body", raw)
		if f != nil {
			return f
		}
		object, ok := tree.(map[string]any)
		if !ok {
			return invalid("body", "WRONG_TYPE", "the body must be a JSON object")
		}
		in.body, _ = sh.check("", in.op.body, object).(map[string]any)
	}
	in.details = sh.details
	return nil
}

func (in *input) readQuery(sh *shape, values url.Values) *Fault {
	in.query = map[string]any{}
	for _, p := range in.op.params {
		if p.In != "query" {
			continue
		}
		sent, ok := values[p.Name]
		delete(values, p.Name)
		switch {
		case !ok || len(sent) == 1 && sent[0] == "":
			if p.Required {
				sh.fail(p.Name, "REQUIRED", "the query parameter is required", "", "")
			}
			continue
		case len(sent) > 1:
			sh.fail(p.Name, "DUPLICATE_VALUE", "the query parameter is given twice", sent[1], "")
			continue
		}
		schema := paramSchema(p)
		v, f := paramValue(p.Name, sent[0], p.Content != nil, schema.Type.Includes("string"))
		if f != nil {
			return f
		}
		in.query[p.Name] = sh.check(p.Name, schema, v)
	}
	if in.mode != ModeTikTok {
		for name := range values {
			sh.fail(clip(name, 64), "UNKNOWN_FIELD", "the query parameter does not exist", "", "")
		}
	}
	return nil
}

// paramValue reads JSON-encoded parameters as JSON and plain ones as what they look like.
func paramValue(name, text string, isJSON, isString bool) (any, *Fault) {
	switch {
	case isJSON:
		return parseJSON(name, []byte(text))
	case isString:
		return text, nil
	case text == "true" || text == "false":
		return text == "true", nil
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil && !strings.ContainsAny(text, "xXpPnN_") {
		return json.Number(text), nil
	}
	return text, nil
}

// valid answers with every fault at once.
func (in *input) valid() *Fault {
	if len(in.details) == 0 {
		return nil
	}
	return invalidDetails(in.details)
}

// text returns a string member of the body or the query, or "".
func (in *input) text(name string) string {
	if s, ok := in.body[name].(string); ok {
		return s
	}
	s, _ := in.query[name].(string)
	return s
}

// texts returns a list of strings of the query.
func (in *input) texts(name string) []string { return stringList(in.query[name]) }

func (in *input) nulls() map[string]bool {
	out := map[string]bool{}
	for name, v := range in.body {
		if v == nil {
			out[name] = true
		}
	}
	return out
}

// rewrite hands on exactly what was checked: nothing that shape dropped, no
// second spelling that a more lenient decoder might read.
func (in *input) rewrite(r *http.Request) *http.Request {
	values := url.Values{}
	for name, v := range in.query {
		switch t := v.(type) {
		case string:
			values.Set(name, t)
		case bool:
			values.Set(name, strconv.FormatBool(t))
		case json.Number:
			values.Set(name, t.String())
		default:
			values.Set(name, string(encode(v)))
		}
	}
	r.URL.RawQuery = values.Encode()
	if in.op.body != nil {
		b := encode(in.body)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	}
	return r
}

// ifMatch reads If-Match: "3", 3 or *.
func ifMatch(h string) (int64, *Fault) {
	if h == "" || h == "*" {
		return 0, nil
	}
	n, err := strconv.ParseInt(strings.Trim(h, `"`), 10, 64)
	if err != nil || n <= 0 {
		return 0, invalidValue("If-Match", "MALFORMED", "not a version", h, "the version of the last answer")
	}
	return n, nil
}
