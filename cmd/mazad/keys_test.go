package main

import (
	"context"
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
