package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"mazad/bench/body"
	"mazad/bench/line"
	"mazad/bench/load"
	"mazad/bench/target"
)

const (
	httpBodies      = 2048 // different requests, prepared before the clock runs
	httpProbes      = 400  // of which the size of our answer is learnt
	httpConnections = 32
	openConnections = 64 // in open loop
	requestTimeout  = 5 * time.Second
	overBareTarget  = 75   // us of processor per request, OpenRTB, 10,000 ad groups
	ratioTarget     = 0.28 // of bare fasthttp's requests per second, the same
)

// entrance is one of the two doors with the bodies that knock on it.
type entrance struct {
	name, suffix, path string
	cpmOnly            bool
	next               func(*body.Generator, []byte) []byte
	empty              []byte // in a body that carries no ad
}

func entrances() []entrance {
	return []entrance{
		{name: "openrtb", path: "/openrtb2/bid", cpmOnly: true, next: (*body.Generator).OpenRTB},
		{name: "feed", suffix: "_feed", path: "/v1/ads", next: (*body.Generator).Feed, empty: []byte(`"ads":[]`)},
	}
}

// overHTTP measures the ads door on a socket, in a process of its own, beside a
// bare fasthttp handler that answers as many bytes.
func overHTTP(ctx context.Context, o *Options, p *line.Printer) error {
	p.Remark("processor time is the server process's alone; requests per second include the generator, which shares the machine")
	p.Remark("openrtb: bodies of %d bytes, all ad groups CPM; feed: bodies of %d bytes, %d slots; %d users with profiles; an API key with each request",
		body.OpenRTBBytes, body.FeedBytes, body.FeedSlots, o.Users)
	p.Remark("decisions go to a real diary in a temporary directory; holds are given up 10 times a second, as nobody shows the ads")
	if len(o.Server) == 0 {
		return errors.New("no command that starts the server under test")
	}
	for _, n := range o.sizes() {
		for _, e := range entrances() {
			if err := o.duel(ctx, n, e, p); err != nil {
				return fmt.Errorf("%s with %d ad groups: %w", e.name, n, err)
			}
		}
	}
	return nil
}

// duel is a mazad server and a bare one that take turns under the same requests.
type duel struct {
	o           *Options
	requests    [][]byte
	mazad, bare *target.Process
	rounds      int
	round       time.Duration

	cpuOver, cpuMazad, cpuBare []float64 // us per request, by round
	rps, rpsBare, ratio        []float64
	p99                        []float64 // ms
	answered, atHalf           int64
}

func (o *Options) duel(ctx context.Context, n int, e entrance, p *line.Printer) (err error) {
	d := duel{o: o, rounds: 5, round: 3 * time.Second}
	if o.Quick {
		d.rounds, d.round = 3, 600*time.Millisecond
	}
	if o.Round > 0 {
		d.rounds, d.round = 1, o.Round
	}
	g := body.New(o.Seed, uint64(o.Users))
	for range httpBodies {
		d.requests = append(d.requests, load.Request("POST", "mazad.example", e.path, e.next(g, nil), load.JSON, load.Header{Name: "X-Api-Key", Value: target.Key}))
	}
	profile := ""
	if o.Profile != "" {
		profile = filepath.Join(o.Profile, at("http_"+e.name, n)+".pprof")
	}
	stop := func(process *target.Process) { err = errors.Join(err, process.Stop()) }
	if d.mazad, err = target.Start(ctx, o.Server, target.Config{Kind: target.Mazad, Seed: o.Seed, AdGroups: n, Users: o.Users, CPMOnly: e.cpmOnly, Profile: profile}); err != nil {
		return err
	}
	defer func() { stop(d.mazad) }()
	answer, err := d.probe(n, e, p)
	if err != nil {
		return err
	}
	if d.bare, err = target.Start(ctx, o.Server, target.Config{Kind: target.Bare, Answer: answer}); err != nil {
		return err
	}
	defer func() { stop(d.bare) }()
	if err := d.measure(ctx, n, e, p); err != nil {
		return err
	}
	d.print(n, e, p)
	return nil
}

// probe learns how large our median answer is and how many requests get an ad.
func (d *duel) probe(n int, e entrance, p *line.Printer) (answer int, err error) {
	client, err := load.Dial(d.mazad.Address, requestTimeout)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	var sizes []int
	full := 0
	for i := range httpProbes {
		status, got, err := client.Do(d.requests[i])
		if err != nil {
			return 0, err
		}
		if status != 200 && status != 204 {
			return 0, fmt.Errorf("request %d is answered with %d: %s", i, status, got)
		}
		if len(got) > 0 && (e.empty == nil || !bytes.Contains(got, e.empty)) {
			full++
		}
		sizes = append(sizes, len(got))
	}
	s, err := d.mazad.Stats()
	if err != nil {
		return 0, err
	}
	answer = median(sizes)
	p.Remark("%s: %.0f %% of requests get an ad; %.0f ad groups are met by a request, %.2f ads go out; the median answer has %d bytes", at(e.name, n),
		100*float64(full)/httpProbes, float64(s.Matched)/float64(s.Requests), float64(s.Ads)/float64(s.Requests), answer)
	if full == 0 {
		return 0, errors.New("no request gets an ad: there is nothing to measure")
	}
	return answer, nil
}

