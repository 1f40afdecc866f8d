package serving

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"mazad/campaign"
	"mazad/internal/clock"
	"mazad/prediction"
)

// Trees is the part of the campaign store that the Publisher reads.
type Trees interface {
	LoadAll(ctx context.Context) (campaign.Tree, error)
	LoadSince(ctx context.Context, since campaign.Revision) (campaign.Tree, error)
}

// PublisherConfig is what a Publisher works with.
type PublisherConfig struct {
	Clock     clock.Clock
	Trees     Trees
	Treasurer *Treasurer
	Engine    *Engine
	Market    *Market
}

// Publisher turns edits into snapshots, off the request path. Refresh and
// SetModel may be called from any goroutine; they take turns.
type Publisher struct {
	cfg   PublisherConfig
	mu    sync.Mutex
	model *prediction.Model
	tree  campaign.Tree

	published atomic.Int64 // snapshots
	lastMS    atomic.Int64 // how long the last build took
}

// NewPublisher returns a publisher that predicts with model until SetModel.
func NewPublisher(cfg PublisherConfig, model *prediction.Model) (*Publisher, error) {
	if cfg.Clock == nil || cfg.Trees == nil || cfg.Treasurer == nil || cfg.Engine == nil || cfg.Market == nil || model == nil {
		return nil, fmt.Errorf("serving: Clock, Trees, Treasurer, Engine, Market and a model are required")
	}
	return &Publisher{cfg: cfg, model: model}, nil
}

// Refresh publishes what changed since the last call, if anything did, and
// reports whether it did: true with an error means that it did, but without the
// ad groups that the error names or the leases that could not be fetched. Call it when the store says that something was edited,
// and a few times a second besides, for edits made on other nodes.
func (p *Publisher) Refresh(ctx context.Context) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	started := p.cfg.Clock.Now()
	tree, changed, err := p.load(ctx)
	if err != nil || !changed {
		return false, err
	}
	if err := p.cfg.Treasurer.Apply(ctx, &tree, started); err != nil {
		return false, fmt.Errorf("apply revision %d to the limits: %w", tree.Revision, err)
	}
	snap, err := Build(&tree, p.cfg.Market, p.cfg.Treasurer, p.model, started)
	if err != nil {
		return false, err
	}
	// A lease that cannot be fetched now is fetched by a later Tick; the edit is
	// live all the same.
	tickErr := p.cfg.Treasurer.Tick(ctx, p.cfg.Clock.Now())
	p.cfg.Engine.Publish(snap)
	p.tree = tree
	p.published.Add(1)
	p.lastMS.Store(p.cfg.Clock.Now().Sub(started).Milliseconds())
	return true, errors.Join(tickErr, p.cfg.Treasurer.LeftOut(), snap.leftOut)
}

// load returns the tree with every edit. The first call reads all of it, later
// ones only what changed since.
func (p *Publisher) load(ctx context.Context) (tree campaign.Tree, changed bool, err error) {
	if p.published.Load() == 0 {
		if tree, err = p.cfg.Trees.LoadAll(ctx); err != nil {
			return tree, false, fmt.Errorf("load the tree: %w", err)
		}
		return tree, true, nil
	}
	delta, err := p.cfg.Trees.LoadSince(ctx, p.tree.Revision)
	if err != nil {
		return tree, false, fmt.Errorf("load the edits since revision %d: %w", p.tree.Revision, err)
	}
	if len(delta.Advertisers)+len(delta.Campaigns)+len(delta.AdGroups)+len(delta.Ads) == 0 {
		p.tree.Revision = max(p.tree.Revision, delta.Revision) // a new token, say: nothing that is shown
		return tree, false, nil
	}
	return p.tree.With(delta), true, nil
}

// SetModel makes the next snapshot predict with m and publishes it at once.
func (p *Publisher) SetModel(m *prediction.Model) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.model = m
	p.cfg.Engine.Publish(p.cfg.Engine.Snapshot().withModel(m))
}

// Published is how many snapshots were built, and how long the last one took.
func (p *Publisher) Published() (n int64, last time.Duration) {
	return p.published.Load(), time.Duration(p.lastMS.Load()) * time.Millisecond
}
