package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"mazad/api/ads"
	"mazad/campaign"
	"mazad/internal/clock"
)

// oneToken is a store that knows every key as the same token.
type oneToken struct {
	campaign.Tokens
	token campaign.Token
}

func (o oneToken) FindToken(context.Context, campaign.TokenHash) (campaign.Token, error) {
	return o.token, nil
}

// moodyStore is a store that goes away, and counts who asks.
type moodyStore struct {
	campaign.Tokens
	asked   int
	away    bool
	revoked bool
}

func (m *moodyStore) FindToken(_ context.Context, h campaign.TokenHash) (campaign.Token, error) {
	m.asked++
	switch {
	case m.away:
		return campaign.Token{}, &campaign.Error{Kind: campaign.Internal, Err: errors.New("connection refused")} // as the store says it
	case m.revoked || h != sha256.Sum256([]byte("good")):
		return campaign.Token{}, &campaign.Error{Kind: campaign.NotFound, Code: campaign.CodeNotFound}
	}
	return campaign.Token{Scope: campaign.ScopeEvent}, nil
}

// TestKeysWhileTheStoreIsAway: a key that was good passes for an hour without
// holding anybody up, a strange one is neither good nor bad, and the first answer
// of the store counts again.
func TestKeysWhileTheStoreIsAway(t *testing.T) {
	store, clk := &moodyStore{}, clock.NewFake(time.Unix(1_790_000_000, 0))
	k := newKeyRing(t.Context(), store, clk)
	check := func(key string, want, away bool) {
		t.Helper()
		if _, ok := k.Check([]byte(key), ads.KeyEvent); ok != want || k.Away() != away {
			t.Errorf("%s after %s: %t, away %t; want %t and %t", key, clk.Now().Format(time.TimeOnly), ok, k.Away(), want, away)
		}
	}
	check("good", true, false)
	check("bad", false, false)
	store.away = true
	clk.Advance(2 * keyLife)
	store.asked = 0
	for range 600 {
		for range 10 {
			check("good", true, true)
		}
		clk.Advance(time.Second)
	}
	if store.asked > 601 {
		t.Errorf("%d questions to a store that was away for 600 s", store.asked)
	}
	check("bad", false, true)
	clk.Advance(-30 * time.Minute) // a clock that is set back stops nothing
	check("good", true, true)
	clk.Advance(keyBelieved + time.Hour)
	check("good", false, true)
	store.away = false
	check("good", true, false)
	clk.Advance(-30 * time.Minute)
	store.revoked = true
	check("good", false, false)
}

// A key with an owner never becomes the operator's, whatever is in the store.
func TestAnOwnedKeyIsNotTheOperators(t *testing.T) {
	f := func(tok campaign.Token, kind ads.KeyKind, ok bool, want ads.Principal) {
		t.Helper()
		k := newKeyRing(t.Context(), oneToken{token: tok}, clock.NewFake(time.Unix(1, 0)))
		if who, got := k.Check([]byte("key"), kind); got != ok || who != want {
			t.Errorf("%+v: %+v, %v, want %+v, %v", tok, who, got, want, ok)
		}
	}
	f(campaign.Token{Scope: campaign.ScopeEvent}, ads.KeyEvent, true, ads.Principal{})
	f(campaign.Token{Scope: campaign.ScopeEvent, Advertiser: 5}, ads.KeyEvent, true, ads.Principal{Advertiser: 5})
	f(campaign.Token{Scope: campaign.ScopeEvent, BusinessCenter: 9}, ads.KeyEvent, false, ads.Principal{})
	f(campaign.Token{Scope: campaign.ScopeDecision}, ads.KeyDecision, true, ads.Principal{Explain: true})
	f(campaign.Token{Scope: campaign.ScopeDecision, Advertiser: 5}, ads.KeyDecision, false, ads.Principal{})
	f(campaign.Token{Scope: campaign.ScopeDecision, BusinessCenter: 9}, ads.KeyDecision, false, ads.Principal{})
	f(campaign.Token{Scope: campaign.ScopeManagement, Advertiser: 5}, ads.KeyDecision, false, ads.Principal{})
	f(campaign.Token{Scope: campaign.ScopeEvent}, ads.KeyDecision, false, ads.Principal{})
	f(campaign.Token{Scope: campaign.ScopeDecision}, ads.KeyEvent, false, ads.Principal{})
}
