package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"time"

	"mazad/events/diary"
	"mazad/reporting"
	"mazad/reporting/diarysource"
)

// serveVerify waits until the ledger and ClickHouse have what was acknowledged
// and compares them with what archive and diary hold.
func (n *Node) serveVerify(w http.ResponseWriter, r *http.Request) {
	v, err := n.verify(r.Context(), func(progress) {})
	answerJSON(w, v, err)
}

// serveRebuild does the same and fills an empty ledger and an empty ClickHouse.
func (n *Node) serveRebuild(w http.ResponseWriter, r *http.Request) {
	answerLines(w, func(told func(progress)) (any, error) {
		var o rebuildOrder
		if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&o); err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("the order: %w", err)
		}
		v, err := n.verify(r.Context(), told)
		if err == nil {
			v.Rebuilt, err = n.rebuild(r.Context(), o, told)
		}
		return v, err
	})
}

// verifyWait bounds how long a verification waits for the consumers.
const verifyWait = 30 * time.Second

func (n *Node) verify(ctx context.Context, told func(progress)) (*verification, error) {
	if n.client == nil {
		return nil, errors.New("reports are off (clickhouse.off): there is nothing to compare the diary with")
	}
	_, last, err := n.diary.Last(ctx, n.diary.MoneyStream())
	if err != nil {
		return nil, err
	}
	if err := n.awaitConsumers(ctx, last); err != nil {
		return nil, err
	}
	got, err := reporting.Verify(ctx, reporting.VerifyConfig{
		Client: n.client, Source: diarysource.Of(n.history, n.diary.MoneyStream()), Ledger: reporting.Books(n.ledger, n.diary.MoneyStream()),
	})
	if err != nil {
		return nil, fmt.Errorf("%w; reports: %s", err, n.readiness().Reports)
	}
	trial, err := n.ledger.Trial(ctx)
	if err != nil {
		return nil, err
	}
	v := newVerification(got, &trial)
	return v, n.checkFiles(ctx, v, told)
}

// awaitConsumers waits until the ledger and reports have batch last.
func (n *Node) awaitConsumers(ctx context.Context, last uint64) error {
	deadline := time.NewTimer(verifyWait)
	defer deadline.Stop()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		pos, err := n.ledger.Position(ctx, n.diary.MoneyStream())
		if err != nil {
			return err
		}
		if st := n.sink.Status(); pos.Seq >= last && st.Seq >= last {
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			return fmt.Errorf("after %s the diary is at %d, the ledger at %d, reports at %d (%s)", verifyWait, last, pos.Seq, n.sink.Status().Seq, n.readiness().Reports)
		}
	}
}

// checkFiles reads the archive and the diary's own files from end to end.
func (n *Node) checkFiles(ctx context.Context, v *verification, told func(progress)) error {
	r, err := n.history.Check(ctx, func(done, total int64) { told(progress{"archive", done, total}) })
	if err != nil {
		return fmt.Errorf("check the archive: %w", err)
	}
	v.Archive = archiveSummary{Files: r.Files, Batches: r.Batches, Records: r.Records, Bytes: r.Bytes, Both: r.Both}
	for _, d := range r.Damage {
		v.Damage = append(v.Damage, d.Error())
	}
	for _, s := range r.Strays {
		v.Notes = append(v.Notes, "the archive's folder has a file that its manifest does not name: "+s)
	}
	if n.cfg.Diary.URL != "" {
		return nil
	}
	found, err := diary.Inspect(filepath.Join(n.cfg.DataDir, "diary"), n.diary.MoneyStream(), 0)
	for _, d := range found {
		v.Damage = append(v.Damage, d.Error())
	}
	return err
}
