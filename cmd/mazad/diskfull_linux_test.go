package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mazad/internal/powertest"
)

// TestI4DiskFull takes the space away from a serving process and gives it back:
// meanwhile every door refuses with 503 and a reason, afterwards each goes on by
// itself, and what was acknowledged is there.
func TestI4DiskFull(t *testing.T) {
	disk := powertest.Tmpfs(t, "size=160m")
	cfg := processConfig(t, filepath.Join(disk.Dir, "var"))
	p := startProcess(t, cfg)
	w := newWitness(&p.testHouse)
	p.verifies(time.Minute) // ClickHouse has made its files
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.traffic(ctx, p, 9) }()
	w.untilAcked(p, 30*time.Second, 20)
	for range rounds(2) {
		disk.Fill()
		w.untilRefused(p, 30*time.Second)
		p.pause(3 * time.Second)
		p.until("a node that says it is not ready", 10*time.Second, func() bool {
			var r readiness
			return p.call("GET", p.admin+"/readyz", "", nil, &r) == 503 && !r.Ready && strings.Contains(r.Diary, "write")
		})
		disk.Free()
		w.untilAcked(p, 30*time.Second, 20)
	}
	stop()
	<-done
	w.mu.Lock()
	for what, answer := range w.refused { // the last of each kind: by then the reason is known
		if status := strings.Fields(what)[2]; status != "503" || !strings.Contains(answer, "full") || strings.Contains(answer, disk.Dir) {
			t.Errorf("%s: %.200s: want 503 that says that the disk is full", what, answer)
		}
	}
	if len(w.refused) < 5 {
		t.Errorf("only %d kinds of calls were refused", len(w.refused))
	}
	w.mu.Unlock()
	v := p.verifies(time.Minute)
	w.question(t, p, v)
	if err := p.kill(); err != nil {
		t.Fatal(err)
	}
	w.inspect(t, cfg.DataDir)
	p = startProcess(t, cfg)
	w.question(t, p, p.verifies(time.Minute))
	if t.Failed() {
		t.Logf("log of the last life:\n%s", p.tail())
	}
}

// untilAcked waits until every door has acknowledged n more writes.
func (w *witness) untilAcked(p *process, limit time.Duration, n int64) {
	p.t.Helper()
	for d := range doorCount {
		from := w.doors[d].Load()
		p.until(doorNames[d]+" acknowledged", limit, func() bool { return w.doors[d].Load() >= from+n })
	}
}

// untilRefused waits until no door has acknowledged anything for a second.
func (w *witness) untilRefused(p *process, limit time.Duration) {
	p.t.Helper()
	last, since := w.acked.Load(), time.Now()
	p.until("every door refuses", limit, func() bool {
		if now := w.acked.Load(); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > time.Second
	})
}
