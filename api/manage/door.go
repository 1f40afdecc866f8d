package manage

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
)

// call is what the door learnt about a request before the handler runs. It is
// built once, then only read.
type call struct {
	requestID string
	op        *operation
	who       Principal
	tenant    tenant
	nulls     map[string]bool // top-level members of the body that are null: fields to clear
	version   int64           // If-Match; 0 is absent
	requestAt time.Time
}

type callKey struct{}

// callOf returns the call of a handler's context.
func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	if c == nil {
		c = &call{}
	}
	return c
}

// cleared reports whether the body sets a field to null.
func (c *call) cleared(field string) bool { return c.nulls[field] }

// door is the one way in: route, token, shape, reach, idempotency, handler.
// Each step either answers or hands on.
type door struct {
	*Server
	next http.Handler // the generated server
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{requestID: newRequestID(), requestAt: d.clock.Now()}
	out := newAnswer(c.requestID)
	f := d.guarded(out, r, c)
	if f != nil {
		out.refuse(f)
	}
	status := out.flush(w, c.who.Mode)
	d.account(r, c, out, status, f)
}

// guarded turns a panic of ours into an answer without details.
func (d *door) guarded(out *answer, r *http.Request, c *call) (f *Fault) {
	defer func() {
		if p := recover(); p != nil {
			d.log.Error("panic in a handler", "request_id", c.requestID, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
			f = internal(errors.New("panic"))
		}
	}()
	return d.handle(out, r, c)
}

func (d *door) handle(out *answer, r *http.Request, c *call) *Fault {
	op, f := d.route(out, r)
	if f != nil {
		return f
	}
	c.op = op
	if op.scope != scopePublic {
		if c.who, f = d.authenticate(r); f != nil {
			return f
		}
	}
	in := &input{contract: d.contract, op: op, mode: c.who.Mode}
	if f := in.read(r); f != nil {
		return f
	}
	if c.tenant, f = d.reach(r.Context(), c.who, op, in); f != nil {
		return f
	}
	if f := in.valid(); f != nil {
		return f
	}
	c.nulls = in.nulls()
	if c.version, f = ifMatch(r.Header.Get("If-Match")); f != nil {
		return f
	}
	r = in.rewrite(r.WithContext(context.WithValue(r.Context(), callKey{}, c)))
	if !op.write {
		d.next.ServeHTTP(out, r)
		return out.fault
	}
	return d.once(out, r, c, in)
}

// route finds the operation; both forms of the path, with and without the
// slash at its end, are the same operation.
func (d *door) route(out *answer, r *http.Request) (*operation, *Fault) {
	path := r.URL.Path
	if !strings.HasSuffix(path, "/") {
		path += "/"
	}
	methods := d.contract.ops[path]
	if methods == nil {
		return nil, &Fault{Status: http.StatusNotFound, Code: CodeNotFound, Message: "no such operation: " + clip(r.URL.Path, 100)}
	}
	op := methods[r.Method]
	if op == nil {
		var allowed []string
		for m := range methods {
			allowed = append(allowed, m)
		}
		out.Header().Set("Allow", strings.Join(allowed, ", "))
		f := invalidValue("method", "UNKNOWN_VALUE", "this operation is called with "+strings.Join(allowed, ", "), r.Method, strings.Join(allowed, ", "))
		f.Status = http.StatusMethodNotAllowed
		return nil, f
	}
	r.URL.Path = path
	return op, nil
}

// readBody reads at most maxBodyBytes of JSON.
func readBody(r *http.Request) ([]byte, *Fault) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		f := invalidValue("Content-Type", "UNKNOWN_VALUE", "the body must be application/json", r.Header.Get("Content-Type"), "application/json")
		f.Status = http.StatusUnsupportedMediaType
		return nil, f
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		f := invalidValue("Content-Encoding", "UNKNOWN_VALUE", "the body must not be compressed", coding, "identity, or absent")
		f.Status = http.StatusUnsupportedMediaType
		return nil, f
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBodyBytes))
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		f := invalidValue("body", "TOO_LONG", "the body is too large", "", "1048576 bytes")
		f.Status = http.StatusRequestEntityTooLarge
		return nil, f
	}
	if err != nil {
		return nil, invalid("body", "MALFORMED", "the body ended before its length")
	}
	return body, nil
}

// account writes the access log and, once, the cause of what went wrong here.
func (d *door) account(r *http.Request, c *call, out *answer, status int, f *Fault) {
	d.stats.count(status, out.code)
	if f != nil && f.Status >= http.StatusInternalServerError {
		d.log.Error("request failed", "request_id", c.requestID, "path", r.URL.Path, "err", f)
	}
	if d.log.Enabled(r.Context(), slog.LevelDebug) {
		d.log.Debug("request", "request_id", c.requestID, "method", r.Method, "path", r.URL.Path, "status", status,
			"code", int(out.code), "token", c.who.Prefix, "bytes", out.body.Len(), "took", d.clock.Now().Sub(c.requestAt))
	}
}

func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return hex.EncodeToString(b[:])
}

// encode re-encodes a checked tree; json.Number keeps the digits.
func encode(v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // a tree of maps, slices, strings and numbers always encodes
	return bytes.TrimSpace(buf.Bytes())
}
