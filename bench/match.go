package bench

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"mazad/bench/line"
	"mazad/targeting"
	"mazad/targeting/targetingtest"
)

const (
	matchQueries  = 2000
	matchSamples  = 20_000
	matchSamples1 = 4000    // above 100k ad groups
	peerSize      = 100_000 // where peers are compared
	peerSamples   = 1000
	peerChecked   = 50 // requests whose answers are compared id by id
)

// match measures the index: every ad group that accepts a request, and the ten
// best of them with bounds.
func match(ctx context.Context, o *Options, p *line.Printer) error {
	p.Remark("seeded synthetic workload, one core; full: all matching ids are produced")
	p.Remark("ratio_be_indexer is left out: that engine is built apart from this binary")
	sizes := o.sizes()
	allocs, counted := 0.0, 0
	for k, n := range sizes {
		rules := targetingtest.Rules(n, o.Seed)
		queries := targetingtest.Queries(matchQueries, o.Seed+1)
		before := heap()
		ix := targeting.Build(rules)
		bytes := float64(int64(heap()-before)) / float64(n)
		m := matcher{ix: ix, queries: queries}
		if err := m.time(ctx, o, n, p); err != nil {
			return err
		}
		if k == 0 {
			counted = len(queries)
			allocs = allocations(counted, m.ask)
		}
		if n == min(peerSize, sizes[len(sizes)-1]) {
			if err := m.beside(rules, n, p); err != nil {
				return err
			}
		}
		if err := topK(ctx, o, rules, queries, p); err != nil {
			return err
		}
		if k == len(sizes)-1 {
			p.Print(line.Figure{Name: at("bytes_per_ad_group", n), Value: bytes, Unit: "B", N: int64(n)})
		}
		runtime.KeepAlive(rules)
	}
	p.Print(line.Figure{Name: "allocs", Value: allocs, Unit: "1", Target: line.Exactly(0), N: int64(counted)})
	return nil
}

type matcher struct {
	ix      *targeting.Index
	queries []targeting.Personal
	scratch targeting.Scratch
	found   int
}

func (m *matcher) ask(i int) {
	m.found += len(m.ix.MatchPersonal(&m.queries[i%len(m.queries)], &m.scratch))
}

// time prints the quantiles of a size.
func (m *matcher) time(ctx context.Context, o *Options, n int, p *line.Printer) error {
	samples := o.Samples
	if samples == 0 {
		if samples = matchSamples; n > 100_000 {
			samples = matchSamples1
		}
	}
	for i := range m.queries {
		m.ask(i)
	}
	stop, err := o.profile(at("match", n))
	if err != nil {
		return err
	}
	defer stop()
	m.found = 0
	took := make([]time.Duration, samples)
	for i := range took {
		start := time.Now()
		m.ask(i)
		took[i] = time.Since(start)
		if i%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	p.Remark("%s: %.0f ad groups match a request on average, %.2f %%", at("match", n), float64(m.found)/float64(samples), 100*float64(m.found)/float64(samples)/float64(n))
	p.Print(line.Figure{Name: at("full_p50_us", n), Value: micros(quantile(took, 50)), Unit: "us", N: int64(samples)})
	p.Print(line.Figure{Name: at("full_p99_us", n), Value: micros(quantile(took, 99)), Unit: "us", N: int64(samples)})
	return nil
}

// beside runs a plain chain of roaring bitmaps over the same rules and requests.
// The two take turns in blocks, so that both see the same machine.
func (m *matcher) beside(rules []targeting.Rule, n int, p *line.Printer) error {
	peer := targetingtest.NewRoaring(rules)
	var dst []uint32
	for i := range min(peerChecked, len(m.queries)) {
		want := m.ix.MatchPersonal(&m.queries[i], &m.scratch)
		dst = peer.Match(&m.queries[i], dst[:0])
		if len(dst) != len(want) {
			return fmt.Errorf("request %d: the index finds %d ad groups and the roaring chain %d", i, len(want), len(dst))
		}
		for k := range dst {
			if uint32(want[k]) != dst[k] {
				return fmt.Errorf("request %d: the index finds ad group %d where the roaring chain finds %d", i, want[k], dst[k])
			}
		}
	}
	var ours, theirs []time.Duration
	const block = 100
	for from := 0; from < peerSamples; from += block {
		for i := from; i < from+block; i++ {
			start := time.Now()
			m.ask(i)
			ours = append(ours, time.Since(start))
		}
		for i := from; i < from+block; i++ {
			start := time.Now()
			dst = peer.Match(&m.queries[i%len(m.queries)], dst[:0])
			theirs = append(theirs, time.Since(start))
		}
	}
	index, roaring := micros(median(ours)), micros(median(theirs))
	p.Remark("%s: the roaring chain takes %.1f us at the median and the index beside it %.1f; %d answers are equal", at("ratio_roaring", n), roaring, index, peerChecked)
	p.Print(line.Figure{Name: at("ratio_roaring", n), Value: roaring / index, Unit: "x", N: peerSamples})
	return nil
}
