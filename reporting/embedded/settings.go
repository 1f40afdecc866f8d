package embedded

import (
	"net/url"
	"sort"
	"strconv"
	"strings"
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
		"max_rows_to_group_by", "mutations_sync", "alter_sync", "max_query_size", "priority", "readonly":
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

// setStatements returns the statement that applies the settings to a connection
// and the one that takes them back.
func setStatements(list []setting) (set, reset string) {
	var a, b strings.Builder
	for i, s := range list {
		if i == 0 {
			a.WriteString("SET ")
			b.WriteString("SET ")
		} else {
			a.WriteString(", ")
			b.WriteString(", ")
		}
		a.WriteString(s.name + " = " + s.literal)
		b.WriteString(s.name + " = DEFAULT")
	}
	return a.String(), b.String()
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
