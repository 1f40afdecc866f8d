package embedded

import (
	"net/url"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

// statement is one request, taken apart.
type statement struct {
	sql      string
	insert   bool   // the body is data of an INSERT
	format   string // of the data or of the answer
	revision uint64 // protocol revision of the client for Native answers; 0 = as the engine writes it
	database string
	queryID  string
	settings []setting
	params   params
	compress string // "", "LZ4" or "ZSTD": ClickHouse's own framing of the answer
	packed   bool   // the body comes in ClickHouse's own framing
}

// trailingFormat matches the FORMAT clause at the end of a statement.
var trailingFormat = regexp.MustCompile(`(?is)\sFORMAT\s+([A-Za-z0-9_]+)\s*;?\s*$`)

// statementOf reads the URL; the SQL of a request without `query` is its body.
func statementOf(q url.Values) (*statement, *exception) {
	st := &statement{sql: q.Get("query"), format: q.Get("default_format"), database: q.Get("database"), queryID: q.Get("query_id")}
	if st.format == "" {
		st.format = "TabSeparated"
	}
	if m := trailingFormat.FindStringSubmatchIndex(st.sql); m != nil && keyword(st.sql) == "INSERT" {
		st.insert, st.format, st.sql = true, st.sql[m[2]:m[3]], st.sql[:m[0]]
	}
	if v := q.Get("client_protocol_version"); v != "" {
		n, err := strconv.ParseUint(v, 10, 32)
		if err != nil {
			return nil, refuse(codeBadArguments, "client_protocol_version: %q is not a number", v)
		}
		st.revision = n
	}
	if q.Get("compress") == "1" {
		st.compress = "LZ4"
		if strings.EqualFold(q.Get("network_compression_method"), "ZSTD") {
			st.compress = "ZSTD"
		}
	}
	st.packed = q.Get("decompress") == "1"
	var ex *exception
	if st.settings, ex = settingsOf(q); ex != nil {
		return nil, ex
	}
	for name := range q {
		if p, ok := strings.CutPrefix(name, "param_"); ok {
			st.params.names = append(st.params.names, p)
		}
	}
	sort.Strings(st.params.names)
	for _, p := range st.params.names {
		st.params.values = append(st.params.values, q.Get("param_"+p))
	}
	return st, nil
}

// keyword is the first word of a statement, in capitals, past comments and brackets.
func keyword(sql string) string {
	for {
		sql = strings.TrimLeft(sql, " \t\r\n(;")
		switch {
		case strings.HasPrefix(sql, "--"):
			_, sql, _ = strings.Cut(sql, "\n")
		case strings.HasPrefix(sql, "/*"):
			_, sql, _ = strings.Cut(sql, "*/")
		default:
			end := strings.IndexFunc(sql, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
			if end < 0 {
				end = len(sql)
			}
			return strings.ToUpper(sql[:end])
		}
	}
}

// streams reports whether the engine can hand the answer over piece by piece;
// it refuses that for DESCRIBE and the like, whose answers are small.
func streams(sql string) bool {
	k := keyword(sql)
	return k == "SELECT" || k == "WITH"
}

// answerFormat is the format the engine will write: a FORMAT clause wins.
func (st *statement) answerFormat() string {
	if m := trailingFormat.FindStringSubmatch(st.sql); m != nil {
		return m[1]
	}
	return st.format
}
