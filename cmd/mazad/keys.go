package main

import (
	"context"
	"crypto/sha256"
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
	away  atomic.Int64 // ms: the store was away, and is not asked again before; 0 = it answers
}

type keyEntry struct {
	token campaign.Token
	found bool
	until time.Time
}

// fresh reports whether the answer is new enough; a clock that was set back makes
// none last longer.
func (e *keyEntry) fresh(now time.Time) bool {
	return !now.After(e.until) && e.until.Sub(now) <= keyLife
}

// believed reports whether a key that was good may pass while the store is away.
func (e *keyEntry) believed(now time.Time) bool {
	return e.found && now.Sub(e.until).Abs() < keyBelieved
}

// keyLife is how long an answer of the store is believed, and keyRoom how many
// answers are kept; strangers' keys push nothing out for longer than that. While
// the store is away, keys that were good are believed for keyBelieved, one request
// per keyProbe asks whether it is back, and waits keyWait at most.
const (
	keyLife     = time.Second
	keyRoom     = 10_000
	keyBelieved = time.Hour
	keyProbe    = time.Second
	keyWait     = time.Second
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
	if !ok || !e.fresh(now) {
		e = k.renew(hash, e, now)
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

// Away reports whether the store could not be asked, so that a refusal means
// nothing.
func (k *keyRing) Away() bool { return k.away.Load() != 0 }

// renew asks the store, unless it is away and the old answer is believed.
func (k *keyRing) renew(hash campaign.TokenHash, old keyEntry, now time.Time) keyEntry {
	believed, next := old.believed(now), now.Add(keyProbe).UnixMilli()
	if away := k.away.Load(); away != 0 && believed {
		soon := away > now.UnixMilli() && away <= next
		if soon || !k.away.CompareAndSwap(away, next) {
			return old
		}
	}
	e, err := k.ask(hash, now)
	switch {
	case err == nil:
		k.away.Store(0)
		return e
	case believed:
		k.away.Store(next)
		return old
	}
	k.away.Store(next)
	return keyEntry{} // do not remember a no
}

// ask remembers what the store says; an error means that it is away.
func (k *keyRing) ask(hash campaign.TokenHash, now time.Time) (keyEntry, error) {
	ctx, cancel := context.WithTimeout(k.ctx, keyWait)
	defer cancel()
	t, err := k.store.FindToken(ctx, hash)
	if err != nil && campaign.KindOf(err) != campaign.NotFound {
		return keyEntry{}, err
	}
	e := keyEntry{token: t, found: err == nil, until: now.Add(keyLife)}
	if k.held.Load() >= keyRoom {
		k.held.Store(0)
		k.known.Clear()
	}
	if _, had := k.known.Swap(hash, e); !had {
		k.held.Add(1)
	}
	return e, nil
}
