package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // advertisers' zones must exist on any machine

	"mazad/auction"
	"mazad/internal/failpoint"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "mazad: %v\n", err)
		stop()
		os.Exit(1)
	}
}

// run is main without the process: what tests call.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	root := &cobra.Command{
		Use:           "mazad",
		Short:         "The self-serve advertising platform of a short-video feed",
		Long:          "mazad sells the ad slots of a short-video feed: it decides, bills, records and reports.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
	}
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	failpoints(root)
	root.AddCommand(serveCommand(), demoCommand(), checkCommand(), explainCommand(), verifyCommand(), archiveCommand(), backupCommand(), restoreCommand(), replayCommand(), benchCommand(), benchServerCommand(), benchWorldCommand(), clickhouseCommand())
	return root.ExecuteContext(ctx)
}

// failpointsFlag lets tests end or stop the process at named places. Without it
// the environment is not even looked at.
const failpointsFlag = "failpoints"

func failpoints(root *cobra.Command) {
	root.AddCommand(failpointsCommand())
	on := root.PersistentFlags().Bool(failpointsFlag, false, "for tests: obey MAZAD_FAILPOINTS, which can kill this process; MAZAD_FAILPOINTS_LOG names a file for what was reached")
	_ = root.PersistentFlags().MarkHidden(failpointsFlag)
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if !*on {
			return nil
		}
		return failpoint.Arm(os.Getenv("MAZAD_FAILPOINTS"), os.Getenv("MAZAD_FAILPOINTS_LOG"))
	}
}

// failpointsCommand lists the places, for the test that must reach each of them.
func failpointsCommand() *cobra.Command {
	return &cobra.Command{Use: "failpoints", Short: "List the named places of --failpoints", Hidden: true, Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			for _, name := range failpoint.Names() {
				fmt.Fprintln(cmd.OutOrStdout(), name)
			}
		}}
}

var logLevels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

var auctionRules = map[string]auction.Rule{"first_price": auction.FirstPrice, "second_price": auction.SecondPrice, "vcg": auction.VCG}

// newLog writes JSON for machines and plain lines for people.
func newLog(w io.Writer, level string) *slog.Logger {
	o := &slog.HandlerOptions{Level: logLevels[level]}
	if f, ok := w.(*os.File); ok {
		if st, err := f.Stat(); err == nil && st.Mode()&os.ModeCharDevice != 0 {
			return slog.New(slog.NewTextHandler(w, o))
		}
	}
	return slog.New(slog.NewJSONHandler(w, o))
}

func serveCommand() *cobra.Command {
	var config string
	c := &cobra.Command{
		Use: "serve", Short: "Serve ads, the marketing API and reports on this machine", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := LoadConfig(config)
			if err != nil {
				return err
			}
			log := newLog(cmd.ErrOrStderr(), cfg.Log.Level)
			n, err := OpenNode(cmd.Context(), cfg, log)
			if err != nil {
				return err
			}
			err = n.Run(cmd.Context())
			return errors.Join(err, n.Close())
		},
	}
	c.Flags().StringVarP(&config, "config", "c", "", "YAML file; without one the defaults hold (see configs/mazad.yaml)")
	return c
}

func checkCommand() *cobra.Command {
	return &cobra.Command{
		Use: "check FILE", Short: "Check a configuration file: every error names field, value and limit", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := LoadConfig(args[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is valid: ads on %s, marketing API on %s, data in %s\n", args[0], cfg.Ads.Listen, cfg.Manage.Listen, cfg.DataDir)
			return nil
		},
	}
}
