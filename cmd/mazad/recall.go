package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"mazad/events"
	"mazad/events/archive"
	"mazad/prediction"
	"mazad/serving"
)

// checkpointEvery is how often what is remembered of the diary is written down,
// when there is something new; a start reads the rest of the diary. It is put off
// while writing takes long, so that it never takes more than a twentieth of the
// bookkeeper's time.
const (
	checkpointEvery = 10 * time.Second
	checkpointShare = 20
)

func (n *Node) checkpointFile() string { return filepath.Join(n.cfg.DataDir, "checkpoint") }

// remember reads what earlier lives left in the diary: from the checkpoint and
// what came after it, or from all of it.
func (n *Node) remember(ctx context.Context) error {
	started := n.clock.Now()
	if err := n.newBooks(ctx, n.history); err != nil {
		return err
	}
	from, err := n.resume(ctx)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			n.log.Error("the checkpoint is not used, the diary is read from the beginning", "file", n.checkpointFile(), "cause", err)
		}
		if err := n.forget(ctx, n.history); err != nil {
			return err
		}
	}
	batches, err := n.readRest(ctx)
	var damage *archive.Damage
	if errors.As(err, &damage) {
		n.log.Error("the archive cannot be read: what was learnt before the diary's first record is not known", "cause", damage)
		if err := n.forget(ctx, n.diary); err != nil {
			return err
		}
		from = 0
		batches, err = n.readRest(ctx)
	}
	n.checkpointed = from
	n.log.Info("the diary is read", "checkpoint_batch", from, "batches", batches, "took_ms", n.clock.Now().Sub(started).Milliseconds())
	return err
}

// forget throws away what was half read and begins anew with a stream.
func (n *Node) forget(ctx context.Context, stream serving.Stream) error {
	n.used, n.attribution, n.pending = events.NewUsed(), events.NewAttribution(events.AttributionConfig{}), serving.Pending{}
	return n.newBooks(ctx, stream)
}

// readRest reads what is not in the checkpoint.
func (n *Node) readRest(ctx context.Context) (batches int, err error) {
	return n.bookkeeper.Recover(ctx, func(r *events.Record) {
		n.used.Apply(r)
		n.attribution.Apply(r)
		n.pending.Apply(r)
	})
}

func (n *Node) newBooks(ctx context.Context, stream serving.Stream) (err error) {
	if n.learner, err = prediction.NewLearner(prediction.Config{}); err != nil {
		return err
	}
	n.bookkeeper, err = serving.NewBookkeeper(ctx, serving.BookkeeperConfig{
		Clock: n.clock, Stream: stream, Money: n.diary.MoneyStream(), Books: n.ledger, Node: n.life.Node, Learner: n.learner,
	})
	return err
}

// resume takes the checkpoint, if there is one that can be used.
func (n *Node) resume(ctx context.Context) (from uint64, err error) {
	raw, err := os.ReadFile(n.checkpointFile())
	if err != nil {
		return 0, err
	}
	point, err := serving.ReadCheckpoint(raw)
	if err != nil {
		return 0, err
	}
	recalled, err := n.bookkeeper.Resume(ctx, point, events.AttributionConfig{})
	if err != nil {
		return 0, err
	}
	n.used, n.attribution, n.pending = recalled.Used, recalled.Attribution, recalled.Pending
	return point.Sequence(), nil
}

// checkpoint writes down what is remembered, if anything is new. The file is
// whole or the one before.
func (n *Node) checkpoint() error {
	if n.bookkeeper.Folded() == n.checkpointed {
		return nil
	}
	b, err := n.bookkeeper.AppendCheckpoint(n.scratch[:0], n.tracker)
	if err != nil || len(b) == 0 {
		return err
	}
	n.scratch = b
	if err := writeOnce(n.checkpointFile(), b); err != nil {
		return fmt.Errorf("write the checkpoint: %w", err)
	}
	n.checkpointed = n.bookkeeper.Folded()
	n.checkpointBytes.Store(int64(len(b)))
	return nil
}

// checkpointDue decides when the next checkpoint is to be written.
type checkpointDue struct{ at time.Time }

func (d *checkpointDue) now(now time.Time) bool {
	early := d.at.Sub(now)
	return early <= 0 || early > time.Hour // a clock set back makes it due
}

func (d *checkpointDue) after(begin, end time.Time) {
	d.at = end.Add(max(checkpointEvery, checkpointShare*end.Sub(begin)))
}
