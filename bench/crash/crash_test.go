package crash

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"

	"mazad/reporting/embedded/embeddedtest"
)

// kills is how many the test makes: 200, 1,000 for `make soak`, a few with
// -short, or what MAZAD_KILLS says.
func kills(t *testing.T) int {
	switch {
	case os.Getenv("MAZAD_SOAK") == "1":
		return number(t, "MAZAD_KILLS", 1000)
	case testing.Short():
		return number(t, "MAZAD_KILLS", 12)
	}
	return number(t, "MAZAD_KILLS", 200)
}

// enough is from how many kills on every point must be among them.
const enough = 150

func number(t *testing.T, env string, otherwise int) int {
	t.Helper()
	s := os.Getenv(env)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q: want a number above 0", env, s)
	}
	return n
}

// binary builds the real mazad, or takes the one that MAZAD_BINARY names.
func binary(t *testing.T) string {
	t.Helper()
	if b := os.Getenv("MAZAD_BINARY"); b != "" {
		return b
	}
	out := filepath.Join(t.TempDir(), "mazad")
	cmd := exec.Command("go", "build", "-o", out, "mazad/cmd/mazad")
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build mazad: %v\n%s", err, b)
	}
	return out
}

// TestI4I5KilledAnywhere ends the process, ClickHouse or both at every named
// failpoint and at random times, and compares what is left to the nano.
func TestI4I5KilledAnywhere(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skipf("SKIPPED: it finds the child in /proc, which %s does not have", runtime.GOOS)
	}
	lib := embeddedtest.Library(t)
	mazad, dir := binary(t), os.Getenv("MAZAD_CRASH_DIR") // a folder to keep what went wrong in
	if dir == "" {
		dir = t.TempDir()
	}
	const side = 2
	var all sync.WaitGroup
	results, errs := [side]*Result{}, [side]error{}
	for part := range side {
		all.Go(func() {
			results[part], errs[part] = Run(t.Context(), Options{
				Binary: mazad, Library: lib, Dir: dir, Seed: uint64(number(t, "MAZAD_SEED", 1)),
				Kills: kills(t) / side, Part: part, Parts: side, Log: t.Logf,
			})
		})
	}
	all.Wait()
	reached := map[string]int{}
	for part, r := range results {
		if errs[part] != nil {
			t.Errorf("part %d: %v", part, errs[part])
			continue
		}
		for _, p := range r.Problems {
			t.Error(p)
		}
		for p, n := range r.Reached {
			reached[p] += n
		}
		slices.Sort(r.StartMS)
		t.Logf("part %d: %d kills in %d lives: %v; %d sent, %d acknowledged, %d records, %d repeats on disk; a start takes %d ms in the median, %d ms at most", part,
			r.Total, r.Lives, r.ByVictim, r.Facts, r.Acked, r.Records, r.Repeats, r.StartMS[len(r.StartMS)/2], r.StartMS[len(r.StartMS)-1])
		if r.Acked < 10*r.Total {
			t.Errorf("part %d: %d acknowledgements for %d kills prove little", part, r.Acked, r.Total)
		}
	}
	if t.Failed() {
		return
	}
	for _, p := range results[0].Points {
		if kills(t) >= enough && reached[p] == 0 {
			t.Errorf("nothing was killed at %s", p)
		}
	}
	t.Logf("kills by point: %v", reached)
}

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }
