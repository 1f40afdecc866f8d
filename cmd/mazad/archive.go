package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"mazad/events/archive"

	"github.com/spf13/cobra"
)

// openArchive joins the diary with what was sealed of it. A damaged archive
// stops neither serving nor billing; a diary that is older than its archive
// does, before anything is written to it.
func (n *Node) openArchive(ctx context.Context) error {
	stream := n.diary.MoneyStream()
	store, err := archive.OpenDir(filepath.Join(n.cfg.archiveDir(), stream))
	if err != nil {
		return fmt.Errorf("archive.dir: %w", err)
	}
	if n.archive, err = archive.Open(ctx, store, stream); err != nil {
		return err
	}
	for _, bad := range append(n.archive.Suspects(), n.archive.Trouble()) {
		if bad != nil {
			n.log.Error("the archive is damaged; `mazad archive repair` says what can be done", "folder", store.Where(), "cause", bad)
		}
	}
	n.history = archive.NewSequence(n.archive, n.diary)
	_, _, err = n.history.Last(ctx, stream)
	return err
}

func (c *Config) archiveDir() string {
	if c.Archive.Dir != "" {
		return c.Archive.Dir
	}
	return filepath.Join(c.DataDir, "archive")
}

// openArchiver makes the worker that seals, purges and retires. It comes last:
// it must know every durable consumer of the money stream.
func (n *Node) openArchiver(context.Context) (err error) {
	a := n.cfg.Archive
	n.archiver, err = archive.NewWorker(archive.WorkerConfig{
		Archive: n.archive, Source: n.diary, Consumers: n.consumers(),
		SealBytes: int64(a.SealMegabytes) << 20, SealAge: time.Duration(a.SealMinutes) * time.Minute,
		Keep: days(a.StreamDays), Retain: days(a.RetentionDays), Clock: n.clock, Log: n.log,
		Pressed: func() bool { st := n.diary.Stats(); return st.MoneyBytes*2 >= st.MoneyBudget },
	})
	return err
}

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

// consumers are the durable readers of the money stream: it loses nothing that
// one of them has not passed.
func (n *Node) consumers() []archive.Consumer {
	all := []archive.Consumer{{Name: "the ledger", Position: func(ctx context.Context) (uint64, error) {
		pos, err := n.ledger.Position(ctx, n.diary.MoneyStream())
		return pos.Seq, err
	}}}
	if n.journal != nil {
		all = append(all, archive.Consumer{Name: "reports", Position: func(ctx context.Context) (uint64, error) {
			done, open, _, err := n.journal.State(ctx, n.diary.MoneyStream())
			if open != nil { // may be repeated
				done = min(done, open.First-1)
			}
			return done, err
		}})
	}
	return all
}

func (c collector) archive(m meter) {
	st := c.n.archiver.Stats()
	m.gauge("archive_files", "Sealed files", float64(st.Files))
	m.gauge("archive_bytes", "Disk used by sealed files", float64(st.Bytes))
	m.gauge("archive_raw_bytes", "The same before compression", float64(st.RawBytes))
	m.gauge("archive_records", "Records in sealed files", float64(st.Records))
	m.gauge("archive_lag_seconds", "Age of the oldest record that is not sealed", st.Lag.Seconds())
	m.gauge("archive_trouble", "1 while nothing can be archived; the log and /readyz say why", flag(st.Trouble != nil))
	m.count("archive_failures_total", "Times that archiving failed and was tried again", float64(st.Failures))
	m.count("archive_purged_batches_total", "Archived batches that left the diary", float64(st.Purged))
	m.count("archive_retired_files_total", "Files removed by retention", float64(st.Retired))
	m.count("archive_healed_batches_total", "Batches that the diary lost and that were read from the archive", float64(c.n.history.Healed()))
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// repaired is the answer of POST /archive/repair.
type repaired struct {
	Done []string `json:"done"`
	Left string   `json:"left,omitempty"` // what could not be repaired
}

func (n *Node) serveArchiveRepair(w http.ResponseWriter, r *http.Request) {
	var out repaired
	var err error
	if out.Done, err = n.history.Repair(r.Context()); err != nil {
		out.Left = err.Error()
	}
	answerJSON(w, out, nil)
}

func archiveCommand() *cobra.Command {
	c := &cobra.Command{Use: "archive", Short: "The sealed files of money records"}
	var config string
	repair := &cobra.Command{
		Use: "repair", Short: "Write damaged files again from the diary, and a damaged manifest from the files", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := LoadConfig(config)
			if err != nil {
				return err
			}
			var got repaired
			if err := askServer(cmd.Context(), cfg, newLog(cmd.ErrOrStderr(), "warn"), question{path: "/archive/repair"}, &got); err != nil {
				return err
			}
			for _, d := range got.Done {
				fmt.Fprintln(cmd.OutOrStdout(), d)
			}
			if got.Left != "" {
				return errors.New(got.Left)
			}
			if len(got.Done) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "every file is whole")
			}
			return nil
		},
	}
	repair.Flags().StringVarP(&config, "config", "c", "", "YAML file; without one the defaults hold")
	c.AddCommand(repair)
	return c
}
