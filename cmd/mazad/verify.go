package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"mazad/ledger"
	"mazad/reporting"

	"github.com/spf13/cobra"
)

// verification is the outcome of a comparison, as JSON and for people.
type verification struct {
	Equal       bool              `json:"equal"`
	Records     uint64            `json:"records"`
	Groups      int               `json:"groups"`
	Spend       map[string]string `json:"spend"`
	Diary       uint64            `json:"diary_seq"`
	Reports     uint64            `json:"reports_seq"`
	Ledger      uint64            `json:"ledger_seq"`
	Differences []string          `json:"differences"`
	Notes       []string          `json:"notes"`
	Transfers   int64             `json:"transfers"`
}

func newVerification(v *reporting.Verification, trial *ledger.Trial) *verification {
	out := &verification{
		Equal: v.OK() && trial.OK(), Records: v.Records, Groups: v.Groups, Spend: map[string]string{}, Diary: v.Last, Reports: v.InReports,
		Ledger: v.InLedger, Differences: append(slices.Clone(v.Differences), trial.Problems...), Notes: v.Notes, Transfers: trial.Transfers,
	}
	for currency, sum := range v.Spend {
		out.Spend[currency] = sum.String()
	}
	return out
}

func (v *verification) print(w io.Writer) {
	word := "EQUAL: diary = ClickHouse = ledger, to the nano"
	if !v.Equal {
		word = "DIFFERENT"
	}
	fmt.Fprintf(w, "%s\n  %d records, %d ad groups, %d transfers balance\n", word, v.Records, v.Groups, v.Transfers)
	for currency, sum := range v.Spend {
		fmt.Fprintf(w, "  spend %s %s\n", sum, currency)
	}
	for _, d := range v.Differences {
		fmt.Fprintf(w, "  difference: %s\n", d)
	}
	for _, n := range v.Notes {
		fmt.Fprintf(w, "  note: %s\n", n)
	}
}

var errDifferent = errors.New("the diary, ClickHouse and the ledger do not agree")

func verifyCommand() *cobra.Command {
	var config string
	var asJSON bool
	c := &cobra.Command{
		Use: "verify", Short: "Compare diary, ClickHouse and ledger, to the nano; asks the running server, or opens the data directory", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := LoadConfig(config)
			if err != nil {
				return err
			}
			v, err := verifyRunning(cmd.Context(), "http://"+cfg.Admin.Listen)
			if errors.Is(err, errNotRunning) {
				v, err = verifyStopped(cmd.Context(), cfg, newLog(cmd.ErrOrStderr(), "warn"))
			}
			if err != nil {
				return err
			}
			if asJSON {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(v)
			} else {
				v.print(cmd.OutOrStdout())
			}
			if err == nil && !v.Equal {
				err = errDifferent
			}
			return err
		},
	}
	c.Flags().StringVarP(&config, "config", "c", "", "YAML file; without one the defaults hold")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

var errNotRunning = errors.New("no server answers")

// verifyRunning asks a server on its admin port.
func verifyRunning(ctx context.Context, admin string) (*verification, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	raw, err := askAdmin(ctx, http.MethodPost, admin+"/verify")
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	var v verification
	return &v, json.Unmarshal(raw, &v)
}

// askAdmin asks a running server; errNotRunning when none answers at all.
func askAdmin(ctx context.Context, method, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w at %s: %w", errNotRunning, url, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(strings.TrimSpace(string(raw)))
	}
	return raw, nil
}

// verifyStopped opens the data directory of a server that is not running, on
// addresses of its own.
func verifyStopped(ctx context.Context, cfg Config, log *slog.Logger) (*verification, error) {
	cfg.Ads.Listen, cfg.Manage.Listen, cfg.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	n, err := OpenNode(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	<-n.ready
	_, _, admin := n.addresses()
	v, err := verifyRunning(ctx, admin)
	cancel()
	return v, errors.Join(err, <-ended, n.Close())
}
