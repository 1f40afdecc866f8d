package crash

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"mazad/reporting/embedded/embeddedtest"
)

// living is a house with a world that had some traffic, and its traffic.
func living(t *testing.T, mazad string) (*run, *house, *traffic) {
	t.Helper()
	h, err := newHouse(mazad, embeddedtest.Library(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := &run{Result: Result{Reached: map[string]int{}, ByVictim: map[string]int{}}, rng: rand.New(rand.NewPCG(1, 1)), tries: map[shot]int{}}
	r.Log = t.Logf
	t.Cleanup(func() {
		if h.running() {
			h.killProcess()
		}
		if t.Failed() {
			t.Log(h.tail())
		}
	})
	if err := h.start("first.yaml", ""); err != nil {
		t.Fatal(err)
	}
	if !h.ready(t.Context(), startLimit) {
		t.Fatal("the first life did not serve")
	}
	w, err := makeWorld(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.stop(stopLimit); err != nil {
		t.Fatal(err)
	}
	return r, h, newTraffic(h, w)
}

// serveFor starts a life, sends traffic for some time after ClickHouse has its
// first rows, and leaves the life running.
func (h *house) serveFor(t *testing.T, tr *traffic, d time.Duration) {
	t.Helper()
	if err := h.start("house.yaml", ""); err != nil {
		t.Fatal(err)
	}
	if !h.ready(t.Context(), startLimit) {
		t.Fatal("it does not serve")
	}
	sending, stop := context.WithTimeout(t.Context(), d)
	defer stop()
	tr.run(sending, 4, 1)
}

// A second process on one data directory refuses, says who has it, and leaves
// the first one as it was.
func TestASecondProcessIsRefused(t *testing.T) {
	r, h, tr := living(t, binary(t))
	h.serveFor(t, tr, 300*time.Millisecond)
	other := filepath.Join(h.dir, "second.yaml")
	text := fmt.Sprintf("data_dir: %s\nads: {listen: \"127.0.0.1:0\"}\nmanage: {listen: \"127.0.0.1:0\"}\nadmin: {listen: \"127.0.0.1:0\"}\n", h.data())
	if err := os.WriteFile(other, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		out, err := exec.CommandContext(ctx, h.binary, "serve", "-c", other).CombinedOutput()
		cancel()
		want := "the data directory " + h.data() + " is in use by process " + strconv.Itoa(h.cmd.Process.Pid)
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("the second process: %v, %q; want %q", err, out, want)
		}
	}
	if !h.ready(t.Context(), time.Second) {
		t.Error("the first process does not serve any more")
	}
	h.killProcess()
	h.restAndCompare(t, r, tr)
}

// restAndCompare ends the test with the comparison of every kill.
func (h *house) restAndCompare(t *testing.T, r *run, tr *traffic) {
	t.Helper()
	if err := r.rest(t.Context(), h, tr, func() {}); err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Problems {
		t.Error(p)
	}
	if r.Acked < 50 {
		t.Errorf("%d acknowledgements prove little", r.Acked)
	}
}

// Files that a dying process or machine left half-written at their end, and
// leftovers of files that were being replaced, stop no start and lose nothing.
func TestHalfWrittenFilesStopNoStart(t *testing.T) {
	r, h, tr := living(t, binary(t))
	cut := func(name string, n int64) {
		t.Helper()
		path := filepath.Join(h.data(), name)
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, max(st.Size()-n, 0)); err != nil {
			t.Fatal(err)
		}
	}
	appended := func(name string, b []byte) {
		t.Helper()
		f, err := os.OpenFile(filepath.Join(h.data(), name), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	h.serveFor(t, tr, 1500*time.Millisecond)
	if err := h.stop(stopLimit); err != nil {
		t.Fatal(err)
	}
	journal, err := os.ReadFile(filepath.Join(h.data(), "sink.journal"))
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(){
		"the journal's last line": func() { appended("sink.journal", journal[:len(journal)/2]) },
		"a new journal":           func() { appended("sink.journal.new", []byte("0000")) },
		"a frame of the user log": func() { appended(filepath.Join("users", "users.log"), bytes.Repeat([]byte{7}, 40)) },
		"the checkpoint":          func() { cut("checkpoint", 100) },
		"nothing of a checkpoint": func() { cut("checkpoint", 1<<40) },
		"a new checkpoint":        func() { appended("checkpoint.new", []byte("MA")) },
		"the diary's mark":        func() { cut(filepath.Join("diary", "acknowledged"), 3) },
		"a secret without a name": func() { appended("token.key.123", []byte("ab")) },
		"a body for ClickHouse":   func() { appended(filepath.Join("clickhouse", "spool", "insert-0.native"), []byte("x")) },
	} {
		spoil()
		h.serveFor(t, tr, 150*time.Millisecond)
		if err := h.stop(stopLimit); err != nil {
			t.Fatalf("after half of %s: %v", name, err)
		}
	}
	h.restAndCompare(t, r, tr)
}
