package manage

import (
	"errors"
	"net/http"
	"time"
)

// Code is TikTok's numeric answer code.
type Code int

// Codes that Mazad uses, with TikTok's meaning.
const (
	CodeOK           Code = 0
	CodeForbidden    Code = 40001
	CodeBadParameter Code = 40002
	CodeNotFound     Code = 40007
	CodeDuplicate    Code = 40050
	CodeVersion      Code = 40051
	CodeNoToken      Code = 40104
	CodeBadToken     Code = 40105
	CodeInternal     Code = 50000
	CodeNotReady     Code = 50002
)

// maxEchoedValueSize bounds what of a caller's value comes back in a refusal.
const maxEchoedValueSize = 64

// Detail says what is wrong with one field.
type Detail struct {
	Field   string // path, as in "creatives[0].ad_text"
	Code    string // closed list, see docs/api-manage.md
	Message string
	Value   string // what was sent, shortened
	Limit   string // what is allowed
}

// Fault is a refusal as a caller sees it. Cause is for the log only.
type Fault struct {
	Status     int
	Code       Code
	Message    string
	Details    []Detail
	Transient  bool
	RetryAfter time.Duration
	Cause      error
}

func (f *Fault) Error() string {
	if f.Cause != nil {
		return f.Message + ": " + f.Cause.Error()
	}
	return f.Message
}

func (f *Fault) Unwrap() error { return f.Cause }

// invalid is a refusal of one field.
func invalid(field, code, message string) *Fault {
	return invalidDetails([]Detail{{Field: field, Code: code, Message: message}})
}

func invalidValue(field, code, message, value, limit string) *Fault {
	return invalidDetails([]Detail{{Field: field, Code: code, Message: message, Value: clip(value, maxEchoedValueSize), Limit: limit}})
}

// invalidDetails puts the first detail into the message too, because that is
// all that many clients show.
func invalidDetails(details []Detail) *Fault {
	d := details[0]
	message := d.Field + ": " + d.Message
	if d.Value != "" {
		message += " (got " + d.Value
		if d.Limit != "" && d.Code != "UNKNOWN_VALUE" && d.Code != "NOT_OFFERED_YET" {
			message += ", limit " + d.Limit
		}
		message += ")"
	}
	return &Fault{Status: http.StatusBadRequest, Code: CodeBadParameter, Message: message, Details: details}
}

// notFound is one answer for "does not exist" and "is not yours", word for
// word, so that ids cannot be probed (I11).
func notFound(field, value string) *Fault {
	return &Fault{Status: http.StatusNotFound, Code: CodeNotFound, Message: field + ": not found",
		Details: []Detail{{Field: field, Code: "NOT_FOUND", Message: "not found among what this token reaches", Value: clip(value, maxEchoedValueSize)}}}
}

// outOfReach answers an advertiser or business center that does not exist or
// is not the caller's: TikTok's 40001, with 404 so that both look the same.
func outOfReach(field, value string) *Fault {
	return &Fault{Status: http.StatusNotFound, Code: CodeForbidden, Message: field + ": no permission, or it does not exist",
		Details: []Detail{{Field: field, Code: "NO_PERMISSION", Message: "not found among what this token reaches", Value: clip(value, maxEchoedValueSize)}}}
}

func forbidden(message string) *Fault {
	return &Fault{Status: http.StatusForbidden, Code: CodeForbidden, Message: message}
}

func unauthorized(code Code, message string) *Fault {
	return &Fault{Status: http.StatusUnauthorized, Code: code, Message: message}
}

func internal(cause error) *Fault {
	return &Fault{Status: http.StatusInternalServerError, Code: CodeInternal, Message: "internal error; the operator finds it by request_id", Cause: cause}
}

// notReady says that a part of the system is not available now.
func notReady(message string, after time.Duration, cause error) *Fault {
	return &Fault{Status: http.StatusServiceUnavailable, Code: CodeNotReady, Message: message, Transient: true, RetryAfter: after, Cause: cause}
}

// asFault finds the Fault in err; anything else is ours and stays unsaid.
func asFault(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return domainFault(err)
}
