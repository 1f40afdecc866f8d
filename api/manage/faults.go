package manage

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"mazad/campaign"
	"mazad/ledger"
)

// storeRetry is when a caller may try again after the store could not be used.
const storeRetry = 5 * time.Second

// domainFault is the one table from what the rooms below say to what a caller
// sees. Whatever is not in it is our fault, and its text stays in the log.
func domainFault(err error) *Fault {
	var problem *ledger.Problem
	if errors.As(err, &problem) {
		return ledgerFault(problem, err)
	}
	var away interface{ Unavailable() string }
	if errors.As(err, &away) {
		return notReady(away.Unavailable()+", nothing was changed: try again", storeRetry, err)
	}
	switch campaign.KindOf(err) {
	case campaign.Invalid:
		var details []Detail
		for _, e := range campaign.ErrorsOf(err) {
			if len(details) < maxDetails {
				details = append(details, detailOf(e))
			}
		}
		return invalidDetails(details)
	case campaign.NotFound:
		e := campaign.ErrorsOf(err)[0]
		return notFound(e.Field, plain(e.Value))
	case campaign.Conflict:
		return conflictFault(campaign.ErrorsOf(err)[0])
	case campaign.Forbidden:
		e := campaign.ErrorsOf(err)[0]
		f := forbidden(e.Error())
		f.Details = []Detail{detailOf(e)}
		return f
	}
	return internal(err)
}

func detailOf(e *campaign.Error) Detail {
	return Detail{Field: e.Field, Code: string(e.Code), Message: e.Message, Value: plain(e.Value), Limit: e.Limit}
}

func conflictFault(e *campaign.Error) *Fault {
	f := &Fault{Status: http.StatusConflict, Code: CodeDuplicate, Message: e.Error(), Details: []Detail{detailOf(e)}}
	switch e.Code {
	case campaign.CodeVersion:
		f.Status, f.Code = http.StatusPreconditionFailed, CodeVersion
		f.Details[0].Field = "If-Match"
	case campaign.CodeKeyReused:
		f.Details[0].Field = "Idempotency-Key"
	case campaign.CodeDeleted:
		f.Code = CodeBadParameter
	}
	return f
}

func ledgerFault(p *ledger.Problem, err error) *Fault {
	switch {
	case errors.Is(p.Err, ledger.ErrInvalid):
		return invalidValue(p.Field, "OUT_OF_RANGE", p.Message, p.Value, "")
	case errors.Is(p.Err, ledger.ErrNotFound):
		return notFound(p.Field, p.Value)
	case errors.Is(p.Err, ledger.ErrConflict):
		return &Fault{Status: http.StatusConflict, Code: CodeDuplicate, Message: p.Field + ": " + p.Message,
			Details: []Detail{{Field: p.Field, Code: string(campaign.CodeKeyReused), Message: p.Message, Value: clip(p.Value, maxEchoedValueSize)}}}
	}
	return internal(err)
}

// plain takes the quotes off a value that the domain has quoted.
func plain(v string) string {
	if s, err := strconv.Unquote(v); err == nil {
		return s
	}
	return v
}

// within puts the path of a part before the fields of a fault: "creatives[2].".
func within(path string, err error) error {
	f := *asFault(err)
	f.Details = append([]Detail(nil), f.Details...)
	for i := range f.Details {
		if f.Details[i].Field != "Idempotency-Key" && f.Details[i].Field != "If-Match" {
			f.Details[i].Field = path + f.Details[i].Field
		}
	}
	if f.Code == CodeBadParameter && f.Status == http.StatusBadRequest {
		return invalidDetails(f.Details)
	}
	return &f
}
