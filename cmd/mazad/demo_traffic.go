package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"mazad/bench/traffic"
)

// demoTraffic sends feed traffic until ctx ends and says how it goes.
func (n *Node) demoTraffic(ctx context.Context, out io.Writer, w *demoWorld, o demoOptions) error {
	feed, err := traffic.NewFeed(traffic.FeedConfig{
		Address: n.listeners[0].Addr().String(), EventKey: w.EventKey, Users: w.Users, Rate: o.rate, Seed: o.seed + uint64(n.life.Number),
	})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		n.narrate(ctx, out, feed.Stats())
	}()
	err = feed.Run(ctx)
	wg.Wait()
	return err
}

// narrate prints a line that is rewritten on a terminal and added elsewhere.
func (n *Node) narrate(ctx context.Context, out io.Writer, st *traffic.FeedStats) {
	every, end := 10*time.Second, "\n"
	if f, ok := out.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			every, end = time.Second, "   \r"
		}
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			fmt.Fprintf(out, "\nstopping; the data is kept in %s\n", n.cfg.DataDir)
			return
		case <-t.C:
		}
		fmt.Fprintf(out, "%d requests, %d filled, %d impressions, %d views, %d clicks, %d purchases, %d failed; reports: %s%s",
			st.Requests.Load(), st.Filled.Load(), st.Impressions.Load(), st.Views.Load(), st.Clicks.Load(), st.Purchases.Load(), st.Failed.Load(),
			n.readiness().Reports, end)
	}
}
