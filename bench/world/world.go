package world

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"mazad/auction"
	"mazad/audience"
	"mazad/bench/body"
	"mazad/campaign/campaigntest"
	"mazad/events"
	"mazad/internal/clock"
	"mazad/internal/money"
	"mazad/prediction"
	"mazad/serving"
	"mazad/serving/servingtest"
	"mazad/targeting"
	"mazad/targeting/targetingtest"
)

// MaxUsers bounds the directory.
const MaxUsers = 1_000_000

// funded is what every wallet holds, in micros: money is never what ends a run.
const funded = 1_000_000_000_000

// Config shapes a World.
type Config struct {
	AdGroups  int
	Users     int // profiles of "u0" to "u<n-1>"
	Seed      uint64
	CPMOnly   bool                // for exchanges, where nothing else competes
	Decisions serving.DecisionLog // nil: not recorded
}

// World is a corridor and what a benchmark asks it.
type World struct {
	Engine    *serving.Engine
	Treasurer *serving.Treasurer
	Sealer    *events.Sealer
	Directory *audience.Directory
	Market    serving.Market
	Queries   []targeting.Personal // one per user
	ids       [][]byte             // by user; requests lend them out
	session   []byte
}

// Open builds a World.
func Open(ctx context.Context, cfg Config) (*World, error) {
	if cfg.AdGroups < 1 || cfg.AdGroups > campaigntest.MaxAdGroups {
		return nil, fmt.Errorf("ad groups: %d is not from 1 to %d", cfg.AdGroups, campaigntest.MaxAdGroups)
	}
	if cfg.Users < 1 || cfg.Users > MaxUsers {
		return nil, fmt.Errorf("users: %d is not from 1 to %d", cfg.Users, MaxUsers)
	}
	w := &World{Directory: audience.NewDirectory(cfg.Seed), session: []byte("session")}
	w.Market = serving.Market{
		Currency: "USD", Rule: auction.SecondPrice, Floor: 10_000, MaxPerAdvertiser: 1,
		SlotWeights: []money.PPB{money.One, money.One / 2, money.One / 3},
	}
	if err := w.people(cfg); err != nil {
		return nil, err
	}
	if err := w.corridor(ctx, cfg); err != nil {
		return nil, err
	}
	return w, w.publish(ctx, cfg)
}

func (w *World) corridor(ctx context.Context, cfg Config) (err error) {
	frequency := audience.NewFrequency(1<<20, cfg.Seed)
	if w.Treasurer, err = serving.OpenTreasurer(ctx, serving.TreasurerConfig{
		Clock: clock.System{}, Leases: servingtest.NewLeases(funded), Frequency: frequency, Generation: 1, MaxCells: 8 * max(cfg.AdGroups, 1000),
	}); err != nil {
		return err
	}
	if w.Sealer, err = events.NewSealer(events.Secret{ID: 1, Bytes: []byte("a key that signs nothing of value")}); err != nil {
		return err
	}
	var everywhere []string
	for _, m := range body.Markets() {
		everywhere = append(everywhere, m.Country)
	}
	optOut, err := audience.CountriesOf(everywhere...)
	if err != nil {
		return err
	}
	w.Engine, err = serving.NewEngine(serving.Config{
		Clock: clock.System{}, Market: w.Market, Policy: audience.Policy{OptOut: optOut}, Users: w.Directory,
		Frequency: frequency, Treasurer: w.Treasurer, Sealer: w.Sealer, Decisions: cfg.Decisions,
	})
	return err
}

// publish makes the first snapshot, as the publisher does.
func (w *World) publish(ctx context.Context, cfg Config) error {
	now := clock.System{}.Now()
	tree := campaigntest.Tree(campaigntest.Options{AdGroups: cfg.AdGroups, Seed: cfg.Seed, CPMOnly: cfg.CPMOnly, Start: now.Truncate(24 * time.Hour)})
	newAtlas(body.Markets()).rename(&tree)
	learner, err := prediction.NewLearner(prediction.Config{})
	if err != nil {
		return err
	}
	if err := w.Treasurer.Apply(ctx, &tree, now); err != nil {
		return err
	}
	snap, err := serving.Build(&tree, &w.Market, w.Treasurer, learner.Publish(1), now)
	if err != nil {
		return err
	}
	if err := w.Treasurer.Tick(ctx, now); err != nil {
		return err
	}
	w.Engine.Publish(snap)
	return nil
}

// people makes a profile for every user, from the requests of the workload: all
// adults, who allow personal ads.
func (w *World) people(cfg Config) error {
	w.Queries = targetingtest.Queries(cfg.Users, cfg.Seed)
	atlas := newAtlas(body.Markets())
	for i := range w.Queries {
		q := &w.Queries[i]
		atlas.renameQuery(q)
		q.Age = max(q.Age, targeting.Age18_24)
		p := audience.Profile{
			Known: true, Ord: audience.UserOrd(i + 1), Age: ages[q.Age], Gender: audience.Gender(q.Gender),
			Language: audience.Language(q.Language), Consent: audience.ConsentGranted,
			Interests: ascending(q.Interests), Segments: ascending(q.Segments),
		}
		w.ids = append(w.ids, userID(i))
		if err := w.Directory.Put(w.ids[i], &p); err != nil {
			return fmt.Errorf("user %d: %w", i, err)
		}
	}
	return nil
}

// ages is a year in each band.
var ages = [...]uint8{0, 15, 21, 30, 40, 50, 60}

func ascending[T ~uint32](list []T) []uint32 {
	out := make([]uint32, len(list))
	for i, v := range list {
		out[i] = uint32(v)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// userID is the id of the i-th user, as bench/body writes it.
func userID(i int) []byte { return strconv.AppendInt([]byte{'u'}, int64(i), 10) }

// Request writes the feed request of the i-th user. It lends bytes of w, which
// nobody changes.
func (w *World) Request(i, slots int, req *serving.Request) {
	q := &w.Queries[i%len(w.Queries)]
	req.Reset()
	req.UserID, req.Session = w.ids[i%len(w.ids)], w.session
	req.Country, req.Region, req.City, req.Language = q.Country, q.Region, q.City, q.Language
	req.OS, req.OSVersion, req.Placement, req.Gender = q.OS, q.OSVersion, q.Placement, q.Gender
	req.Signals.Country = [2]byte{byte(q.Country >> 8), byte(q.Country)}
	for range slots {
		req.AddSlot().Formats = serving.FormatVideo | serving.FormatImage | serving.FormatCarousel
	}
}

// Settle gives up all outstanding holds, though their tokens are young: nobody
// shows these ads, and budgets must not run dry for that. The treasurer takes a
// leap of its clock as a minute, so the life of a token passes in minutes.
func (w *World) Settle() {
	now := clock.System{}.Now()
	for m := range tokenMinutes {
		w.Treasurer.Sweep(now.Add(time.Duration(m+1) * time.Minute))
	}
}

// tokenMinutes is longer than any token holds money.
const tokenMinutes = 32

// Tick does what a node does about five times a second.
func (w *World) Tick(ctx context.Context) error {
	return w.Treasurer.Tick(ctx, clock.System{}.Now())
}

// Recorder is a log that encodes decisions like the diary's ring does, over
// and over into the same bytes. It belongs to one goroutine.
type Recorder struct {
	encoder events.Encoder
	slot    []byte
	Bytes   int64 // of all decisions
}

// Offer implements serving.DecisionLog.
func (r *Recorder) Offer(rec *events.Record) bool {
	var err error
	r.slot, err = r.encoder.AppendClear(r.slot[:0], rec)
	r.Bytes += int64(len(r.slot))
	return err == nil
}
