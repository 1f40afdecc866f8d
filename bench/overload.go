package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"mazad/bench/body"
	"mazad/bench/line"
	"mazad/bench/load"
	"mazad/bench/node"
)

// What overload is to reach.
const (
	goodputTarget  = 0.9 // of capacity
	servedTarget   = 2   // times the p99 at 80 %
	refusalTarget  = 2   // ms, p99
	overloadGroups = 10_000

	overloadConnections = 256 // in open loop
	capacityConnections = 4   // in closed loop: always one to work on, never a queue that the gate would cut
	beaconsBeside       = 200 // a second, all the time
)

// stampede is one run of the suite.
type stampede struct {
	o        *Options
	p        *line.Printer
	node     *node.Node
	round    time.Duration
	requests [][]byte
	shots    *ingest // fetches tokens and sends beacons
	rss      int64   // the highest seen
}

// overLoad offers the real node more than it can carry: the server on one
// processor, the generator on another, so that neither takes the other's time.
func overLoad(ctx context.Context, o *Options, p *line.Printer) (err error) {
	if o.Binary == "" {
		return errors.New("no mazad binary to run as the node")
	}
	s := &stampede{o: o, p: p, round: 10 * time.Second}
	if o.Quick {
		s.round = 3 * time.Second
	}
	if o.Round > 0 {
		s.round = o.Round
	}
	groups := overloadGroups
	if len(o.Sizes) > 0 {
		groups = o.Sizes[0]
	}
	cfg := node.Config{Binary: o.Binary, AdGroups: groups, Users: 5000, Seed: o.Seed, Holds: 1 << 22, Library: o.Library, Log: o.log("node")}
	if runtime.NumCPU() > 1 {
		undo, err := node.Pin([]int{1})
		if err == nil {
			defer undo()
			cfg.CPUs = []int{0}
		}
	}
	if cfg.CPUs == nil {
		p.Remark("the generator could not be given a processor of its own: it takes the server's time, and the figures say little")
	}
	if s.node, err = node.Open(ctx, cfg); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.node.Close()) }()
	if err := s.node.Start(ctx); err != nil {
		return err
	}
	p.Remark("the node is `mazad serve` with all engines and %d ad groups on processor 0, the generator on processor 1; feed requests of %d bytes, %d slots, and %d beacons a second beside them",
		groups, body.FeedBytes, body.FeedSlots, beaconsBeside)
	g := body.New(o.Seed, 5000)
	for range httpBodies {
		s.requests = append(s.requests, load.Request("POST", "mazad.example", "/v1/ads", g.Feed(nil), load.JSON, load.Header{Name: "X-Api-Key", Value: s.node.Decision}))
	}
	s.shots = &ingest{o: o, p: p, node: s.node, round: s.round}
	s.shots.wallet = newWallet(s.shots)
	return s.measure(ctx)
}

// wave is what came of one open or closed loop of ad requests.
type wave struct {
	served    []float64     // ms from when they were due
	refused   []float64     // ms from when they were sent
	cpu       time.Duration // of the server, with the time to settle
	beacons   *load.Report
	perSecond float64 // served
}

func (s *stampede) measure(ctx context.Context) error {
	var capacity, work []float64
	for range rounds {
		w, err := s.send(ctx, 0, s.round/3)
		if err != nil {
			return err
		}
		if len(w.refused) > 0 {
			s.p.Remark("%.1f %% of the requests that measure the capacity were refused", 100*share(w))
		}
		capacity, work = append(capacity, w.perSecond), append(work, micros(w.cpu)/1.1/float64(len(w.served)))
	}
	full := median(capacity)
	s.p.Remark("capacity: rounds of %.0f a second in closed loop", capacity)
	s.p.Print(line.Figure{Name: "capacity_rps", Value: full, Unit: "1/s", N: int64(full * s.round.Seconds())})
	calm, err := s.send(ctx, 0.8*full, s.round)
	if err != nil {
		return err
	}
	calmP99 := quantile(calm.served, 99)
	s.p.Print(line.Figure{Name: "p99_ms@0.8x", Value: calmP99, Unit: "ms", N: int64(len(calm.served))})
	s.p.Print(line.Figure{Name: "refused_share@0.8x", Value: share(calm), Unit: "1", N: int64(len(calm.served))})
	var storm *wave
	if err := s.shots.profiled(ctx, "overload", func() (err error) {
		storm, err = s.send(ctx, 2*full, s.round)
		return err
	}); err != nil {
		return err
	}
	after, err := s.send(ctx, 0.8*full, s.round/2)
	if err != nil {
		return err
	}
	answer := median(work)
	refusal := max(0, (micros(storm.cpu)/1.1-answer*float64(len(storm.served)))/float64(max(1, len(storm.refused))))
	s.p.Remark("an answer costs the server %.0f us of processor, a refusal %.0f us: at twice the capacity at most %.2f of it can be answers", answer, refusal, (answer-2*refusal)/(answer-refusal))
	possible := (answer - 2*refusal) / (answer - refusal)
	s.print(full, calmP99, storm, after)
	s.p.Print(line.Figure{Name: "goodput_of_possible@2x", Value: storm.perSecond / full / possible, Unit: "x", N: int64(len(storm.served))})
	return nil
}

