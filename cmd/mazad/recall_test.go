package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mazad/events"
	"mazad/events/diary"
	"mazad/internal/clock"
	"mazad/internal/id"
)

// manyTokens is how many used tokens may still come back in the start that is
// measured.
const manyTokens = 10_000_000

// withTokens puts n used tokens into a checkpoint: the first section is that of
// the tokens.
func withTokens(t testing.TB, raw []byte, n uint64, nowMS int64) []byte {
	t.Helper()
	const head, tag = 4 + 8 + 3*8, 1 + 8
	le := binary.LittleEndian
	size := le.Uint64(raw[head+1:])
	used, seq, err := events.LoadUsed(raw[head+tag : head+tag+int(size)])
	if err != nil {
		t.Fatal(err)
	}
	for i := range n { // a third of 30 million served, over the last 20 hours
		used.Mark(events.TokenID{Generation: 7, Serial: 3*i + i%3}, events.UseClick, nowMS-int64(i*20/n)*3_600_000)
	}
	out := bytes.Clone(raw[:head])
	out = append(out, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	if out, err = used.AppendCheckpoint(out, seq); err != nil {
		t.Fatal(err)
	}
	le.PutUint64(out[head+1:], uint64(len(out)-head-tag))
	out = append(out, raw[head+tag+int(size):len(raw)-4]...)
	le.PutUint64(out[4:], uint64(len(out)+4))
	return le.AppendUint32(out, crc32.Checksum(out, crc32.MakeTable(crc32.Castagnoli)))
}

// tail writes n clicks behind a checkpoint, as a crash within ten seconds of
// heavy traffic leaves them.
func tail(t testing.TB, cfg Config, n int) {
	t.Helper()
	d, err := diary.Open(t.Context(), diary.Config{Dir: filepath.Join(cfg.DataDir, "diary"), Clock: clock.System{},
		MoneyBytes: int64(cfg.Diary.MaxMegabytes) << 20, DecisionBytes: int64(cfg.Diary.DecisionsMB) << 20})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UnixMilli()
	var last diary.Ticket
	for i := range n {
		r := events.Record{ID: id.MakeEvent(now, 0, 0, uint64(i+1)), Kind: events.KindClick, Verdict: events.VerdictFree, Reason: events.ReasonNotBillable,
			AuctionID: id.MakeEvent(now, 0, 0, uint64(i+1)), Token: events.TokenID{Generation: 8, Serial: uint64(i + 1)}, TimeMS: now, AuctionMS: now,
			Advertiser: 1, Campaign: 2, AdGroup: 3, Ad: 4, Currency: [3]byte{'U', 'S', 'D'}}
		for {
			if last, err = d.Enqueue(&r); err == nil {
				break
			}
			if err := last.Wait(t.Context()); err != nil { // the queue is full: let it empty
				t.Fatal(err)
			}
		}
	}
	if err := last.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// stoppedAfterAnImpression is a node that billed one impression and was stopped: the
// URL of that impression, the checkpoint that it left and its file.
func stoppedAfterAnImpression(t *testing.T, cfg Config) (impression, file string, checkpoint []byte) {
	t.Helper()
	h := openHouse(t, cfg)
	h.newAgency().adGroup("")
	h.until("the first ad", 2*time.Second, func() bool { return len(h.feed(plainRequest).Ads) > 0 })
	impression = h.feed(plainRequest).Ads[0].ImpURL
	h.call("GET", impression, "", nil, nil)
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(cfg.DataDir, "checkpoint")
	checkpoint, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("a node that was stopped left no checkpoint: %v", err)
	}
	return impression, file, checkpoint
}

// TestStartWithTenMillionTokens: a node that has ten million used tokens that may
// still come back, and 100,000 records behind its checkpoint, serves within three
// seconds, and knows them.
func TestStartWithTenMillionTokens(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	impression, file, raw := stoppedAfterAnImpression(t, cfg)
	now := time.Now().UnixMilli()
	full := withTokens(t, raw, manyTokens, now)
	if err := os.WriteFile(file, full, 0o600); err != nil {
		t.Fatal(err)
	}
	records := 100_000
	if testing.Short() {
		records = 10_000
	}
	tail(t, cfg, records)
	begin := time.Now()
	h := openHouse(t, cfg)
	took := time.Since(begin)
	t.Logf("started in %s with %d tokens (checkpoint of %d bytes) and %d records behind it", took, manyTokens, len(full), records)
	if took > 3*time.Second {
		t.Errorf("started in %s, want 3 s at most", took)
	}
	if status, word := beacon(t, h, impression); status != 200 || word != "repeat" {
		t.Errorf("a token used before the checkpoint: %d %q", status, word)
	}
	for _, i := range []uint64{0, 1, manyTokens / 2, manyTokens - 1} {
		if !h.n.used.IsUsed(events.TokenID{Generation: 7, Serial: 3*i + i%3}, events.UseClick, now-int64(i*20/manyTokens)*3_600_000) {
			t.Errorf("token %d of the checkpoint is forgotten", i)
		}
	}
	for _, i := range []int{1, records} {
		if !h.n.used.IsUsed(events.TokenID{Generation: 8, Serial: uint64(i)}, events.UseClick, now) {
			t.Errorf("token %d behind the checkpoint is forgotten", i)
		}
	}
}

// TestADamagedCheckpointIsNamedAndMadeAnew: the start reads the diary instead and
// knows the same.
func TestADamagedCheckpointIsNamedAndMadeAnew(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	impression, file, good := stoppedAfterAnImpression(t, cfg)
	for _, damage := range []func([]byte) []byte{
		func(b []byte) []byte { b[len(b)/2] ^= 4; return b },
		func(b []byte) []byte { return b[:len(b)/3] },
		func(b []byte) []byte { b[3]++; return b },
		func([]byte) []byte { return nil },
	} {
		if err := os.WriteFile(file, damage(bytes.Clone(good)), 0o600); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		n, err := OpenNode(t.Context(), cfg, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		st := n.bookkeeper.Folded()
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(log.String(), file) || !strings.Contains(log.String(), "checkpoint is not used") || st == 0 {
			t.Errorf("a damaged checkpoint was not named: %s", log.String())
		}
		if again, err := os.ReadFile(file); err != nil || len(again) < len(good) {
			t.Errorf("it was not made anew: %d bytes, %v", len(again), err)
		}
	}
	h := openHouse(t, cfg)
	if status, word := beacon(t, h, impression); status != 200 || word != "repeat" {
		t.Errorf("a token used before: %d %q", status, word)
	}
}
