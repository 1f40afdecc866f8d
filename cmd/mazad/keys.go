package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"mazad/api/ads"
	"mazad/audience"
	userstore "mazad/audience/store"
	"mazad/campaign"
	"mazad/internal/clock"
	"mazad/serving"
)

// userKeys gives the diary the data keys of users.
type userKeys struct {
	users  *userstore.Store
	nobody [32]byte // for ordinal 0
}

// Key implements events.Keys.
func (k userKeys) Key(ord uint32) (key [32]byte, ok bool) {
	if ord == 0 {
		return k.nobody, k.nobody != [32]byte{}
	}
	v, ok, err := k.users.KeyByOrd(audience.UserOrd(ord))
	return v, ok && err == nil
}

// decider lets api/ads ask for traces as JSON.
type decider struct{ engine *serving.Engine }

func (d decider) Decide(req *serving.Request, resp *serving.Response) { d.engine.Decide(req, resp) }

func (d decider) Explain(req *serving.Request, resp *serving.Response, dst []byte) []byte {
	var tr serving.Trace
	d.engine.Explain(req, resp, &tr)
	return append(dst, tr.JSON()...)
}

// keyRing judges API keys from a short-lived cache, so that an ad request never
// waits for the store twice for the same key. A revoked key is refused within
// keyLife.
type keyRing struct {
	ctx   context.Context
	store campaign.Tokens
	clock clock.Clock

	known sync.Map     // campaign.TokenHash to keyEntry; read without a lock
	held  atomic.Int64 // about how many
}

type keyEntry struct {
	token campaign.Token
	found bool
	until time.Time
}

// keyLife is how long an answer of the store is believed, and keyRoom how many
// answers are kept; strangers' keys push nothing out for longer than that.
const (
	keyLife = time.Second
	keyRoom = 10_000
)

func newKeyRing(ctx context.Context, store campaign.Tokens, c clock.Clock) *keyRing {
	return &keyRing{ctx: context.WithoutCancel(ctx), store: store, clock: c}
}

// Check implements ads.KeyChecker.
func (k *keyRing) Check(key []byte, kind ads.KeyKind) (ads.Principal, bool) {
	hash := campaign.TokenHash(sha256.Sum256(key))
	now := k.clock.Now()
	v, _ := k.known.Load(hash)
	e, ok := v.(keyEntry)
	if !ok || now.After(e.until) {
		e = k.ask(hash, now)
	}
	want := campaign.ScopeDecision
	if kind == ads.KeyEvent {
		want = campaign.ScopeEvent
	}
	if !e.found || e.token.Scope != want {
		return ads.Principal{}, false
	}
	// At this door a principal without an advertiser is the operator. The campaign
	// room makes no decision key with an owner and no event key of a business
	// center; one that is there all the same must not grow into that.
	owned := kind == ads.KeyDecision && e.token.Advertiser != 0
	if owned || e.token.BusinessCenter != 0 {
		return ads.Principal{}, false
	}
	return ads.Principal{Advertiser: e.token.Advertiser, Explain: kind == ads.KeyDecision}, true
}

func (k *keyRing) ask(hash campaign.TokenHash, now time.Time) keyEntry {
	ctx, cancel := context.WithTimeout(k.ctx, 2*time.Second)
	defer cancel()
	t, err := k.store.FindToken(ctx, hash)
	e := keyEntry{token: t, found: err == nil, until: now.Add(keyLife)}
	var known *campaign.Error
	if err != nil && !errors.As(err, &known) {
		return e // the store is away: do not remember a no
	}
	if k.held.Load() >= keyRoom {
		k.held.Store(0)
		k.known.Clear()
	}
	if _, had := k.known.Swap(hash, e); !had {
		k.held.Add(1)
	}
	return e
}
