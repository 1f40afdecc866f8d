package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"time"

	"mazad/api/ads"
	"mazad/bench/rtbkit"
	"mazad/bench/traffic"
	"mazad/campaign/campaigntest"
	"mazad/ledger"
	"mazad/reporting/embedded"
)

// minPlayGroups is the least that a recorded exchange is played against.
const minPlayGroups = 1000

// runPlay plays recorded bid requests against a seeded world, prints a summary
// and verifies that everything adds up.
func runPlay(ctx context.Context, o demoOptions, out, logs io.Writer) error {
	if o.adGroups < minPlayGroups {
		return fmt.Errorf("--ad-groups: %d: want at least %d", o.adGroups, minPlayGroups)
	}
	if o.dataDir == "" {
		dir, remove, err := temporaryDir()
		if err != nil {
			return err
		}
		defer remove()
		o.dataDir = dir
	}
	cfg, err := demoConfig(o.dataDir)
	if err != nil {
		return err
	}
	cfg.Privacy.AgeUnknownIsAdult = true // recorded requests carry no age
	cfg.Ads.MaxWait = 10_000_000         // every request is to be answered, however fast they come
	return withNode(ctx, cfg, newLog(logs, cfg.Log.Level), func(ctx context.Context, n *Node) error {
		if err := n.playWorld(ctx, o); err != nil {
			return fmt.Errorf("seed the world: %w", err)
		}
		return n.play(ctx, o, out, logs)
	})
}

// playWorld seeds banners and a few videos of exchange sizes that anybody may
// see, with money behind them, and publishes them.
func (n *Node) playWorld(ctx context.Context, o demoOptions) error {
	tree, err := n.campaigns.CreateTree(ctx, demoEdit, campaigntest.Tree(campaigntest.Options{
		AdGroups: o.adGroups, Seed: o.seed, CPMOnly: true, Exchange: true, Start: n.clock.Now(),
	}))
	if err != nil {
		return err
	}
	for _, a := range tree.Advertisers {
		if _, _, err := n.ledger.TopUp(ctx, ledger.TopUp{RequestID: "play-" + a.ID.String(), Advertiser: a.ID, Currency: a.Currency, Amount: 500_000_000}); err != nil {
			return err
		}
	}
	_, err = n.publisher.Refresh(ctx)
	return err
}

func (n *Node) play(ctx context.Context, o demoOptions, out, progress io.Writer) error {
	exchange, err := traffic.NewExchange(traffic.ExchangeConfig{Address: n.listeners[0].Addr().String(), Seed: o.seed})
	if err != nil {
		return err
	}
	converter := rtbkit.NewConverter()
	r, err := exchange.Play(ctx, o.requests, converter, func(done uint64) { fmt.Fprintf(progress, "\rplaying %d requests ...", done) })
	fmt.Fprint(progress, "\r                              \r")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "played %d recorded bid requests against %d ad groups in %s\n", r.Requests, n.engine.Snapshot().AdGroups(), r.Took.Round(time.Millisecond))
	fmt.Fprintf(out, "  bids %d, no bids %d, refused %d, failed %d\n", r.Bids, r.NoBids, r.Refused, r.Failed)
	n.printReasons(out)
	for _, c := range converter.Unsupported() {
		fmt.Fprintf(out, "  no place in OpenRTB: %s %d\n", c.Part, c.N)
	}
	fmt.Fprintf(out, "  exchange: %d wins, %d losses, %d impressions, %d clicks\n", r.Wins, r.Losses, r.Impressions, r.Clicks)
	fmt.Fprintf(out, "  bid request: p50 %s, p99 %s, max %s (client, 4 connections)\n", r.P50, r.P99, r.Max)
	return n.verifyPlay(ctx, out)
}

// printReasons lists why there was no bid, as the server counted it.
func (n *Node) printReasons(out io.Writer) {
	reasons := map[string]uint64{}
	n.ads.Stats().Each(func(s ads.Sample) {
		if s.Name != "no_ad_total" && s.Name != "unsold_impressions_total" {
			return
		}
		for _, l := range s.Labels {
			if l.Name == "reason" {
				reasons[s.Name[:len(s.Name)-len("_total")]+" "+l.Value] += s.Value
			}
		}
	})
	names := make([]string, 0, len(reasons))
	for r := range reasons {
		names = append(names, r)
	}
	sort.Slice(names, func(i, j int) bool { return reasons[names[i]] > reasons[names[j]] })
	for _, r := range names {
		fmt.Fprintf(out, "    %-32s %d\n", r, reasons[r])
	}
}

func (n *Node) verifyPlay(ctx context.Context, out io.Writer) error {
	if n.clickhouse != nil {
		if err := n.clickhouse.WaitReady(ctx); err != nil {
			var missing *embedded.MissingLibrary
			if errors.As(err, &missing) || n.readinessMissing() {
				fmt.Fprintf(out, "  not verified: %v\n", err)
				return nil
			}
			return err
		}
	}
	_, _, admin := n.addresses()
	v, err := verifyRunning(ctx, admin)
	if err != nil {
		return err
	}
	v.print(out)
	if !v.Equal {
		return errDifferent
	}
	return nil
}

// readinessMissing tells whether reports are off for want of the library.
func (n *Node) readinessMissing() bool {
	st, _ := n.clickhouse.Status()
	return st.State == embedded.StateMissing
}
