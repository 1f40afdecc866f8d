package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

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
	Archive     archiveSummary    `json:"archive"`
	Damage      []string          `json:"damage"` // files of archive and diary that are not as they were written
	Rebuilt     *rebuiltSummary   `json:"rebuilt,omitempty"`
}

// archiveSummary is what a check of the archive read.
type archiveSummary struct {
	Files   int    `json:"files"`
	Batches uint64 `json:"batches"`
	Records uint64 `json:"records"`
	Bytes   int64  `json:"bytes"`
	Both    uint64 `json:"also_in_diary"` // batches compared with the diary's copy
}

// ok reports that everything agrees and is whole.
func (v *verification) ok() bool {
	return v.Equal && len(v.Damage) == 0 && (v.Rebuilt == nil || len(v.Rebuilt.Differences) == 0)
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
	fmt.Fprintf(w, "  archive: %d files whole, %d batches, %d records, %d bytes; %d batches are equal in the diary\n",
		v.Archive.Files, v.Archive.Batches, v.Archive.Records, v.Archive.Bytes, v.Archive.Both)
	for _, d := range v.Damage {
		fmt.Fprintf(w, "  DAMAGED: %s\n", d)
	}
	if v.Rebuilt != nil {
		v.Rebuilt.print(w)
	}
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

var (
	errDifferent = errors.New("the diary, ClickHouse and the ledger do not agree")
	errDamaged   = errors.New("files of the archive or the diary are damaged")
)

func verifyCommand() *cobra.Command {
	var config, clickhouse string
	var asJSON, rebuild bool
	c := &cobra.Command{
		Use: "verify", Short: "Compare diary, archive, ClickHouse and ledger, to the nano; asks the running server, or opens the data directory", Args: cobra.NoArgs,
		Long: "verify folds every record of archive and diary and compares the figures with ClickHouse and the ledger, to the nano, and reads every file of the archive.\n" +
			"With --rebuild it also fills an empty ClickHouse and an empty ledger from archive and diary alone and compares them with those in use.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := LoadConfig(config)
			if err != nil {
				return err
			}
			if clickhouse != "" && !rebuild {
				return errors.New("--clickhouse goes with --rebuild")
			}
			ask := question{path: "/verify"}
			if rebuild {
				ask = question{path: "/rebuild", body: rebuildOrder{ClickHouse: clickhouse}, told: func(p progress) { p.print(cmd.ErrOrStderr()) }}
			}
			var v verification
			if err = askServer(cmd.Context(), cfg, newLog(cmd.ErrOrStderr(), "warn"), ask, &v); err != nil {
				return err
			}
			if asJSON {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(&v)
			} else {
				v.print(cmd.OutOrStdout())
			}
			switch {
			case err != nil || v.ok():
			case len(v.Damage) > 0:
				err = errDamaged
			default:
				err = errDifferent
			}
			return err
		},
	}
	c.Flags().StringVarP(&config, "config", "c", "", "YAML file; without one the defaults hold")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&rebuild, "rebuild", false, "also fill an empty ClickHouse and an empty ledger and compare")
	c.Flags().StringVar(&clickhouse, "clickhouse", "", "with --rebuild: URL of an empty ClickHouse, which keeps what it is filled with; without it an embedded one is made and removed")
	return c
}

// verifyRunning asks a server on its admin port.
func verifyRunning(ctx context.Context, admin string) (*verification, error) {
	var v verification
	return &v, askRunning(ctx, admin, question{path: "/verify"}, &v)
}