func (s *stampede) print(full, calmP99 float64, storm, after *wave) {
	n := int64(len(storm.served) + len(storm.refused))
	p99 := quantile(storm.served, 99)
	s.p.Remark("at twice the capacity: %.0f served and %.0f refused a second; served p50 %.2f p99 %.2f ms, refused p50 %.2f p99 %.2f ms; beacons p99 %s",
		storm.perSecond, float64(len(storm.refused))/s.round.Seconds(), quantile(storm.served, 50), p99,
		quantile(storm.refused, 50), quantile(storm.refused, 99), storm.beacons.P99.Round(10*time.Microsecond))
	for _, f := range []line.Figure{
		{Name: "goodput_ratio@2x", Value: storm.perSecond / full, Unit: "x", Target: line.AtLeast(goodputTarget), N: n},
		{Name: "p99_ratio@2x", Value: p99 / calmP99, Unit: "x", Target: line.AtMost(servedTarget), N: int64(len(storm.served))},
		{Name: "refusal_p99_ms@2x", Value: quantile(storm.refused, 99), Unit: "ms", Target: line.AtMost(refusalTarget), N: int64(len(storm.refused))},
		{Name: "beacon_refused@2x", Value: float64(storm.beacons.Status[503] + storm.beacons.Errors), Unit: "1", Target: line.Exactly(0), N: storm.beacons.Answered},
		{Name: "rss_mb", Value: float64(s.rss) / (1 << 20), Unit: "MB", N: 1},
		{Name: "p99_ratio_after", Value: quantile(after.served, 99) / calmP99, Unit: "x", N: int64(len(after.served))},
		{Name: "refused_share_after", Value: share(after), Unit: "1", N: int64(len(after.served))},
	} {
		s.p.Print(f)
	}
}

func share(w *wave) float64 {
	return float64(len(w.refused)) / float64(len(w.refused)+len(w.served))
}

// send offers ad requests at a rate, 0 for as many as are answered, with a tenth
// of the time before it to settle, and beacons beside them.
func (s *stampede) send(ctx context.Context, rate float64, d time.Duration) (*wave, error) {
	list, err := s.shots.wallet.beacons(ctx, int(beaconsBeside*2*(d+d/5).Seconds())+100)
	if err != nil {
		return nil, err
	}
	beside := make(chan error, 1)
	w := &wave{}
	s.shots.round = d + d/10
	go func() {
		r, _, _, err := s.shots.fire(ctx, list, 32, beaconsBeside)
		w.beacons = r
		beside <- err
	}()
	connections := overloadConnections
	if rate == 0 {
		connections = capacityConnections
	}
	before, err := s.node.Usage()
	if err != nil {
		return nil, err
	}
	type seen struct{ served, refused []float64 }
	by := make([]seen, connections)
	r, err := load.Run(ctx, load.Config{
		Address: s.node.Ads, Connections: connections, RatePerSecond: rate, Poisson: true, Seed: s.o.Seed, WarmUp: d / 10, Duration: d, Timeout: requestTimeout,
		Request: func(c int, n uint64) []byte { return s.requests[(uint64(c)*61+n)%uint64(len(s.requests))] },
		Answer: func(c int, _ uint64, _ int, answer []byte, took, service time.Duration) {
			if bytes.HasSuffix(answer, refusedAnswer) {
				by[c].refused = append(by[c].refused, float64(service.Nanoseconds())/1e6)
			} else {
				by[c].served = append(by[c].served, float64(took.Nanoseconds())/1e6)
			}
		},
	})
	used, err2 := s.node.Usage()
	w.cpu = used - before
	err = errors.Join(err, err2)
	if err := errors.Join(err, <-beside); err != nil {
		return nil, err
	}
	if r.Errors > 0 || r.Unsent > 0 || r.Share(200) < 1 {
		return nil, fmt.Errorf("%d requests failed, %d were not sent, answers by status: %v: %w", r.Errors, r.Unsent, r.Status, r.FirstError)
	}
	for i := range by {
		w.served, w.refused = append(w.served, by[i].served...), append(w.refused, by[i].refused...)
	}
	if len(w.served) == 0 {
		return nil, errors.New("no request was served")
	}
	w.perSecond = float64(len(w.served)) / d.Seconds()
	_, high, err := s.node.Memory()
	s.rss = max(s.rss, high)
	return w, err
}

// refusedAnswer is the end of what a request gets that found no room.
var refusedAnswer = []byte(`"reason":"overload"}`)
