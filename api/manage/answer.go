package manage

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"mazad/api/manage/wire"
)

// Mode says how answers are shaped for a token.
type Mode uint8

const (
	// ModeStrict answers with the right HTTP status and refuses unknown fields.
	ModeStrict Mode = iota
	// ModeTikTok answers 200 always, as TikTok's SDKs need, and ignores fields
	// that neither TikTok nor Mazad knows.
	ModeTikTok
)

func (m Mode) String() string {
	if m == ModeTikTok {
		return "tiktok"
	}
	return "strict"
}

// answer buffers one response, so that a refusal after a half-written body is
// impossible and an idempotent write can be remembered. Owned by one request.
type answer struct {
	requestID string
	header    http.Header
	status    int
	body      bytes.Buffer
	code      Code
	fault     *Fault // set by the handlers' error hook
}

func newAnswer(requestID string) *answer {
	return &answer{requestID: requestID, header: http.Header{}, status: http.StatusOK}
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }
func (a *answer) WriteHeader(status int)      { a.status = status }

// refuse replaces whatever was written by the envelope of f.
func (a *answer) refuse(f *Fault) {
	body := wire.ErrorResponse{Code: int(f.Code), Message: f.Message, RequestId: a.requestID, Data: map[string]any{}, Errors: []wire.ErrorDetail{}}
	for _, d := range f.Details {
		body.Errors = append(body.Errors, wire.ErrorDetail{Field: d.Field, Code: d.Code, Message: d.Message,
			Value: optional(d.Value), Limit: optional(d.Limit)})
	}
	body.Transient = f.Transient
	a.status, a.code = f.Status, f.Code
	a.body.Reset()
	_ = json.NewEncoder(&a.body).Encode(body) // strings and numbers always encode
	a.header.Set("Content-Type", "application/json")
	if f.RetryAfter > 0 {
		a.header.Set("Retry-After", strconv.Itoa(int((f.RetryAfter+time.Second-1)/time.Second)))
	}
	if f.Status == http.StatusUnauthorized {
		a.header.Set("WWW-Authenticate", `Bearer realm="mazad"`)
	}
}

// flush writes the response and returns the status as sent.
func (a *answer) flush(w http.ResponseWriter, mode Mode) int {
	h := w.Header()
	for k, v := range a.header {
		h[k] = v
	}
	h.Set("X-Request-Id", a.requestID)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(a.body.Len()))
	status := a.status
	if mode == ModeTikTok {
		status = http.StatusOK
	}
	w.WriteHeader(status)
	_, _ = w.Write(a.body.Bytes()) // the peer went away: nobody is left to tell
	return status
}

// optional is nil for "".
func optional[T ~string](s T) *T {
	if s == "" {
		return nil
	}
	return &s
}
