package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"mazad/bench"
	"mazad/bench/line"
	"mazad/bench/target"

	"github.com/spf13/cobra"
)

// benchServer is the hidden command that the http suite starts this binary with.
const benchServer = "bench-server"

func benchCommand() *cobra.Command {
	var asJSON bool
	var data string
	var o bench.Options
	c := &cobra.Command{
		Use: "bench SUITE", Short: "Measure this machine: " + strings.Join(bench.Suites(), ", "),
		Long: "Runs one suite and prints a line per figure; remarks go to the error output.\nThe suites are " + strings.Join(bench.Suites(), ", ") + "; bench/README.md says what each compares.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("name one suite: %s", strings.Join(bench.Suites(), ", "))
			}
			return bench.Known(args[0])
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find this binary, to start the server under test: %w", err)
			}
			o.Server, o.Binary = []string{self, benchServer}, self
			o.Roots = engineRoots(self)
			p := line.NewPrinter(line.Config{Out: cmd.OutOrStdout(), Remarks: cmd.ErrOrStderr(), Suite: args[0], Seed: o.Seed, JSON: asJSON})
			if data != "" && cmd.Flags().Changed("data") {
				p.Remark("recorded data is not used: this suite is synthetic and seeded")
			}
			began := time.Now()
			err = bench.Run(cmd.Context(), args[0], o, p)
			p.Remark("took %.1f s", time.Since(began).Seconds())
			return err
		},
	}
	f := c.Flags()
	f.BoolVar(&asJSON, "json", false, "one JSON object per figure")
	f.BoolVar(&o.Quick, "quick", false, "within 60 s on 2 cores: without a million ad groups, shorter rounds")
	f.Uint64Var(&o.Seed, "seed", 1, "of the worlds and the requests")
	f.StringVar(&data, "data", os.Getenv("MAZAD_DATA"), "folder of recorded data, for suites that use it")
	f.StringVar(&o.Library, "library", "", "path of libchdb, for suites that need it; default: where `make engines` puts it")
	f.IntSliceVar(&o.Sizes, "ad-groups", nil, "sizes of the world; default: the suite's own")
	f.DurationVar(&o.Round, "round", 0, "length of one round; 0: the suite's own")
	f.StringSliceVar(&o.Phases, "phases", nil, "of ingest, to look at one: batches, big, beacons, visible, kill, settle, landing")
	f.StringVar(&o.Profile, "profile", "", "folder to write CPU profiles to")
	return c
}

func benchServerCommand() *cobra.Command {
	return &cobra.Command{
		Use: benchServer, Short: "The server under test of bench http", Hidden: true, DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return target.Serve(cmd.Context(), args, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
