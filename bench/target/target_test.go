package target_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mazad/bench/body"
	"mazad/bench/load"
	"mazad/bench/target"
)

const asServer = "MAZAD_BENCH_TEST_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(asServer) != "" {
		if err := target.Serve(context.Background(), os.Args[1:], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func start(t *testing.T, ctx context.Context, cfg target.Config) *target.Process {
	t.Helper()
	t.Setenv(asServer, "1")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, err := target.Start(ctx, []string{self}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestMazadAnswersAndLeavesNothing(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	p := start(t, t.Context(), target.Config{Kind: target.Mazad, AdGroups: 1000, Users: 100, Seed: 2, CPMOnly: true})
	c, err := load.Dial(p.Address, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	g, bids := body.New(2, 100), 0
	for range 50 {
		status, got, err := c.Do(load.Request("POST", "ads.example", "/openrtb2/bid", g.OpenRTB(nil), load.JSON, load.Header{Name: "X-Api-Key", Value: target.Key}))
		if err != nil || status != 200 && status != 204 {
			t.Fatalf("%d %v %s", status, err, got)
		}
		if status == 200 {
			bids++
		}
	}
	s, err := p.Stats()
	if err != nil || s.Requests != 50 || s.Ads == 0 || s.Personal != 50 || s.NotLogged != 0 || bids < 25 {
		t.Errorf("%d bids, %+v, %v", bids, s, err)
	}
	if used, err := p.Usage(); err != nil || used <= 0 {
		t.Errorf("usage %s, %v", used, err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(tmp, "*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestBareAnswersTheSizeAndEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := start(t, ctx, target.Config{Kind: target.Bare, Answer: 1234})
	c, err := load.Dial(p.Address, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if status, got, err := c.Do(load.Request("POST", "h", "/", []byte("{}"))); err != nil || status != 200 || len(got) != 1234 {
		t.Errorf("%d, %d bytes, %v", status, len(got), err)
	}
	cancel()
	_ = p.Stop() // reports the context's end or nothing; what counts is that the process is gone
	if _, err := load.Dial(p.Address, time.Second); err == nil {
		t.Error("it still listens")
	}
}

func TestStartTellsWhatIsWrong(t *testing.T) {
	t.Setenv(asServer, "1")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	_, err = target.Start(t.Context(), []string{self}, target.Config{Kind: "golden"})
	if err == nil || !strings.Contains(err.Error(), `"golden"`) {
		t.Errorf("%v", err)
	}
}
