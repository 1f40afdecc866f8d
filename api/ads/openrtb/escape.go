package openrtb

import (
	"strconv"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		b := s[i]
		if b >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[from:i]...), "\ufffd"...)
				from = i + 1
			}
			i += n
			continue
		}
		if b >= 0x20 && b != '"' && b != '\\' {
			i++
			continue
		}
		dst = append(dst, s[from:i]...)
		switch b {
		case '"', '\\':
			dst = append(dst, '\\', b)
		case '\n':
			dst = append(dst, '\\', 'n')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
		}
		i++
		from = i
	}
	return append(append(dst, s[from:]...), '"')
}

// AppendBytes is AppendString of bytes.
func AppendBytes(dst, s []byte) []byte { return AppendString(dst, text(s)) }

// appendMarkup appends s as text of an HTML or XML element, or of a quoted
// attribute. Characters that XML 1.0 forbids are left out.
func appendMarkup(dst []byte, s string) []byte {
	for _, r := range s {
		switch r {
		case '&':
			dst = append(dst, "&amp;"...)
		case '<':
			dst = append(dst, "&lt;"...)
		case '>':
			dst = append(dst, "&gt;"...)
		case '"':
			dst = append(dst, "&#34;"...)
		case '\'':
			dst = append(dst, "&#39;"...)
		case '\t', '\n', '\r':
			dst = append(dst, ' ')
		default:
			if r >= 0x20 && r != 0x7f && r != 0xfffe && r != 0xffff {
				dst = utf8.AppendRune(dst, r)
			}
		}
	}
	return dst
}

// limited is at most `limit` characters of s; 0 = all.
func limited(s string, limit int64) string {
	if limit <= 0 || int64(len(s)) <= limit {
		return s
	}
	n := int64(0)
	for i := range s {
		if n == limit {
			return s[:i]
		}
		n++
	}
	return s
}

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }
