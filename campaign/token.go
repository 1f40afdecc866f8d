package campaign

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"io"
	"strings"
	"time"

	"mazad/internal/id"
)

// Scope is what an API token may do. The three are separate keys on purpose: a
// feed server that leaks its key leaks no budgets.
type Scope string

// The scopes.
const (
	ScopeDecision   Scope = "decision"   // ask for ads
	ScopeEvent      Scope = "event"      // send events and users
	ScopeManagement Scope = "management" // edit and report
)

// TokenHash is the SHA-256 of a token; the token itself is never stored.
type TokenHash [sha256.Size]byte

// Token is what is kept of an API token. A management token is bound to one
// advertiser or to every advertiser of one business center, an event token to
// one advertiser. A decision token is bound to nobody, and so may an event token
// be: those are the app operator's.
type Token struct {
	ID             int64
	Scope          Scope
	Name           string
	Prefix         string // what is shown in lists: "mzd_event_k3x7qa"
	Advertiser     id.Advertiser
	BusinessCenter id.BusinessCenter
	CreatedAt      time.Time
	LastUsedAt     time.Time // zero = never
	RevokedAt      time.Time // zero = valid
}

// tokenBits is the randomness of a token: not to be guessed, ever.
const tokenBits = 256

// NewSecret draws a token of the form mzd_<scope>_<random> from random, which
// must be crypto/rand.Reader outside tests, and its prefix.
func NewSecret(scope Scope, random io.Reader) (secret, prefix string, err error) {
	var b [tokenBits / 8]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", "", fmt.Errorf("draw a token: %w", err)
	}
	text := strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
	head := "mzd_" + string(scope) + "_"
	return head + text, head + text[:6], nil
}

// HashToken is what is stored and looked up. A token has 256 random bits, so a
// plain hash needs no salt and no stretching.
func HashToken(secret string) TokenHash { return sha256.Sum256([]byte(secret)) }

// Covers reports whether the token may act for the advertiser.
func (t *Token) Covers(a *Advertiser) bool {
	if !t.RevokedAt.IsZero() {
		return false
	}
	if t.Advertiser != 0 {
		return t.Advertiser == a.ID
	}
	return t.BusinessCenter != 0 && t.BusinessCenter == a.BusinessCenter
}

// Validate checks a token to be created.
func (t *Token) Validate() error {
	var l list
	enum(&l, "scope", t.Scope, ScopeDecision, ScopeEvent, ScopeManagement)
	l.name("name", t.Name, MaxName)
	switch {
	case t.Advertiser != 0 && t.BusinessCenter != 0:
		l.add(CodeNotTogether, "bc_id", t.BusinessCenter.String(), "", "a token belongs to an advertiser or to a business center, not to both")
	case t.Advertiser == 0 && t.BusinessCenter == 0 && t.Scope == ScopeManagement:
		l.add(CodeRequired, "advertiser_id", "", "", "or bc_id must be given for a management token")
	case t.Scope == ScopeEvent && t.BusinessCenter != 0:
		l.add(CodeNotTogether, "bc_id", t.BusinessCenter.String(), "", "an event key belongs to one advertiser: give advertiser_id")
	case t.Scope == ScopeDecision && (t.Advertiser != 0 || t.BusinessCenter != 0):
		// Whoever asks for ads also makes impressions, of everybody's ads.
		l.add(CodeNotTogether, "scope", string(t.Scope), words(ScopeEvent, ScopeManagement), "a decision key is the app operator's: it asks for the ads of everybody")
	}
	return l.err()
}
