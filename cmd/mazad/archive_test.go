package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mazad/events/archive"
	"mazad/events/diary"
)

// beacons places n ads and confirms each impression.
func (h *testHouse) beacons(n int) {
	h.t.Helper()
	for range n {
		ad := h.feed(plainRequest).Ads[0]
		if status := h.call("GET", ad.ImpURL, "", nil, nil); status >= 300 {
			h.t.Fatalf("impression: %d", status)
		}
	}
}

// archiveNow seals everything that is acknowledged and lets it leave the diary as
// far as the consumers have passed it, as the worker would after days.
func (h *testHouse) archiveNow() (first uint64) {
	h.t.Helper()
	ctx := h.t.Context()
	_, last, err := h.n.diary.Last(ctx, diary.Money)
	if err != nil {
		h.t.Fatal(err)
	}
	h.until("the worker to see everything", 5*time.Second, func() bool { return h.n.archiver.Stats().Seen >= last })
	if err := h.n.archiver.Seal(ctx); err != nil {
		h.t.Fatal(err)
	}
	early, err := archive.NewWorker(archive.WorkerConfig{Archive: h.n.archive, Source: h.n.diary, Consumers: h.n.consumers(), Keep: time.Nanosecond})
	if err != nil {
		h.t.Fatal(err)
	}
	if first, err = early.Purge(ctx); err != nil {
		h.t.Fatal(err)
	}
	return first
}

// TestRebuildFromArchiveAndDiary: the diary's head is gone, a restart goes on
// without it, and an empty ClickHouse and an empty ledger that are filled from
// archive and diary are equal to those in use. A file with a flipped bit is named
// and never believed.
func TestRebuildFromArchiveAndDiary(t *testing.T) {
	lib := engines(t)
	cfg := testConfig(t, t.TempDir())
	cfg.ClickHouse.Off, cfg.ClickHouse.Library = false, lib
	h := openHouse(t, cfg)
	a := h.newAgency()
	a.adGroup("")
	h.until("the first ad", time.Second, func() bool { return len(h.feed(plainRequest).Ads) > 0 })
	if err := h.n.clickhouse.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.beacons(15)
	h.verify() // everybody has passed them
	h.archiveNow()
	h.beacons(15)
	h.verify()
	if first := h.archiveNow(); first <= 10 {
		t.Fatalf("the diary begins at batch %d: nothing left it", first)
	}
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	cfg.Ads.PublicURL = ""
	h = openHouse(t, cfg)
	a.h = h
	h.until("an ad after the restart", time.Second, func() bool { return len(h.feed(plainRequest).Ads) > 0 })
	h.beacons(5)
	if v := h.verify(); v.Records < 35 || v.Archive.Files != 2 || len(v.Damage) > 0 {
		t.Errorf("verified %+v", v)
	}
	var v verification
	stages := map[string]bool{}
	ask := question{path: "/rebuild", told: func(p progress) { stages[p.Stage] = true }}
	if err := askRunning(t.Context(), h.admin, ask, &v); err != nil {
		t.Fatal(err)
	}
	if !v.ok() || v.Rebuilt == nil || v.Rebuilt.Records != v.Records || v.Rebuilt.Limits < 6 || v.Rebuilt.Through != v.Diary || len(v.Rebuilt.Notes) > 0 {
		t.Errorf("rebuilt: %+v", v.Rebuilt)
	}
	if !stages["archive"] || !stages["ledger"] || !stages["reports"] {
		t.Errorf("progress was told of %v only", stages)
	}
	if left, _ := filepath.Glob(filepath.Join(cfg.DataDir, "rebuild-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}

	// ClickHouse in use is not empty: it is refused.
	url, _ := h.n.clickhouse.Endpoint()
	ask.body = rebuildOrder{ClickHouse: url}
	if err := askRunning(t.Context(), h.admin, ask, &v); err == nil || !strings.Contains(err.Error(), "an empty one is needed") {
		t.Errorf("a rebuild into the ClickHouse in use: %v", err)
	}

	// One nano more in the books in use, and one record less in its reports.
	if err := h.n.client.Exec(t.Context(), "ALTER TABLE {db}.events DELETE WHERE seq = 3 SETTINGS mutations_sync = 1"); err != nil {
		t.Fatal(err)
	}
	ask.body, v = nil, verification{}
	if err := askRunning(t.Context(), h.admin, ask, &v); err != nil || v.ok() || v.Rebuilt == nil || len(v.Rebuilt.Differences) != 1 ||
		!strings.Contains(v.Rebuilt.Differences[0], "raw events") {
		t.Errorf("a record less in use: %v, %+v", err, v.Rebuilt)
	}

	// A flipped bit in the older file: named, and nothing is said of figures.
	path := filepath.Join(cfg.DataDir, "archive", diary.Money, h.n.archive.Files()[0].Name)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[200] ^= 1
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := verifyRunning(t.Context(), h.admin); err == nil || !strings.Contains(err.Error(), filepath.Base(path)+", offset 64") {
		t.Errorf("a flipped bit: %v", err)
	}
	var fixed repaired
	if err := askRunning(t.Context(), h.admin, question{path: "/archive/repair"}, &fixed); err != nil || !strings.Contains(fixed.Left, "restore the file from a backup") {
		t.Errorf("repair without the diary: %v, %+v", err, fixed)
	}
	// The house goes on, also over a restart: the archive is not needed for it.
	h.beacons(1)
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(h.n.checkpointFile()); err != nil { // nor is it needed when everything is read again
		t.Fatal(err)
	}
	h = openHouse(t, cfg)
	h.until("an ad with a damaged archive", time.Second, func() bool { return len(h.feed(plainRequest).Ads) > 0 })
	h.beacons(1)
}

// TestOldTokensStayUsedAfterThePurge: what a start needs to know of used tokens
// is in the part of the diary that stays.
func TestOldTokensStayUsedAfterThePurge(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	h := openHouse(t, cfg)
	h.newAgency().adGroup("")
	h.until("the first ad", time.Second, func() bool { return len(h.feed(plainRequest).Ads) > 0 })
	old := h.feed(plainRequest).Ads[0]
	h.call("GET", old.ImpURL, "", nil, nil)
	h.beacons(10)
	pos := func(h *testHouse) uint64 {
		p, err := h.n.ledger.Position(context.Background(), diary.Money)
		if err != nil {
			t.Fatal(err)
		}
		return p.Seq
	}
	h.until("the books", 5*time.Second, func() bool { return pos(h) >= 11 })
	if _, err := h.n.archiver.Purge(t.Context()); err != nil { // the worker's own: nothing is old enough
		t.Fatal(err)
	}
	if first, _, err := h.n.diary.Last(t.Context(), diary.Money); err != nil || first != 1 {
		t.Fatalf("the diary begins at %d: %v", first, err)
	}
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	cfg.Ads.PublicURL = ""
	h2 := openHouse(t, cfg)
	before := h2.spent()
	h2.call("GET", rebase(t, old.ImpURL, h2.ads), "", nil, nil)
	fresh := pos(h2)
	h2.until("the books", 5*time.Second, func() bool { _, last, _ := h2.n.diary.Last(context.Background(), diary.Money); return pos(h2) >= last })
	if after := h2.spent(); after != before {
		t.Errorf("a used token was billed again after the restart: %s, was %s (batch %d)", after, before, fresh)
	}
}

// spent is what every ad group was billed, as text.
func (h *testHouse) spent() string {
	h.t.Helper()
	totals, _, err := h.n.ledgerTotals(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	raw, _ := json.Marshal(totals)
	return string(raw)
}
