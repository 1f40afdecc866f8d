package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
)

// demoOptions are the flags of `mazad demo`.
type demoOptions struct {
	dataDir  string
	requests string
	adGroups int
	rate     int
	seconds  int
	seed     uint64
}

func demoCommand() *cobra.Command {
	var o demoOptions
	c := &cobra.Command{
		Use:   "demo",
		Short: "Start everything on this machine, seed a small world and send feed traffic until Ctrl-C",
		Long: "demo starts everything embedded, seeds a small world, sends feed traffic and prints where to look.\n" +
			"With --requests it plays recorded bid requests instead, prints a summary and ends.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.requests != "" {
				return runPlay(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			return runDemo(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&o.dataDir, "data-dir", "", "folder of the data; default ./var, with --requests a temporary one")
	c.Flags().StringVar(&o.requests, "requests", "", "play this file of RTBkit bid requests (JSON lines, .gz allowed) through /openrtb2/bid and print a summary")
	c.Flags().IntVar(&o.adGroups, "ad-groups", 1200, "with --requests: ad groups to seed, at least 1000")
	c.Flags().IntVar(&o.rate, "rate", 50, "feed requests per second")
	c.Flags().IntVar(&o.seconds, "seconds", 0, "stop after so many seconds; 0 = run until Ctrl-C")
	c.Flags().Uint64Var(&o.seed, "seed", 1, "seed of the world and of its traffic")
	return c
}

// demoConfig is what a demo runs with: loopback, no keys for the feed, and
// countries where silence is permission, so that both universes are seen.
func demoConfig(dir string) (Config, error) {
	cfg := DefaultConfig()
	cfg.DataDir = dir
	cfg.Ads.RequireKeys = false
	cfg.Privacy.OptOutCountries = []string{"US", "AE", "SA"}
	cfg.Replay.Sample = "1" // any auction of a demo can be replayed
	cfg.Log.Level = "warn"
	for _, addr := range []*string{&cfg.Ads.Listen, &cfg.Manage.Listen, &cfg.Admin.Listen} {
		free, err := freeAddress(*addr)
		if err != nil {
			return cfg, err
		}
		*addr = free
	}
	return cfg, nil
}

// freeAddress keeps the address if it can be had, else takes another port: a
// second demo on one machine works.
func freeAddress(want string) (string, error) {
	ln, err := net.Listen("tcp", want)
	if err != nil {
		host, _, _ := net.SplitHostPort(want)
		if ln, err = net.Listen("tcp", net.JoinHostPort(host, "0")); err != nil {
			return "", err
		}
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

// runDemo is the first run: everything on, traffic flowing, charts moving.
func runDemo(ctx context.Context, o demoOptions, out, logs io.Writer) error {
	if o.dataDir == "" {
		o.dataDir = "var"
	}
	cfg, err := demoConfig(o.dataDir)
	if err != nil {
		return err
	}
	cancel := func() {}
	if o.seconds > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(o.seconds)*time.Second)
	}
	defer cancel()
	return withNode(ctx, cfg, newLog(logs, cfg.Log.Level), func(ctx context.Context, n *Node) error {
		w, err := n.demoWorld(ctx, filepath.Join(o.dataDir, "demo.json"), o.seed)
		if err != nil {
			return fmt.Errorf("seed the demo world: %w", err)
		}
		n.welcome(out, w)
		return n.demoTraffic(ctx, out, w, o)
	})
}

// withNode runs a node for the time of work, whatever way it ends.
func withNode(ctx context.Context, cfg Config, log *slog.Logger, work func(context.Context, *Node) error) error {
	n, err := OpenNode(ctx, cfg, log)
	if err != nil {
		return err
	}
	run, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		err := n.Run(run)
		cancel() // a door that breaks ends the work too
		ended <- err
	}()
	var worked error
	select {
	case <-n.ready:
		worked = work(run, n)
	case err := <-ended:
		return errors.Join(err, n.Close())
	}
	if run.Err() != nil && errors.Is(worked, run.Err()) {
		worked = nil // Ctrl-C is how a demo ends; what broke is what Run returns
	}
	cancel()
	return errors.Join(worked, <-ended, n.Close())
}

// welcome says what runs where and who can sign in.
func (n *Node) welcome(out io.Writer, w *demoWorld) {
	adsURL, manageURL, adminURL := n.addresses()
	abs, err := filepath.Abs(n.cfg.DataDir)
	if err != nil {
		abs = n.cfg.DataDir
	}
	fmt.Fprintf(out, "\nMazad is running (started in %d ms, data in %s)\n\n", time.Since(n.started).Milliseconds(), abs)
	fmt.Fprintf(out, "  console          %s/\n", manageURL)
	for _, s := range w.SignIns {
		fmt.Fprintf(out, "    %-14s %s/#token=%s\n", s.Who, manageURL, s.Token)
	}
	fmt.Fprintf(out, "  marketing API    %s/docs\n", manageURL)
	fmt.Fprintf(out, "  feed             %s/v1/ads\n", adsURL)
	fmt.Fprintf(out, "  OpenRTB bidder   %s/openrtb2/bid\n", adsURL)
	fmt.Fprintf(out, "  operator         %s/metrics   /readyz   /debug/pprof/\n\n", adminURL)
	fmt.Fprintf(out, "  why an ad won:   curl -s '%s/v1/ads?explain=1' -d '{\"user_id\":\"user-7\",\"age\":30,\"country\":\"SA\",\"slots\":1,\"consent\":{\"personalized_ads\":true}}'\n", adsURL)
	fmt.Fprintf(out, "  decide it again: curl -s %s/replay/AUCTION_ID\n", adminURL)
	fmt.Fprintf(out, "  does it add up:  curl -s -X POST %s/verify\n\n", adminURL)
}

// temporaryDir makes a folder that is removed by the returned function.
func temporaryDir() (string, func(), error) {
	dir, err := os.MkdirTemp("", "mazad-play-")
	if err != nil {
		return "", nil, err
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}
