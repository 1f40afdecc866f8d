package manage

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"mazad/campaign"
	"mazad/internal/id"
)

// maxTokenBytes is far above any token that was ever handed out.
const maxTokenBytes = 256

// Principal is who calls.
type Principal struct {
	Operator bool // holds the operator's key
	Token    int64
	Prefix   string // shown in logs and in the change log
	Mode     Mode
	Owner    campaign.TokenOwner
}

// actor is how the change log names the principal.
func (p Principal) actor() string {
	if p.Operator {
		return "operator"
	}
	return "token " + p.Prefix
}

// key names the owner; idempotency keys of two owners never meet.
func (p Principal) key() string {
	switch {
	case p.Operator:
		return "operator"
	case p.Owner.Advertiser != 0:
		return "advertiser " + p.Owner.Advertiser.String()
	}
	return "bc " + p.Owner.BusinessCenter.String()
}

// tenant is what a call may touch, found before the handler runs. A handler
// reads ids of accounts from here, never from the request.
type tenant struct {
	advertisers []campaign.Advertiser // in the order asked
	bc          id.BusinessCenter
}

// advertiser is the one advertiser of an operation that names one; the zero
// value has no id and owns nothing.
func (t tenant) advertiser() campaign.Advertiser {
	if len(t.advertisers) == 0 {
		return campaign.Advertiser{}
	}
	return t.advertisers[0]
}

// authenticate finds the principal of a request. Unknown, revoked and expired
// tokens get one answer.
func (d *door) authenticate(r *http.Request) (Principal, *Fault) {
	secret, f := secretOf(r)
	if f != nil {
		return Principal{}, f
	}
	hash := sha256.Sum256([]byte(secret))
	if d.operator != ([sha256.Size]byte{}) && subtle.ConstantTimeCompare(hash[:], d.operator[:]) == 1 {
		return Principal{Operator: true, Prefix: "operator"}, nil
	}
	t, err := d.campaigns.FindToken(r.Context(), campaign.HashToken(secret))
	if campaign.KindOf(err) == campaign.NotFound {
		return Principal{}, unauthorized(CodeBadToken, "the access token is unknown or was revoked")
	}
	if err != nil {
		return Principal{}, asFault(err)
	}
	p := Principal{Token: t.ID, Prefix: t.Prefix, Mode: modeOf(t), Owner: campaign.TokenOwner{Advertiser: t.Advertiser, BusinessCenter: t.BusinessCenter}}
	if t.Scope != campaign.ScopeManagement {
		return p, forbidden("this is a key for " + string(t.Scope) + "s; the marketing API needs a management token")
	}
	if p.Owner == (campaign.TokenOwner{}) {
		return p, forbidden("the token belongs to nobody")
	}
	d.used.note(t.ID, d.clock.Now())
	return p, nil
}

func secretOf(r *http.Request) (string, *Fault) {
	secret := r.Header.Get("Access-Token")
	if kind, bearer, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(kind, "Bearer") {
		bearer = strings.TrimSpace(bearer)
		if secret != "" && bearer != secret {
			return "", unauthorized(CodeBadToken, "Access-Token and Authorization name different tokens")
		}
		secret = bearer
	}
	switch {
	case secret == "":
		return "", unauthorized(CodeNoToken, "no access token: send Access-Token: ... or Authorization: Bearer ...")
	case len(secret) > maxTokenBytes:
		return "", unauthorized(CodeBadToken, "the access token is unknown or was revoked")
	}
	return secret, nil
}

