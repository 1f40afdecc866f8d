package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"mazad/campaign"
	"mazad/internal/id"
)

// census knows which advertisers there are. One that was there once stays known:
// ids are never given out twice, and what is deleted can still be reported on.
type census struct {
	ctx   context.Context
	store interface {
		Advertiser(ctx context.Context, adv id.Advertiser) (campaign.Advertiser, error)
	}
	known sync.Map // id.Advertiser to struct{}
	held  atomic.Int64
}

const (
	censusRoom = 100_000
	censusWait = time.Second
)

// Exists implements ads.AdvertiserChecker.
func (c *census) Exists(adv id.Advertiser) (exists, told bool) {
	if _, ok := c.known.Load(adv); ok {
		return true, true
	}
	ctx, cancel := context.WithTimeout(c.ctx, censusWait)
	defer cancel()
	_, err := c.store.Advertiser(ctx, adv)
	var known *campaign.Error
	switch {
	case errors.As(err, &known) && known.Kind == campaign.NotFound:
		return false, true
	case err != nil:
		return false, false
	}
	if c.held.Add(1) > censusRoom {
		c.held.Store(1)
		c.known.Clear()
	}
	c.known.Store(adv, struct{}{})
	return true, true
}
