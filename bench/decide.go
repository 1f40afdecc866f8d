package bench

import (
	"context"
	"fmt"
	"time"

	"mazad/bench/line"
	"mazad/bench/world"
	"mazad/serving"
)

const (
	decideSamples = 20_000
	decideBlock   = 256             // requests between two settlements
	tickEvery     = 8 * decideBlock // a node at full load does more between two ticks
	decideSlots   = 3
	decideTarget  = 60 // us at the median, 10,000 ad groups
)

// decide measures the whole Engine.Decide on one core: profile, match,
// eligibility, score, auction, holds, tokens and the record of the decision.
func decide(ctx context.Context, o *Options, p *line.Printer) error {
	p.Remark("feed requests for %d slots by %d users with profiles; seeded synthetic workload", decideSlots, o.Users)
	p.Remark("each decision is encoded as for the diary's ring into a discarded buffer; no diary runs")
	p.Remark("holds are given up every %d requests, outside the clock; leases come from memory by the rule of the ledger", decideBlock)
	allocs, counted := 0.0, 0
	for k, n := range o.sizes() {
		log := &world.Recorder{}
		w, err := world.Open(ctx, world.Config{AdGroups: n, Users: o.Users, Seed: o.Seed, Decisions: log})
		if err != nil {
			return err
		}
		a := &asker{world: w}
		if err := a.time(ctx, o, n, p); err != nil {
			return err
		}
		if k == 0 {
			counted = 4 * decideBlock
			allocs = allocations(counted, a.ask)
			a.world.Settle()
		}
	}
	p.Print(line.Figure{Name: "allocs", Value: allocs, Unit: "1", Target: line.Exactly(0), N: int64(counted)})
	return nil
}

type asker struct {
	world *world.World
	req   serving.Request
	resp  serving.Response
	took  time.Duration // of the last request
	ads   int
	empty int
}

// ask times one decision. The requests step through the users so that
// neighbours in time are not neighbours in memory.
func (a *asker) ask(i int) {
	const stride = 7919 // a prime
	a.world.Request(i*stride, decideSlots, &a.req)
	start := time.Now()
	a.world.Engine.Decide(&a.req, &a.resp)
	a.took = time.Since(start)
	a.ads += len(a.resp.Ads)
	if len(a.resp.Ads) == 0 {
		a.empty++
	}
}

// block asks a number of requests and then cleans up after them.
func (a *asker) block(ctx context.Context, from, n int, took []time.Duration) error {
	for i := from; i < from+n; i++ {
		a.ask(i)
		if took != nil {
			took[i] = a.took
		}
	}
	a.world.Settle()
	if err := ctx.Err(); err != nil || from%tickEvery != 0 {
		return err
	}
	return a.world.Tick(ctx)
}

func (a *asker) time(ctx context.Context, o *Options, n int, p *line.Printer) error {
	samples := o.Samples
	if samples == 0 {
		samples = decideSamples
	}
	for from := 0; from < samples/4; from += decideBlock { // memory grows, leases reach their size
		if err := a.block(ctx, from, decideBlock, nil); err != nil {
			return err
		}
	}
	stop, err := o.profile(at("decide", n))
	if err != nil {
		return err
	}
	defer stop()
	stats := a.world.Engine.Stats()
	matched := stats.Matched.Load()
	a.ads, a.empty = 0, 0
	took := make([]time.Duration, samples)
	for from := 0; from < samples; from += decideBlock {
		if err := a.block(ctx, from, min(decideBlock, samples-from), took); err != nil {
			return err
		}
	}
	if a.ads == 0 {
		return fmt.Errorf("none of %d requests got an ad: there is nothing to measure", samples)
	}
	p.Remark("%s: %.0f ad groups are met by a request, %.2f ads go out, %.1f %% of requests get none; dropped records %d", at("decide", n),
		float64(stats.Matched.Load()-matched)/float64(samples), float64(a.ads)/float64(samples), 100*float64(a.empty)/float64(samples), stats.NotLogged.Load())
	target := line.Target{}
	if n == 10_000 {
		target = line.AtMost(decideTarget)
	}
	p.Print(line.Figure{Name: at("p50_us", n), Value: micros(quantile(took, 50)), Unit: "us", Target: target, N: int64(samples)})
	p.Print(line.Figure{Name: at("p99_us", n), Value: micros(quantile(took, 99)), Unit: "us", N: int64(samples)})
	return nil
}