func (d *duel) measure(ctx context.Context, n int, e entrance, p *line.Printer) error {
	for _, process := range []*target.Process{d.mazad, d.bare} { // connections, pools, caches
		if _, err := d.load(ctx, process, 0, min(d.round, 300*time.Millisecond)); err != nil {
			return err
		}
	}
	for range d.rounds {
		bareRPS, bareCPU, err := d.saturate(ctx, d.bare)
		if err != nil {
			return err
		}
		rps, cpu, err := d.saturate(ctx, d.mazad)
		if err != nil {
			return err
		}
		d.rps, d.rpsBare, d.ratio = append(d.rps, rps), append(d.rpsBare, bareRPS), append(d.ratio, rps/bareRPS)
		d.cpuMazad, d.cpuBare, d.cpuOver = append(d.cpuMazad, cpu), append(d.cpuBare, bareCPU), append(d.cpuOver, cpu-bareCPU)
	}
	for range d.rounds {
		r, err := d.load(ctx, d.mazad, median(d.rps)/2, d.round)
		if err != nil {
			return err
		}
		d.p99, d.atHalf = append(d.p99, float64(r.P99.Nanoseconds())/1e6), d.atHalf+r.Answered
	}
	idle, err := d.idle(ctx)
	if err != nil {
		return err
	}
	s, err := d.mazad.Stats()
	if err != nil {
		return err
	}
	p.Remark("%s: without requests the server uses %.1f %% of a core (leases, holds); the diary dropped %.1f %% of decisions", at(e.name, n),
		100*idle, 100*float64(s.NotLogged)/float64(s.Requests))
	return nil
}

// idle is the share of a core that the server uses when nobody asks.
func (d *duel) idle(ctx context.Context) (float64, error) {
	const pause = 400 * time.Millisecond
	before, err := d.mazad.Usage()
	if err != nil {
		return 0, err
	}
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(pause):
	}
	after, err := d.mazad.Usage()
	return float64(after-before) / float64(pause), err
}

// saturate asks as fast as the server answers, and returns requests per second
// and microseconds of its processor time per request.
func (d *duel) saturate(ctx context.Context, process *target.Process) (rps, cpu float64, err error) {
	before, err := process.Usage()
	if err != nil {
		return 0, 0, err
	}
	r, err := d.load(ctx, process, 0, d.round)
	if err != nil {
		return 0, 0, err
	}
	after, err := process.Usage()
	if err != nil {
		return 0, 0, err
	}
	if process == d.mazad {
		d.answered += r.Answered
	}
	return r.RatePerSecond, micros(after-before) / float64(r.Answered), nil
}

// load runs the generator without a warm-up, so that the server's usage and the
// answers belong together. A rate of 0 is closed loop.
func (d *duel) load(ctx context.Context, process *target.Process, rate float64, duration time.Duration) (*load.Report, error) {
	connections := httpConnections
	if rate > 0 {
		connections = openConnections
	}
	r, err := load.Run(ctx, load.Config{
		Address: process.Address, Connections: connections, RatePerSecond: rate, Poisson: true, Seed: d.o.Seed,
		Duration: duration, Timeout: requestTimeout,
		Request: func(connection int, n uint64) []byte {
			return d.requests[(uint64(connection)*61+n)%uint64(len(d.requests))]
		},
	})
	switch {
	case err != nil:
		return nil, err
	case r.Errors > 0 || r.Unsent > 0:
		return nil, fmt.Errorf("%d requests failed and %d were not sent: %w", r.Errors, r.Unsent, r.FirstError)
	case r.Answered == 0 || r.Share(200, 204) < 1:
		return nil, fmt.Errorf("%d answers, by status: %v", r.Answered, r.Status)
	}
	return r, nil
}

func (d *duel) print(n int, e entrance, p *line.Printer) {
	over, ratio := line.Target{}, line.Target{}
	if n == 10_000 && e.suffix == "" {
		over, ratio = line.AtMost(overBareTarget), line.AtLeast(ratioTarget)
	}
	for _, f := range []line.Figure{
		{Name: "cpu_us_over_bare", Value: median(d.cpuOver), Unit: "us", Target: over, N: d.answered},
		{Name: "cpu_us", Value: median(d.cpuMazad), Unit: "us", N: d.answered},
		{Name: "cpu_us_bare", Value: median(d.cpuBare), Unit: "us", N: d.answered},
		{Name: "ratio_fasthttp", Value: median(d.ratio), Unit: "x", Target: ratio, N: d.answered},
		{Name: "rps", Value: median(d.rps), Unit: "1/s", N: d.answered},
		{Name: "rps_bare", Value: median(d.rpsBare), Unit: "1/s", N: d.answered},
		{Name: "p99_ms_half_load", Value: median(d.p99), Unit: "ms", N: d.atHalf},
	} {
		f.Name = at(f.Name+e.suffix, n)
		p.Print(f)
	}
}
