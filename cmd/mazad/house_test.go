package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mazad/bench/node"
	"mazad/internal/clock"
	"mazad/reporting/embedded"
)

// TestMain lets this test binary be mazad itself: a server that a test starts as
// a process of its own, and the child that serve starts for ClickHouse.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && slices.Contains([]string{"serve", "clickhouse", benchServer, node.WorldCommand}, os.Args[1]) {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// engines skips a test, loudly, where the embedded ClickHouse is not installed;
// where engines are required it fails instead.
func engines(t testing.TB) string {
	t.Helper()
	lib, err := embedded.FindLibrary("", filepath.FromSlash("../../reporting/embedded/npm"))
	if err == nil {
		return lib
	}
	if os.Getenv("CI") == "true" || os.Getenv("MAZAD_REQUIRE_ENGINES") == "1" {
		t.Fatalf("the engine is required here: %v", err)
	}
	t.Skipf("ENGINE MISSING: %v", err)
	return ""
}

// testHouse is a running node with its addresses.
type testHouse struct {
	t                  testing.TB
	n                  *Node // nil when it is a process of its own
	ads, manage, admin string
	operator           string // its key
	stop               func() error
}

func testConfig(t testing.TB, dir string) Config {
	cfg := DefaultConfig()
	cfg.DataDir = dir
	cfg.Ads.Listen, cfg.Manage.Listen, cfg.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	cfg.Ads.RequireKeys = false
	cfg.Ads.MaxWait = 10_000_000 // a busy machine is no overload of ours
	cfg.Capacity.OutstandingTokens = 1 << 16
	cfg.Capacity.FrequencyEntries = 1 << 12
	cfg.ClickHouse.Off = true
	cfg.Secrets.TokenKeyEnv, cfg.Secrets.TokenKeyFile = "", filepath.Join(dir, "token.key")
	return cfg
}

func openHouse(t testing.TB, cfg Config) *testHouse {
	t.Helper()
	return openHouseAt(t, cfg, clock.System{})
}

// openHouseAt opens a node that lives at another time.
func openHouseAt(t testing.TB, cfg Config, c clock.Clock) *testHouse {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	n, err := openNode(t.Context(), cfg, log, c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	<-n.ready
	h := &testHouse{t: t, n: n, operator: n.operatorKey}
	h.ads, h.manage, h.admin = n.addresses()
	done := false
	h.stop = func() error {
		if done {
			return nil
		}
		done = true
		cancel()
		if err := <-ended; err != nil {
			return err
		}
		return n.Close()
	}
	t.Cleanup(func() {
		if err := h.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return h
}

// call sends JSON and decodes the answer.
func (h *testHouse) call(method, url, token string, in, out any) int {
	h.t.Helper()
	var body io.Reader
	if s, ok := in.(string); ok {
		body = strings.NewReader(s)
	} else if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			h.t.Fatal(err)
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(h.t.Context(), method, url, body)
	if err != nil {
		h.t.Fatal(err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Access-Token", token)
		req.Header.Set("X-Api-Key", token)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	if out != nil {
		if err := json.Unmarshal(raw, out); err != nil {
			h.t.Fatalf("%s %s answered %d %.300q: %v", method, url, resp.StatusCode, raw, err)
		}
	}
	return resp.StatusCode
}

// feedAd is one ad of an answer of the feed.
type feedAd struct {
	AdID     string `json:"ad_id"`
	ImpURL   string `json:"imp_url"`
	ClickURL string `json:"click_url"`
	ViewURL  string `json:"view_url"`
}

type feedAnswer struct {
	AuctionID string   `json:"auction_id"`
	Reason    string   `json:"reason"`
	Ads       []feedAd `json:"ads"`
}

func (h *testHouse) feed(body string) (a feedAnswer) {
	h.t.Helper()
	if status := h.call("POST", h.ads+"/v1/ads", "", body, &a); status != 200 {
		h.t.Fatalf("feed: %d %+v", status, a)
	}
	return a
}

// until polls for what another goroutine or process does; the limit is part of
// what is promised.
func (h *testHouse) until(what string, limit time.Duration, ok func() bool) {
	h.t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			h.t.Fatalf("%s did not happen within %s", what, limit)
		}
	}
}

func (h *testHouse) verify() *verification {
	h.t.Helper()
	v, err := verifyRunning(h.t.Context(), h.admin)
	if err != nil {
		h.t.Fatal(err)
	}
	if !v.Equal {
		h.t.Fatalf("diary, ClickHouse and ledger differ: %q", v.Differences)
	}
	return v
}

// killClickHouse ends the child as the kernel would.
func (h *testHouse) killClickHouse() {
	h.t.Helper()
	st, _ := h.n.clickhouse.Status()
	if err := syscall.Kill(st.PID, syscall.SIGKILL); err != nil {
		h.t.Fatal(err)
	}
}
