package campaign

import (
	"errors"
	"fmt"
	"strings"
)

// Kind is what went wrong, for the table in api that maps it to a status. It is
// closed: append only.
type Kind uint8

// The kinds.
const (
	Invalid   Kind = iota + 1 // the input breaks a rule; Field names it
	NotFound                  // no such object for this advertiser
	Conflict                  // somebody else was faster, or a key was used for another body
	Forbidden                 // known, but not allowed
	Internal                  // our fault; the text never leaves the house
)

func (k Kind) String() string {
	switch k {
	case Invalid:
		return "invalid"
	case NotFound:
		return "not found"
	case Conflict:
		return "conflict"
	case Forbidden:
		return "forbidden"
	}
	return "internal"
}

// Code says which rule was broken, stable for machines.
type Code string

// The codes.
const (
	CodeRequired     Code = "REQUIRED"
	CodeTooLong      Code = "TOO_LONG"
	CodeTooMany      Code = "TOO_MANY"
	CodeOutOfRange   Code = "OUT_OF_RANGE"
	CodeUnknownValue Code = "UNKNOWN_VALUE"
	CodeMalformed    Code = "MALFORMED"
	CodeNotOffered   Code = "NOT_OFFERED_YET"
	CodeNotTogether  Code = "NOT_ALLOWED_TOGETHER"
	CodeMinors       Code = "AGE_TARGETING_NOT_ALLOWED"
	CodePast         Code = "IN_THE_PAST"
	CodeDuplicate    Code = "DUPLICATE_VALUE"
	CodeDeleted      Code = "DELETED"
	CodeNotFound     Code = "NOT_FOUND"
	CodeVersion      Code = "VERSION_CONFLICT"
	CodeKeyReused    Code = "IDEMPOTENCY_KEY_REUSED"
)

// Error is one mistake. Field is the API's name ("budget",
// "age_groups[0]"), Value what was sent, Limit what is allowed; each may be empty.
type Error struct {
	Kind    Kind
	Code    Code
	Field   string
	Value   string
	Limit   string
	Message string
	Err     error // the cause of an Internal error
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Field != "" {
		b.WriteString(e.Field)
		if e.Value != "" {
			b.WriteByte(' ')
			b.WriteString(e.Value)
		}
		b.WriteString(": ")
	}
	b.WriteString(e.Message)
	if e.Limit != "" {
		b.WriteString(" (limit ")
		b.WriteString(e.Limit)
		b.WriteByte(')')
	}
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// Errors is several mistakes of one input, in the order of its fields.
type Errors []*Error

func (es Errors) Error() string {
	parts := make([]string, len(es))
	for i, e := range es {
		parts[i] = e.Error()
	}
	return strings.Join(parts, "; ")
}

// Unwrap lets errors.As find the first mistake.
func (es Errors) Unwrap() []error {
	out := make([]error, len(es))
	for i, e := range es {
		out[i] = e
	}
	return out
}

// ErrorsOf returns every mistake in err; an error that is none of ours becomes
// one Internal. It is nil for nil.
func ErrorsOf(err error) Errors {
	if err == nil {
		return nil
	}
	var many Errors
	if errors.As(err, &many) {
		return many
	}
	var one *Error
	if errors.As(err, &one) {
		return Errors{one}
	}
	return Errors{InternalError(err, "the store failed")}
}

// KindOf is the kind of the first mistake in err, Internal for a foreign error
// and 0 for nil.
func KindOf(err error) Kind {
	es := ErrorsOf(err)
	if len(es) == 0 {
		return 0
	}
	return es[0].Kind
}

// InternalError wraps a cause that is our fault.
func InternalError(cause error, doing string) *Error {
	return &Error{Kind: Internal, Message: doing, Err: cause}
}

// NotFoundError says that the advertiser has no such object.
func NotFoundError(field string, value fmt.Stringer) *Error {
	return &Error{Kind: NotFound, Code: CodeNotFound, Field: field, Value: value.String(), Message: "does not exist"}
}

// list collects mistakes.
type list struct{ errs Errors }

func (l *list) add(code Code, field, value, limit, format string, args ...any) {
	l.errs = append(l.errs, &Error{Kind: Invalid, Code: code, Field: field, Value: clip(value), Limit: limit,
		Message: fmt.Sprintf(format, args...)})
}

// err is nil when nothing was collected.
func (l *list) err() error {
	if len(l.errs) == 0 {
		return nil
	}
	return l.errs
}

// clip quotes what people sent so that a message stays short and on one line.
func clip(s string) string {
	if s == "" {
		return ""
	}
	if r := []rune(s); len(r) > 60 {
		s = string(r[:60]) + "..."
	}
	return fmt.Sprintf("%q", s)
}
