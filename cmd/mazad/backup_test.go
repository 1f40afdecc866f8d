package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mazad/audience"
	"mazad/campaign"
	"mazad/campaign/storetest"
	"mazad/events"
	"mazad/events/diary"
	"mazad/internal/backup"
	"mazad/internal/id"
	"mazad/internal/sqldb/postgrestest"
)

// traffic asks for ads and confirms impressions until stop is called, which
// returns how many were acknowledged. acked counts along.
func (h *testHouse) traffic() (acked *atomic.Int64, stop func()) {
	acked = &atomic.Int64{}
	done := make(chan struct{})
	var wg sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				resp, err := client.Post(h.ads+"/v1/ads", "application/json", strings.NewReader(plainRequest))
				if err != nil {
					h.t.Error(err)
					return
				}
				var a feedAnswer
				err = json.NewDecoder(resp.Body).Decode(&a)
				resp.Body.Close()
				if err != nil || len(a.Ads) == 0 {
					continue
				}
				if resp, err = client.Get(a.Ads[0].ImpURL); err == nil {
					if resp.StatusCode < 300 {
						acked.Add(1)
					}
					resp.Body.Close()
				}
			}
		})
	}
	return acked, func() { close(done); wg.Wait(); client.CloseIdleConnections() }
}

func (h *testHouse) backup(to string) *backup.Manifest {
	h.t.Helper()
	m, err := backupRunning(h.t.Context(), h.admin, to, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return m
}

// restoreTo runs the command as a person does, with a configuration file.
func restoreTo(t *testing.T, cfg Config, args ...string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mazad.yaml")
	text := "data_dir: " + cfg.DataDir + "\nstore: {url: \"" + cfg.Store.URL + "\"}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err := run(t.Context(), append([]string{"restore", "-c", file}, args...), &out, &out)
	return out.String(), err
}

// aside is a configuration for an empty machine.
func aside(t testing.TB, cfg Config, storeURL string) Config {
	cfg.DataDir = filepath.Join(t.TempDir(), "restored")
	cfg.Store.URL, cfg.Ads.PublicURL = storeURL, ""
	cfg.Secrets.TokenKeyFile = filepath.Join(cfg.DataDir, "token.key")
	return cfg
}

// TestBackupAndRestore makes backups of a house in use and restores them on an
// empty machine, within one kind of store and from one to the other.
func TestBackupAndRestore(t *testing.T) {
	lib := engines(t)
	server := postgrestest.Start(t, postgrestest.Options{})
	sqlite := func() string { return "" }
	for name, store := range map[string][2]func() string{
		"sqlite":             {sqlite, sqlite},
		"postgres":           {server.Database, server.Database},
		"sqlite to postgres": {sqlite, server.Database},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(t, t.TempDir())
			cfg.Store.URL = store[0]()
			cfg.ClickHouse.Off, cfg.ClickHouse.Library = false, lib
			backedUpAndRestored(t, cfg, func() Config { return aside(t, cfg, store[1]()) })
		})
	}
}