// reach decides what the call may touch (I11). What does not exist and what is
// not the caller's get the same answer.
func (d *door) reach(ctx context.Context, who Principal, op *operation, in *input) (tenant, *Fault) {
	switch op.scope {
	case scopeAdvertiser:
		return d.reachAdvertisers(ctx, who, in, "advertiser_id", []string{in.text("advertiser_id")})
	case scopeAdvertisers:
		return d.reachAdvertisers(ctx, who, in, "advertiser_ids", in.texts("advertiser_ids"))
	case scopeBC:
		if !who.Operator && who.Owner.BusinessCenter == 0 {
			return tenant{}, forbidden("the token belongs to an advertiser; this operation needs a business center's")
		}
		return d.reachBC(ctx, who, in)
	case scopeOwner:
		return d.reachOwner(ctx, who, in)
	case scopeOperator:
		if !who.Operator {
			return tenant{}, forbidden("this operation needs the operator's key")
		}
		if in.text("advertiser_id") != "" {
			return d.reachAdvertisers(ctx, who, in, "advertiser_id", []string{in.text("advertiser_id")})
		}
	}
	return tenant{}, nil
}

func (d *door) reachOwner(ctx context.Context, who Principal, in *input) (tenant, *Fault) {
	adv, bc := in.text("advertiser_id"), in.text("bc_id")
	switch {
	case adv != "" && bc != "":
		return tenant{}, invalidValue("bc_id", "NOT_ALLOWED_TOGETHER", "give advertiser_id or bc_id, not both", bc, "")
	case adv != "":
		return d.reachAdvertisers(ctx, who, in, "advertiser_id", []string{adv})
	case bc != "":
		return d.reachBC(ctx, who, in)
	case who.Owner.Advertiser != 0:
		return d.reachAdvertisers(ctx, who, in, "advertiser_id", []string{who.Owner.Advertiser.String()})
	}
	return tenant{bc: who.Owner.BusinessCenter}, nil
}

func (d *door) reachBC(ctx context.Context, who Principal, in *input) (tenant, *Fault) {
	text := in.text("bc_id")
	if text == "" {
		if who.Operator {
			return tenant{}, invalid("bc_id", "REQUIRED", "the operator must name the business center")
		}
		return tenant{bc: who.Owner.BusinessCenter}, nil
	}
	bc, err := id.Parse[id.BusinessCenter](text)
	if err != nil {
		return tenant{}, in.malformed("bc_id", text)
	}
	if !who.Operator && bc != who.Owner.BusinessCenter {
		return tenant{}, outOfReach("bc_id", text)
	}
	if _, err := d.campaigns.BusinessCenter(ctx, bc); campaign.KindOf(err) == campaign.NotFound {
		return tenant{}, outOfReach("bc_id", text)
	} else if err != nil {
		return tenant{}, asFault(err)
	}
	return tenant{bc: bc}, nil
}

func (d *door) reachAdvertisers(ctx context.Context, who Principal, in *input, field string, texts []string) (tenant, *Fault) {
	var t tenant
	for _, text := range texts {
		adv, err := id.Parse[id.Advertiser](text)
		if err != nil {
			return tenant{}, in.malformed(field, text)
		}
		a, err := d.campaigns.Advertiser(ctx, adv)
		switch {
		case campaign.KindOf(err) == campaign.NotFound:
			return tenant{}, outOfReach(field, text)
		case err != nil:
			return tenant{}, asFault(err)
		case !who.covers(&a):
			return tenant{}, outOfReach(field, text)
		}
		t.advertisers = append(t.advertisers, a)
	}
	if len(texts) == 0 {
		return tenant{}, in.malformed(field, "")
	}
	return t, nil
}

func (p Principal) covers(a *campaign.Advertiser) bool {
	if p.Operator {
		return true
	}
	t := campaign.Token{Advertiser: p.Owner.Advertiser, BusinessCenter: p.Owner.BusinessCenter}
	return t.Covers(a)
}

// malformed answers an account id that is missing or is no id: everything that
// is wrong with the request, of which this is a part.
func (in *input) malformed(field, text string) *Fault {
	if f := in.valid(); f != nil {
		return f
	}
	return invalidValue(field, "MALFORMED", "not an id", text, "a decimal number of at most 19 digits")
}
