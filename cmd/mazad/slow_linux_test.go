package main

import (
	"context"
	"database/sql"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mazad/internal/powertest"
	"mazad/internal/sqldb"
)

// TestI4StoreHeldByAnother lets another process hold the database: ads go on
// being placed and billed from the leases there are, edits are refused with 503
// and a reason, and afterwards everything goes on and adds up.
func TestI4StoreHeldByAnother(t *testing.T) {
	cfg := processConfig(t, filepath.Join(t.TempDir(), "var"))
	p := startProcess(t, cfg)
	w := newWitness(&p.testHouse)
	p.verifies(time.Minute)
	w.every = 20 * time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.traffic(ctx, p, 13) }()
	w.untilAcked(p, 30*time.Second, 20)
	other, err := sql.Open("sqlite", "file:"+filepath.Join(cfg.DataDir, sqldb.File)+"?_txlock=exclusive&_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	held, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	before := [doorCount]int64{}
	for d := range doorCount {
		before[d] = w.doors[d].Load()
	}
	hold := holdTime()
	p.pause(hold)
	for d := range doorCount {
		got := w.doors[d].Load() - before[d]
		t.Logf("in %s: %d %s acknowledged", hold, got, doorNames[d])
		if d != doorEdits && got < int64(hold.Seconds())*10 || d == doorEdits && got > 2 {
			t.Errorf("in %s %d %s were acknowledged", hold, got, doorNames[d])
		}
	}
	if err := held.Rollback(); err != nil {
		t.Fatal(err)
	}
	w.untilAcked(p, 30*time.Second, 20)
	stop()
	<-done
	for what, answer := range w.refused {
		if !strings.HasPrefix(what, "POST /open_api/v1.3/campaign/update/ 503 ") && !strings.HasPrefix(what, "POST /mazad/v1/wallet/topup/ 503 ") ||
			!strings.Contains(answer, "holds the database") {
			t.Errorf("%s: %.300s", what, answer)
		}
	}
	if len(w.refused) == 0 {
		t.Error("no edit was refused")
	}
	w.question(t, p, p.verifies(time.Minute))
	if err := p.kill(); err != nil {
		t.Fatal(err)
	}
	w.inspect(t, cfg.DataDir)
}

// holdTime is longer than a write waits for the database, and in the long run
// longer than the ten minutes that are promised.
func holdTime() time.Duration {
	if rounds(1) > 1 {
		return 11 * time.Minute
	}
	return 12 * time.Second
}

// TestI4SlowDisk lets every write of the disk wait for seconds: beacons are
// refused after their time with 503 and Retry-After, redirects do not wait, and
// what was acknowledged is there and once only.
func TestI4SlowDisk(t *testing.T) {
	disk := powertest.Mount(t, 1024)
	cfg := processConfig(t, filepath.Join(disk.Dir, "var"))
	p := startProcess(t, cfg)
	w := newWitness(&p.testHouse)
	p.verifies(time.Minute)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.traffic(ctx, p, 17) }()
	w.untilAcked(p, 30*time.Second, 20)
	for _, wait := range []time.Duration{time.Second, 8 * time.Second} { // less and more than a beacon waits
		click := p.feed(plainRequest).Ads[0].ClickURL
		disk.Freeze()
		p.pause(100 * time.Millisecond)
		if took := p.redirect(click); took > 500*time.Millisecond {
			t.Errorf("a redirect took %s while the disk hung", took)
		}
		p.pause(wait)
		disk.Thaw()
		w.untilAcked(p, 30*time.Second, 20)
	}
	stop()
	<-done
	late := false
	for what, answer := range w.refused {
		late = late || strings.HasPrefix(what, "GET /t/i 503 1") || strings.HasPrefix(what, "POST /v1/events 503 1")
		if !strings.Contains(what, " 503 ") {
			t.Errorf("%s: %.300s", what, answer)
		}
	}
	if !late {
		t.Errorf("no beacon was refused with 503 and Retry-After: %v", w.refused)
	}
	w.question(t, p, p.verifies(time.Minute))
	disk.Cut(p.cmd.Process.Pid)
	<-p.ended
	w.inspect(t, cfg.DataDir)
	p = startProcess(t, cfg)
	w.question(t, p, p.verifies(time.Minute))
}

// redirect follows a click to where it would send the user.
func (p *process) redirect(url string) time.Duration {
	p.t.Helper()
	began := time.Now()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get(url)
	if err != nil {
		p.t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusFound {
		p.t.Errorf("a click is answered %d", resp.StatusCode)
	}
	return time.Since(began)
}
