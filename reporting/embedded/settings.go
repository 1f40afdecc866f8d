package embedded

import (
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"
)

type settingKind uint8

const (
	wholeNumber settingKind = iota
	boolean
	text
)

// settingKindOf is the allow-list: what the reporting room sends and what an operator needs
// at a prompt. A setting that reads or writes files, or reaches the network, is
// not here.
func settingKindOf(name string) (settingKind, bool) {
	switch name {
	case "insert_deduplication_token", "date_time_input_format", "session_timezone", "join_algorithm", "deduplicate_insert":
		return text, true
	case "async_insert", "wait_for_async_insert", "insert_deduplicate", "fsync_metadata", "final", "join_use_nulls",
		"optimize_on_insert", "deduplicate_blocks_in_dependent_materialized_views", "allow_experimental_analyzer",
		"enable_analyzer", "throw_on_max_partitions_per_insert_block", "input_format_parallel_parsing":
		return boolean, true
	case "max_execution_time", "max_result_rows", "max_result_bytes", "max_memory_usage", "max_threads",
		"max_insert_threads", "max_block_size", "max_insert_block_size", "min_insert_block_size_rows",
		"min_insert_block_size_bytes", "max_partitions_per_insert_block", "max_rows_to_read", "max_bytes_to_read",
		"max_rows_to_group_by", "mutations_sync", "alter_sync", "max_query_size", "priority":
		return wholeNumber, true
	}
	return 0, false
}

// transportParameter reports the URL parameters that are about the request itself.
func transportParameter(name string) bool {
	switch name {
	case "query", "database", "default_format", "client_protocol_version", "compress", "decompress", "query_id",
		"quota_key", "enable_http_compression", "http_zlib_compression_level", "network_compression_method",
		"network_zstd_compression_level", "wait_end_of_query", "send_progress_in_http_headers", "buffer_size":
		return true
	}
	return strings.HasPrefix(name, "param_")
}

// setting is one assignment, its value already written as a literal.
type setting struct{ name, literal string }

// settingsOf picks the settings out of a URL, in a stable order.
func settingsOf(q url.Values) ([]setting, *exception) {
	var out []setting
	for name, values := range q {
		if transportParameter(name) {
			continue
		}
		kind, ok := settingKindOf(name)
		if !ok {
			return nil, refuse(codeUnknownSetting, "Setting %q is not one that the embedded ClickHouse accepts", name)
		}
		v := values[len(values)-1]
		switch kind {
		case wholeNumber:
			if _, err := strconv.ParseUint(v, 10, 64); err != nil {
				return nil, refuse(codeBadArguments, "Setting %s: %q is not a whole number", name, v)
			}
		case boolean:
			switch v {
			case "1", "true":
				v = "1"
			case "0", "false":
				v = "0"
			default:
				return nil, refuse(codeBadArguments, "Setting %s: %q is not 0 or 1", name, v)
			}
		case text:
			if len(v) > maxSettingBytes {
				return nil, refuse(codeBadArguments, "Setting %s: %d bytes, the limit is %d", name, len(v), maxSettingBytes)
			}
			v = quote(v)
		}
		out = append(out, setting{name, v})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].name < out[j].name })
	return out, nil
}

const maxSettingBytes = 1024

// ceilings are the settings that every connection has; a request may lower the
// numbers, not raise them.
func ceilings(lim Limits) []setting {
	return []setting{
		{"max_execution_time", strconv.FormatInt(int64(lim.QueryTime/time.Second), 10)},
		{"max_memory_usage", strconv.FormatInt(lim.QueryBytes, 10)},
		{"session_timezone", "'UTC'"},
	}
}

// under lowers the settings to the ceilings; 0 means no limit, which nobody gets.
func under(list, tops []setting) []setting {
	for i, s := range list {
		for _, top := range tops {
			limit, err := strconv.ParseUint(top.literal, 10, 64)
			if s.name != top.name || err != nil {
				continue
			}
			if n, err := strconv.ParseUint(s.literal, 10, 64); err != nil || n == 0 || n > limit {
				list[i].literal = top.literal
			}
		}
	}
	return list
}

// setStatement writes the assignments.
func setStatement(list []setting) string {
	parts := make([]string, len(list))
	for i, s := range list {
		parts[i] = s.name + " = " + s.literal
	}
	return "SET " + strings.Join(parts, ", ")
}

// takenBack are the settings as the connection had them: a ceiling's own value,
// else the engine's default.
func takenBack(list, tops []setting) []setting {
	out := make([]setting, len(list))
	for i, s := range list {
		out[i] = setting{s.name, "DEFAULT"}
		for _, top := range tops {
			if top.name == s.name {
				out[i] = top
			}
		}
	}
	return out
}

// quote writes a string literal of ClickHouse.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\'', '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case 0:
			b.WriteString(`\0`)
		case '\n':
			b.WriteString(`\n`)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('\'')
	return b.String()
}

// identifier quotes a name of ours.
func identifier(s string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(s) + "`"
}
