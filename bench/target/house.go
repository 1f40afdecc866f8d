package target

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"mazad/api/ads"
	"mazad/bench/world"
	"mazad/events"
	"mazad/events/diary"
	"mazad/internal/clock"
	"mazad/serving"
)

// Key is the API key of the mazad kind.
const Key = "bench-decision-key"

// Intervals of the work that a node does beside requests. Holds are settled more
// often than a node would, because nobody shows these ads.
const (
	tickEvery   = 200 * time.Millisecond
	settleEvery = 100 * time.Millisecond
)

// house is Mazad's ads door with everything behind it.
type house struct {
	ads   *ads.Server
	world *world.World
	diary *diary.Diary
	dir   string
	stop  context.CancelFunc
	work  sync.WaitGroup
	began time.Time
}

func openHouse(ctx context.Context, cfg Config, url string) (_ *house, err error) {
	h := &house{began: time.Now()}
	ctx, h.stop = context.WithCancel(ctx)
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	if h.dir, err = os.MkdirTemp("", "mazad-bench-"); err != nil {
		return nil, fmt.Errorf("make a directory for the diary: %w", err)
	}
	if h.diary, err = diary.Open(ctx, diary.Config{Dir: filepath.Join(h.dir, "diary"), MoneyBytes: 64 << 20, DecisionBytes: 256 << 20}); err != nil {
		return nil, err
	}
	if h.world, err = world.Open(ctx, world.Config{
		AdGroups: cfg.AdGroups, Users: cfg.Users, Seed: cfg.Seed, CPMOnly: cfg.CPMOnly, Decisions: h.diary,
	}); err != nil {
		return nil, err
	}
	tracker, err := serving.NewTracker(serving.TrackerConfig{
		Clock: clock.System{}, Sealer: h.world.Sealer, Used: events.NewUsed(), Log: h.diary, Treasurer: h.world.Treasurer, Users: h.world.Directory,
	})
	if err != nil {
		return nil, err
	}
	if h.ads, err = ads.New(ads.Config{
		Engine: decider{h.world.Engine}, Confirm: tracker, Keys: newKeyRing(Key), PublicURL: url, Currency: h.world.Market.Currency, Clock: clock.System{},
		Limits: ads.Limits{QueueTarget: time.Minute, QueuePatience: time.Minute}, // closed loop is overload: nothing may be refused
	}); err != nil {
		return nil, err
	}
	h.work.Go(func() { h.every(ctx, tickEvery, func() { _ = h.world.Tick(ctx) }) }) // leases in memory do not fail
	h.work.Go(func() { h.every(ctx, settleEvery, h.world.Settle) })
	return h, nil
}

func (h *house) every(ctx context.Context, d time.Duration, work func()) {
	t := time.NewTicker(d)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			work()
		}
	}
}

func (h *house) Serve(ln net.Listener) error { return h.ads.Serve(ln) }

func (h *house) stats() string {
	s := h.world.Engine.Stats()
	requests := s.Requests[0].Load() + s.Requests[1].Load()
	_, holds := h.world.Treasurer.Pacing()
	out, err := json.Marshal(Stats{
		Requests: requests, Ads: s.Ads.Load(), Matched: s.Matched.Load(), NotLogged: s.NotLogged.Load(),
		Personal: s.Universes[1].Load(), Held: holds.Held,
	})
	if err != nil {
		return err.Error()
	}
	return string(out)
}

func (h *house) close() error {
	h.stop()
	h.work.Wait()
	var err error
	if h.diary != nil {
		ctx, done := context.WithTimeout(context.Background(), 2*time.Second)
		defer done()
		err = h.diary.Close(ctx)
	}
	if h.dir != "" {
		err = errors.Join(err, os.RemoveAll(h.dir))
	}
	return err
}

// decider is the engine as the door sees it.
type decider struct{ engine *serving.Engine }

func (d decider) Decide(req *serving.Request, resp *serving.Response) { d.engine.Decide(req, resp) }

func (d decider) Explain(req *serving.Request, resp *serving.Response, dst []byte) []byte {
	var tr serving.Trace
	d.engine.Explain(req, resp, &tr)
	return append(dst, tr.JSON()...)
}

// keyRing costs what a node's does: a hash and a locked map.
type keyRing struct {
	mu    sync.RWMutex // guards known
	known map[[32]byte]ads.KeyKind
}

func newKeyRing(key string) *keyRing {
	return &keyRing{known: map[[32]byte]ads.KeyKind{sha256.Sum256([]byte(key)): ads.KeyDecision}}
}

// Check implements ads.KeyChecker.
func (k *keyRing) Check(key []byte, kind ads.KeyKind) (ads.Principal, bool) {
	sum := sha256.Sum256(key)
	k.mu.RLock()
	defer k.mu.RUnlock()
	have, ok := k.known[sum]
	return ads.Principal{}, ok && have == kind
}