func backedUpAndRestored(t *testing.T, cfg Config, empty func() Config) {
	h := openHouse(t, cfg)
	a := h.newAgency()
	a.adGroup("")
	h.until("the first ad", time.Second, func() bool { return len(h.feed(plainRequest).Ads) > 0 })
	if err := h.n.clickhouse.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	key := h.post(h.n.operatorKey, "/mazad/v1/token/create/", `{"name":"events","scope":"event"}`).Data.Token
	if status := h.call("POST", h.ads+"/v1/users", key, `[{"id":"u-before","age":30,"consent":"granted"}]`, nil); status != 200 {
		t.Fatalf("users: %d", status)
	}
	var left uint64
	for range 2 {
		h.beacons(12)
		h.verify()
		left = h.archiveNow()
	}
	if left <= 10 {
		t.Fatalf("the diary begins at batch %d: nothing is in the archive only", left)
	}
	used, unused := h.feed(plainRequest).Ads[0], h.feed(plainRequest).Ads[0]
	h.call("GET", used.ImpURL, "", nil, nil)

	acked, stop := h.traffic()
	h.until("traffic", 5*time.Second, func() bool { return acked.Load() > 30 })
	before := acked.Load()
	file := filepath.Join(t.TempDir(), "while-serving.tar")
	h.backup(file)
	h.until("traffic after the backup", 5*time.Second, func() bool { return acked.Load() > before+30 })
	stop()

	// The same later, when all is still, so that the two can be compared whole.
	h.verify()
	folder := filepath.Join(t.TempDir(), "still")
	h.backup(folder)
	impressions, spend := a.impressions(), a.ledgerSpend()

	first := empty()
	if out, err := restoreTo(t, first, file); err != nil {
		t.Fatal(err, out)
	}
	r := openHouse(t, first)
	if err := r.n.clickhouse.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	v := r.verify()
	if v.Records < uint64(before)+25 {
		t.Errorf("%d records are left, %d impressions were acknowledged before the backup began", v.Records, before+25)
	}
	samePrefix(t, h, r)
	if r.n.life.Node != h.n.life.Node || r.n.life.Number <= h.n.life.Number+100 {
		t.Errorf("restored as node %d, life %d; it was %d, %d", r.n.life.Node, r.n.life.Number, h.n.life.Node, h.n.life.Number)
	}
	var p audience.Profile
	if !r.n.users.Directory().Lookup([]byte("u-before"), &p) || p.Age != 30 {
		t.Errorf("a user is lost: %+v", p)
	}
	a.h = r
	for _, token := range []struct {
		url    string
		billed bool
	}{{used.ImpURL, false}, {unused.ImpURL, true}} {
		was := a.ledgerSpend()
		r.call("GET", rebase(t, token.url, r.ads), "", nil, nil)
		if changed := a.ledgerSpend() != was; changed != token.billed {
			t.Errorf("a token from before the backup: spend changed %t, want %t", changed, token.billed)
		}
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}

	second := empty()
	out, err := restoreTo(t, second, folder)
	if err != nil {
		t.Fatal(err, out)
	}
	r = openHouse(t, second)
	if err := r.n.clickhouse.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.h = r
	if got := a.ledgerSpend(); got != spend {
		t.Errorf("spend %s, want %s", got, spend)
	}
	r.until("equal reports", 10*time.Second, func() bool { return a.impressions() == impressions })
	if x, y := h.books(), r.books(); x != y || !strings.Contains(out, x) {
		t.Errorf("the ledgers differ: %s and %s; restore said %s", x, y, out)
	}
	if _, err := restoreTo(t, second, folder); err == nil || !strings.Contains(err.Error(), second.DataDir) {
		t.Errorf("over a data directory in use: %v", err)
	}
	if second.Store.URL != "" {
		other := second
		other.DataDir = filepath.Join(t.TempDir(), "other")
		if _, err := restoreTo(t, other, folder); err == nil || !strings.Contains(err.Error(), "the database is not empty") {
			t.Errorf("over a database in use: %v", err)
		}
		if _, err := OpenNode(t.Context(), other, h.n.log); err == nil || !strings.Contains(err.Error(), "did not end") {
			t.Errorf("serving what was half restored: %v", err)
		}
	}
}

