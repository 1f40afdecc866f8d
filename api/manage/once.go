package manage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"mazad/campaign"
)

// keyLifetime is how long an answer is kept for its key.
const keyLifetime = 24 * time.Hour

// onceKey is a write that its caller may repeat.
type onceKey struct {
	scope string
	key   string
	hash  [sha256.Size]byte
}

type onceCtx struct{}

// once runs a write at most once per key. Two locks work together: creates
// carry the key into the store's own transaction, so that a crash between the
// edit and this answer cannot make a second object; the answer is then kept
// for every write. Refusals are not kept: a repaired request may use the key
// again.
func (d *door) once(out *answer, r *http.Request, c *call, in *input) *Fault {
	key, f := keyOf(r, c, in)
	if f != nil {
		return f
	}
	if key == nil {
		d.next.ServeHTTP(out, r)
		return out.fault
	}
	saved, err := d.campaigns.Answer(r.Context(), key.scope, key.key)
	switch {
	case err == nil:
		return replay(out, key, saved)
	case campaign.KindOf(err) != campaign.NotFound:
		return asFault(err)
	}
	d.next.ServeHTTP(out, r.WithContext(context.WithValue(r.Context(), onceCtx{}, key)))
	if out.fault != nil {
		return out.fault
	}
	// The edit is done; a caller who has gone away by now will ask again.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 5*time.Second)
	defer cancel()
	first, err := d.campaigns.SaveAnswer(ctx, campaign.Answer{Scope: key.scope, Key: key.key, BodyHash: key.hash,
		Status: out.status, Response: withoutSecret(c.op, out.body.Bytes()), ExpiresAt: c.requestAt.Add(keyLifetime)})
	if err != nil {
		if campaign.KindOf(err) == campaign.Conflict {
			return keyReused(key)
		}
		d.log.Error("answer not kept", "request_id", c.requestID, "err", err)
		return nil
	}
	if string(first.Response) != string(out.body.Bytes()) && c.op.secret == "" {
		return replay(out, key, first)
	}
	return nil
}

// replay answers what was answered the first time.
func replay(out *answer, key *onceKey, saved campaign.Answer) *Fault {
	if saved.BodyHash != key.hash {
		return keyReused(key)
	}
	out.body.Reset()
	_, _ = out.Write(saved.Response)
	out.status = saved.Status
	out.Header().Set("Content-Type", "application/json")
	out.Header().Set("Idempotent-Replayed", "true")
	return nil
}

func keyReused(*onceKey) *Fault {
	return &Fault{Status: http.StatusConflict, Code: CodeDuplicate, Message: "the idempotency key was used for another request",
		Details: []Detail{{Field: "Idempotency-Key", Code: string(campaign.CodeKeyReused), Message: "used for another request within 24 h; take a new key"}}}
}

// keyOf reads the key of the header, or request_id of the body. A dry run has none.
func keyOf(r *http.Request, c *call, in *input) (*onceKey, *Fault) {
	text, field := r.Header.Get("Idempotency-Key"), "Idempotency-Key"
	if text == "" {
		text, field = in.text("request_id"), "request_id"
	}
	if dry, _ := in.body["validate_only"].(bool); dry || text == "" {
		return nil, nil
	}
	if len(text) > campaign.MaxKey || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil, invalidValue(field, "MALFORMED", "the key must be printable ASCII", text, "128 characters")
	}
	k := &onceKey{scope: c.who.key(), key: text}
	if adv := c.tenant.advertiser().ID; adv != 0 {
		k.scope += " for advertiser " + adv.String()
	}
	k.hash = sha256.Sum256(append([]byte(c.op.id+"\n"+r.Header.Get("If-Match")+"\n"), encode(in.body)...))
	return k, nil
}

// edit is how the store is asked to change something on behalf of a call. part
// tells several creates of one request apart.
func edit(ctx context.Context, validateOnly *bool, part string) campaign.Edit {
	c := callOf(ctx)
	e := campaign.Edit{Actor: c.who.actor(), IfVersion: c.version, DryRun: validateOnly != nil && *validateOnly}
	if k, _ := ctx.Value(onceCtx{}).(*onceKey); k != nil && !e.DryRun {
		sum := sha256.Sum256([]byte(k.scope + "\n" + k.key + "\n" + part))
		e.Key, e.BodyHash = hex.EncodeToString(sum[:]), k.hash
	}
	return e
}

// withoutSecret blanks what must not be kept, such as the text of a new token.
func withoutSecret(op *operation, body []byte) []byte {
	if op.secret == "" {
		return body
	}
	var envelope map[string]any
	err := json.Unmarshal(body, &envelope)
	data, ok := envelope["data"].(map[string]any)
	if err != nil || !ok {
		panic(errors.New("manage: an answer with a secret has no data"))
	}
	data[op.secret] = ""
	return encode(envelope)
}
