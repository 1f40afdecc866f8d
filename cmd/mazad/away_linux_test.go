package main

import (
	"bufio"
	"context"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"mazad/internal/faultproxy"
	"mazad/reporting/embedded"
)

// startClickHouse runs the embedded engine by itself and returns its URL.
func startClickHouse(t testing.TB, dir string) *url.URL {
	t.Helper()
	s, err := embedded.NewSupervisor(embedded.SupervisorConfig{Command: []string{os.Args[0], "clickhouse"}, Lib: engines(t), DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	wait, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	if err := s.WaitReady(wait); err != nil {
		t.Fatal(err)
	}
	at, _ := s.Endpoint()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// longestRetry is how long a sink may wait before it tries ClickHouse again.
const longestRetry = 10 * time.Second

// metric reads a counter or gauge of a process.
func (p *process) metric(name string) float64 {
	p.t.Helper()
	status, _, raw := (&client{witness: &witness{refused: map[string]string{}}, process: p}).send(p.t.Context(), "GET", p.admin+"/metrics", "", "")
	lines := bufio.NewScanner(strings.NewReader(string(raw)))
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "mazad_"+name+" "); ok {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				p.t.Fatal(err)
			}
			return v
		}
	}
	p.t.Fatalf("no metric %s (%d)", name, status)
	return 0
}

// p99 of what was measured since the last call.
func (w *witness) p99() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.times)
	if len(w.times) == 0 {
		return 0
	}
	v := w.times[len(w.times)*99/100]
	w.times = w.times[:0]
	return v
}

// TestI4ClickHouseInTrouble takes ClickHouse away, slows it down, breaks inserts
// in the middle and loses its answers while ads are served: serving does not
// notice, nothing is lost or doubled, and the backlog is gone soon after.
func TestI4ClickHouseInTrouble(t *testing.T) {
	at := startClickHouse(t, t.TempDir())
	proxy, err := faultproxy.Listen(at.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	at.Host = proxy.Addr()
	cfg := processConfig(t, filepath.Join(t.TempDir(), "var"))
	cfg.ClickHouse.URL, cfg.ClickHouse.Library = at.String(), ""
	p := startProcess(t, cfg)
	w := newWitness(&p.testHouse)
	w.every = 10 * time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.traffic(ctx, p, 11) }()
	p.until("reports", 30*time.Second, func() bool { return p.metric("reports_rows_total") > 0 })
	phase := time.Duration(rounds(1)) * 3 * time.Second
	w.p99()
	p.pause(phase)
	calm := w.p99()
	var worst time.Duration
	for _, f := range []struct {
		name  string
		fault faultproxy.Fault
	}{
		{"away", faultproxy.Fault{Away: true}},
		{"slow", faultproxy.Fault{Delay: 100 * time.Millisecond}},
		{"broken inserts", faultproxy.Fault{UploadLimit: 40_000}},
		{"lost replies", faultproxy.Fault{LoseReplies: true}},
	} {
		retries, resets := p.metric("reports_retries_total"), proxy.Resets()
		proxy.Set(f.fault)
		p.pause(phase)
		backlog := p.metric("diary_acknowledged_total") - p.metric("reports_rows_total")
		proxy.Set(faultproxy.Fault{})
		healed, took := time.Now(), w.p99()
		rate := backlog / phase.Seconds()
		p.until("the backlog of "+f.name+" gone", 30*time.Second, func() bool {
			return p.metric("diary_acknowledged_total")-p.metric("reports_rows_total") < 2*rate+100
		})
		drain := time.Since(healed)
		t.Logf("%s: p99 %s (calm %s), %.0f retries, %d resets, %.0f records behind, caught up in %s",
			f.name, took, calm, p.metric("reports_retries_total")-retries, proxy.Resets()-resets, backlog, drain)
		worst = max(worst, took)
		if limit := longestRetry + phase/5; drain > limit { // five times as fast as it grew, once it is tried again
			t.Errorf("%s: caught up after %s, want %s at most", f.name, drain, limit)
		}
	}
	stop()
	<-done
	if proxy.LostReplies() == 0 || proxy.Resets() == 0 {
		t.Errorf("%d lost replies, %d resets: the faults did not happen", proxy.LostReplies(), proxy.Resets())
	}
	if limit := 3*calm + 20*time.Millisecond; worst > limit {
		t.Errorf("the worst p99 while ClickHouse was in trouble is %s, %s when all was well: want %s at most", worst, calm, limit)
	}
	w.question(t, p, p.verifies(time.Minute))
	if len(w.refused) > 0 {
		t.Errorf("refused: %v", w.refused)
	}
	if err := p.kill(); err != nil {
		t.Fatal(err)
	}
	w.inspect(t, cfg.DataDir)
}
