package main

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"mazad/internal/powertest"
)

// restartLimit is what an operator is promised after a power cut.
const restartLimit = 5 * time.Second

// rounds is how often a machine fault is tried: often enough for every change,
// ten times as often in `make soak`, which sets MAZAD_SOAK.
func rounds(often int) int {
	if soak, _ := strconv.ParseBool(os.Getenv("MAZAD_SOAK")); soak {
		return 10 * often
	}
	if testing.Short() {
		return max(often/10, 1)
	}
	return often
}

func processConfig(t testing.TB, dir string) Config {
	cfg := testConfig(t, dir)
	cfg.ClickHouse.Off, cfg.ClickHouse.Library = false, engines(t)
	cfg.Diary.MaxMegabytes, cfg.Diary.DecisionsMB = 128, 16
	return cfg
}

// TestI4PowerCuts cuts the power of a serving process at random moments, looks at
// what is left on the disk, and starts it again: no acknowledged event, user,
// edit or top-up is lost, none counts twice, diary, ClickHouse and ledger agree,
// and the node serves again within five seconds.
func TestI4PowerCuts(t *testing.T) {
	disk := powertest.Mount(t, 2048)
	cfg := processConfig(t, filepath.Join(disk.Dir, "var"))
	const seed = 5
	rnd := rand.New(rand.NewPCG(seed, 1))
	p := startProcess(t, cfg)
	w := newWitness(&p.testHouse)
	var slowest time.Duration
	for cut := range rounds(20) {
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); w.traffic(ctx, p, uint64(cut)) }()
		p.pause(50*time.Millisecond + time.Duration(rnd.Int64N(int64(2*time.Second))))
		disk.Cut(p.cmd.Process.Pid)
		stop()
		<-done
		<-p.ended
		w.inspect(t, cfg.DataDir)
		p = startProcess(t, cfg)
		slowest = max(slowest, p.took)
		v := p.verifies(time.Minute)
		w.question(t, p, v)
		if t.Failed() {
			t.Fatalf("cut %d of seed %d, log of the life after:\n%s", cut, seed, p.tail())
		}
	}
	if slowest > restartLimit {
		t.Errorf("the slowest start took %s, want %s at most", slowest, restartLimit)
	}
	t.Logf("%d cuts: %s acknowledged, slowest start %s", rounds(20), w.facts(), slowest)
}

// TestPowerCutsOfTheFirstStart cuts the power while a data directory is being
// made: the next start finds nothing half made that stops it.
func TestPowerCutsOfTheFirstStart(t *testing.T) {
	disk := powertest.Mount(t, 2048)
	rnd := rand.New(rand.NewPCG(6, 1))
	for cut := range rounds(10) {
		cfg := processConfig(t, filepath.Join(disk.Dir, strconv.Itoa(cut)))
		p := launch(t, cfg)
		p.pause(time.Duration(rnd.Int64N(int64(800 * time.Millisecond))))
		disk.Cut(p.cmd.Process.Pid)
		<-p.ended
		p = startProcess(t, cfg)
		w := newWitness(&p.testHouse)
		disk.Cut(p.cmd.Process.Pid)
		<-p.ended
		p = startProcess(t, cfg)
		w.question(t, p, p.verifies(time.Minute))
		if t.Failed() {
			t.Fatalf("cut %d, log of the life after:\n%s", cut, p.tail())
		}
		disk.Cut(p.cmd.Process.Pid)
		<-p.ended
		if err := os.RemoveAll(cfg.DataDir); err != nil {
			t.Fatal(err)
		}
	}
}
