package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"mazad/bench/body"
	"mazad/bench/line"
	"mazad/bench/load"
	"mazad/bench/node"
	"mazad/bench/target"
)

// What ingest is to reach.
const (
	ackedTarget    = 50_000  // events/s, 20 a request
	ackedBigTarget = 250_000 // events/s, 100 a request
	beaconTarget   = 0.40    // of a bare GET
	ackTarget      = 25      // ms, p99 at half load
	rawTarget      = 0.6     // of a raw insert
	visibleTarget  = 3       // s
)

const (
	ingestAdGroups    = 5000 // so that a request finds ads for ten slots
	batchConnections  = 48
	bigConnections    = 32
	beaconConnections = 256
	pixelBytes        = 43 // the bare GET answers as much as a beacon
	rounds            = 3
)

// ingest is one run: what was sent, and what the node said it had taken.
type ingest struct {
	o      *Options
	p      *line.Printer
	node   *node.Node
	round  time.Duration
	wallet *wallet
	book   ackBook
	bare   *target.Process
}

// overIngest measures the way of an event from the socket to the disk and into
// ClickHouse, on the real serve with all engines.
func overIngest(ctx context.Context, o *Options, p *line.Printer) (err error) {
	if o.Binary == "" {
		return errors.New("no mazad binary to run as the node")
	}
	in := &ingest{o: o, p: p, round: 6 * time.Second}
	if o.Quick {
		in.round = 1200 * time.Millisecond
	}
	if o.Round > 0 {
		in.round = o.Round
	}
	p.Remark("the node is `mazad serve` with all engines on a temporary directory; the generator, its bare reference and ClickHouse share the machine with it")
	p.Remark("an event is acknowledged when the diary (SyncAlways) has it on disk; three of five are impressions, the rest views, each token used once per kind")
	groups := ingestAdGroups
	if len(o.Sizes) > 0 {
		groups = o.Sizes[0]
	}
	if in.node, err = node.Open(ctx, node.Config{Binary: o.Binary, AdGroups: groups, Users: 2000, Seed: o.Seed, Holds: 1 << 22, Library: o.Library, Log: o.log("node")}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.node.Close()) }()
	if err := in.node.Start(ctx); err != nil {
		return err
	}
	if in.bare, err = target.Start(ctx, o.Server, target.Config{Kind: target.Bare, Answer: pixelBytes}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.bare.Stop()) }()
	in.wallet = newWallet(in)
	for _, phase := range []struct {
		name string
		run  func(context.Context) error
	}{{"batches", in.batches}, {"big", in.bigBatches}, {"beacons", in.beacons}, {"visible", in.visible}, {"kill", in.kill}, {"settle", in.settle}, {"landing", in.landing}} {
		if len(o.Phases) > 0 && !slices.Contains(o.Phases, phase.name) {
			continue
		}
		if err := phase.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", phase.name, err)
		}
	}
	return nil
}

// log is a file for a child's log beside the profiles; empty without them.
func (o *Options) log(name string) string {
	if o.Profile == "" {
		return ""
	}
	return filepath.Join(o.Profile, name+".log")
}

// profiled runs work under a processor profile of the node.
func (in *ingest) profiled(ctx context.Context, name string, work func() error) error {
	if in.o.Profile == "" {
		return work()
	}
	done := make(chan error, 1)
	go func() { done <- in.node.Profile(ctx, filepath.Join(in.o.Profile, name+".pprof"), in.round) }()
	return errors.Join(work(), <-done)
}

// batches is acked_per_s: POST /v1/events with 20 events each.
func (in *ingest) batches(ctx context.Context) error {
	rate, n, err := in.saturate(ctx, "ingest_events", 20, batchConnections, 120_000)
	if err != nil {
		return err
	}
	in.p.Print(line.Figure{Name: "acked_per_s", Value: rate, Unit: "1/s", Target: line.AtLeast(ackedTarget), N: n})
	return nil
}

func (in *ingest) bigBatches(ctx context.Context) error {
	rate, n, err := in.saturate(ctx, "ingest_events100", 100, bigConnections, 300_000)
	if err != nil {
		return err
	}
	in.p.Print(line.Figure{Name: "acked_per_s@100", Value: rate, Unit: "1/s", Target: line.AtLeast(ackedBigTarget), N: n})
	return nil
}

// saturate sends batches as fast as they are acknowledged.
func (in *ingest) saturate(ctx context.Context, name string, each, connections int, expect float64) (float64, int64, error) {
	var rates []float64
	var all int64
	for range rounds {
		list, err := in.wallet.batches(ctx, each, int(expect*in.round.Seconds())/each)
		if err != nil {
			return 0, 0, err
		}
		var r *drained
		if err := in.profiled(ctx, name, func() (err error) {
			r, err = in.drain(ctx, list, connections)
			return err
		}); err != nil {
			return 0, 0, err
		}
		rates, all = append(rates, float64(r.acked)/r.took.Seconds()), all+r.acked
	}
	in.p.Remark("%d events a request: rounds of %.0f events/s", each, rates)
	return median(rates), all, nil
}

// beacons is beacon_ratio_bare and ack_p99_ms_half_load: single GETs.
func (in *ingest) beacons(ctx context.Context) error {
	var rates, bare, ratio, p99 []float64
	var n int64
	for range rounds {
		b, err := load.Run(ctx, load.Config{Address: in.bare.Address, Connections: beaconConnections, Duration: in.round / 2, Timeout: requestTimeout,
			Request: func(int, uint64) []byte { return bareGet() }})
		if err != nil {
			return err
		}
		list, err := in.wallet.beacons(ctx, int(40_000*in.round.Seconds()))
		if err != nil {
			return err
		}
		var r *drained
		if err := in.profiled(ctx, "ingest_beacons", func() (err error) {
			r, err = in.drain(ctx, list, beaconConnections)
			return err
		}); err != nil {
			return err
		}
		rate := float64(r.acked) / r.took.Seconds()
		rates, bare, ratio, n = append(rates, rate), append(bare, b.RatePerSecond), append(ratio, rate/b.RatePerSecond), n+r.acked
	}
	in.p.Remark("beacons: rounds of %.0f a second beside %.0f of a bare GET, %d connections", rates, bare, beaconConnections)
	in.p.Print(line.Figure{Name: "beacon_ratio_bare", Value: median(ratio), Unit: "x", Target: line.AtLeast(beaconTarget), N: n})
	in.p.Print(line.Figure{Name: "beacons_per_s", Value: median(rates), Unit: "1/s", N: n})
	half, n := median(rates)/2, 0
	for range rounds {
		list, err := in.wallet.beacons(ctx, int(1.3*half*in.round.Seconds())+1000)
		if err != nil {
			return err
		}
		r, err := in.paced(ctx, list, half)
		if err != nil {
			return err
		}
		p99, n = append(p99, float64(r.P99.Nanoseconds())/1e6), n+r.Answered
	}
	in.p.Remark("beacons at half load: rounds with p99 of %.1f ms", p99)
	in.p.Print(line.Figure{Name: "ack_p99_ms_half_load", Value: median(p99), Unit: "ms", Target: line.AtMost(ackTarget), N: n})
	return nil
}

func bareGet() []byte { return bareRequest }

var bareRequest = load.Request("GET", "mazad.example", "/t/i/"+string(bytes.Repeat([]byte{'x'}, 210)), nil)

// feedBody asks for ten ads.
func feedBody(g *body.Generator) []byte {
	return bytes.Replace(g.Feed(nil), fmt.Appendf(nil, `"slots":%d,`, body.FeedSlots), []byte(`"slots":10,`), 1)
}