// TestABackupsLedgerIsNeverAheadOfItsDiary holds the backup up where the diary
// was copied until the ledger has booked more.
func TestABackupsLedgerIsNeverAheadOfItsDiary(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	h := openHouse(t, cfg)
	h.newAgency().adGroup("")
	h.until("the first ad", time.Second, func() bool { return len(h.feed(plainRequest).Ads) > 0 })
	h.beacons(3)
	position := func() uint64 {
		pos, err := h.n.ledger.Position(t.Context(), h.n.diary.MoneyStream())
		if err != nil {
			t.Error(err)
		}
		return pos.Seq
	}
	held := false
	var out bytes.Buffer
	err := h.n.backup(t.Context(), writerFunc(func(p []byte) (int, error) {
		if !held && bytes.HasPrefix(p, []byte("diary/"+h.n.diary.MoneyStream())) {
			held = true
			_, end, err := h.n.diary.Last(t.Context(), h.n.diary.MoneyStream())
			if err != nil {
				return 0, err
			}
			h.beacons(3)
			h.until("the books", 5*time.Second, func() bool { return position() > end })
		}
		return out.Write(p)
	}))
	if err != nil || !held {
		t.Fatalf("held up %t: %v", held, err)
	}
	file := filepath.Join(t.TempDir(), "backup.tar")
	if _, err := backup.Receive(&out, file, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := restoreTo(t, aside(t, cfg, ""), file); err != nil {
		t.Error(err)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// books is the hash of the ledger's tables.
func (h *testHouse) books() string {
	h.t.Helper()
	dump, err := h.n.db.Export(h.t.Context(), io.Discard)
	if err != nil {
		h.t.Fatal(err)
	}
	return (&backedUp{Store: dump}).books()
}

// samePrefix compares every batch of the restored diary with the one of the same
// number that it was copied from.
func samePrefix(t *testing.T, h, r *testHouse) {
	t.Helper()
	read := func(h *testHouse, to uint64) (last uint64, sums map[uint64]string) {
		first, last, err := h.n.history.Last(t.Context(), h.n.diary.MoneyStream())
		if err != nil {
			t.Fatal(err)
		}
		sums = map[uint64]string{}
		if err := h.n.history.Read(t.Context(), h.n.diary.MoneyStream(), first, min(to, last), func(b *diary.Batch) error {
			sums[b.Seq] = hashText(string(b.Bytes()))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return last, sums
	}
	last, copied := read(r, 1<<62)
	_, original := read(h, last)
	for seq, sum := range original {
		if copied[seq] != sum {
			t.Errorf("batch %d of %d differs", seq, last)
		}
	}
	if len(original) != len(copied) || len(copied) < 20 {
		t.Errorf("%d batches, want %d", len(copied), len(original))
	}
}

// TestADamagedBackupIsNamed goes through every file of a backup.
func TestADamagedBackupIsNamed(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	h := openHouse(t, cfg)
	h.newAgency().adGroup("")
	h.until("the first ad", time.Second, func() bool { return len(h.feed(plainRequest).Ads) > 0 })
	h.beacons(3)
	folder := filepath.Join(t.TempDir(), "backup")
	m := h.backup(folder)
	if len(m.Parts) < 9 {
		t.Fatalf("%d files in the backup: %+v", len(m.Parts), m.Parts)
	}
	for _, p := range m.Parts {
		if p.Bytes == 0 {
			continue
		}
		path := filepath.Join(folder, filepath.FromSlash(p.Name))
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		raw[len(raw)/2] ^= 4
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		to := aside(t, cfg, "")
		if out, err := restoreTo(t, to, folder); err == nil || !strings.Contains(err.Error(), p.Name) {
			t.Errorf("%s is damaged: %v %s", p.Name, err, out)
		}
		if left, err := os.ReadDir(to.DataDir); err == nil && len(left) > 0 {
			t.Errorf("%s is damaged, and something was restored", p.Name)
		}
		raw[len(raw)/2] ^= 4
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := restoreTo(t, aside(t, cfg, ""), folder); err != nil {
		t.Errorf("whole again: %v", err)
	}
	if _, err := restoreTo(t, aside(t, cfg, ""), t.TempDir()); err == nil || !strings.Contains(err.Error(), "manifest") {
		t.Errorf("an empty folder: %v", err)
	}
}

// BenchmarkBackup copies 10,000 ad groups and a diary of 200,000 records, and
// restores them: MB/s of what is copied.
func BenchmarkBackup(b *testing.B) {
	server := postgrestest.Start(b, postgrestest.Options{})
	for name, store := range map[string]string{"sqlite": "", "postgres": server.Database()} {
		b.Run(name, func(b *testing.B) {
			cfg := testConfig(b, b.TempDir())
			cfg.Store.URL = store
			h := openHouse(b, cfg)
			if _, err := h.n.campaigns.CreateTree(b.Context(), campaign.Edit{}, storetest.Tree(10_000)); err != nil {
				b.Fatal(err)
			}
			h.fillDiary(200_000)
			folder := filepath.Join(b.TempDir(), "backup")
			started := time.Now()
			m := h.backup(folder)
			took := time.Since(started)
			var bytes int64
			for _, p := range m.Parts {
				bytes += p.Bytes
			}
			b.ReportMetric(float64(bytes)/1e6, "MB")
			b.ReportMetric(float64(bytes)/1e6/took.Seconds(), "backup-MB/s")
			r := &restoring{cfg: aside(b, cfg, "")}
			if store != "" {
				r.cfg.Store.URL = server.Database()
			}
			started = time.Now()
			if err := r.run(b.Context(), folder); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(bytes)/1e6/time.Since(started).Seconds(), "restore-MB/s")
		})
	}
}

// fillDiary appends records that bill nothing.
func (h *testHouse) fillDiary(n int) {
	h.t.Helper()
	const group = 500
	for i := 0; i < n; i += group {
		records := make([]*events.Record, group)
		for j := range records {
			records[j] = &events.Record{ID: id.MakeEvent(h.n.clock.Now().UnixMilli(), 0, 9, uint64(i+j+1)), Kind: events.KindView, Verdict: events.VerdictFree,
				TimeMS: h.n.clock.Now().UnixMilli(), Token: events.TokenID{Partition: 9, Serial: uint64(i + j + 1)}, Features: make([]byte, 100)}
		}
		ticket, err := h.n.diary.Enqueue(records...)
		if err == nil {
			err = ticket.Wait(h.t.Context())
		}
		if err != nil {
			h.t.Fatal(err)
		}
	}
}
