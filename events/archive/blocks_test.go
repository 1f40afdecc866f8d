package archive_test

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mazad/events"
	"mazad/events/archive"
	"mazad/events/diary"
	"mazad/internal/id"
)

// filesBelow are the files of a folder that have content.
func filesBelow(t testing.TB, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		st, err := d.Info()
		if err == nil && st.Size() > 0 {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// house is a real diary with an archive, both in one folder.
type house struct {
	dir  string
	d    *diary.Diary
	a    *archive.Archive
	w    *archive.Worker
	seq  *archive.Sequence
	stop func()
}

func openDiary(ctx context.Context, dir string) (*diary.Diary, error) {
	return diary.Open(ctx, diary.Config{Dir: filepath.Join(dir, "diary"), RetryDelay: time.Millisecond})
}

func openHouse(ctx context.Context, dir string) (*house, error) {
	h := &house{dir: dir}
	var err error
	if h.d, err = openDiary(ctx, dir); err != nil {
		return nil, err
	}
	store, err := archive.OpenDir(filepath.Join(dir, "archive"))
	if err == nil {
		h.a, err = archive.Open(ctx, store, diary.Money)
	}
	if err == nil {
		h.w, err = archive.NewWorker(archive.WorkerConfig{Archive: h.a, Source: h.d, Keep: time.Nanosecond})
	}
	if err != nil {
		return nil, errors.Join(err, h.d.Close(ctx))
	}
	h.seq = archive.NewSequence(h.a, h.d)
	return h, nil
}

// begin lets the worker work.
func (h *house) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { h.w.Run(ctx); close(done) }()
	h.stop = func() { cancel(); <-done }
}

func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// write appends records n.. of one batch each.
func (h *house) write(t testing.TB, from, to uint64) {
	t.Helper()
	for n := from; n <= to; n++ {
		r := &events.Record{ID: id.MakeEvent(1, 0, 1, n), Kind: events.KindClick, Verdict: events.VerdictBilled, BilledNanos: 1,
			Token: events.TokenID{Partition: 1, Serial: n}, Features: make([]byte, 40)}
		if err := h.d.Append(patient(t), r); err != nil {
			t.Fatal(err)
		}
	}
}

// seal archives everything up to seq.
func (h *house) seal(t testing.TB, seq uint64) {
	t.Helper()
	until(t, "the worker", func() bool { return h.w.Stats().Seen >= seq })
	if err := h.w.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// serials reads everything: the records in order, each once.
func serials(ctx context.Context, s archive.Stream) (n uint64, err error) {
	err = s.Read(ctx, diary.Money, 1, 1<<62, func(b *diary.Batch) error {
		return b.Each(nil, func(r *events.Record) error {
			if n++; r.Token.Serial != n {
				return errors.New("another record than was written")
			}
			return nil
		})
	})
	return n, err
}

// TestFlippedBitsOfTheStreamAreFound flips one bit anywhere in the files of the
// diary, which the server's own checksums cannot all name. Then either the diary
// does not open and says why, or reading says which batches are gone or damaged,
// or everything reads as it was: never less without a word. With the archive
// beside it everything that is archived is read all the same.
func TestFlippedBitsOfTheStreamAreFound(t *testing.T) {
	const batches, archived = 40, 30
	origin := t.TempDir()
	h, err := openHouse(patient(t), origin)
	if err != nil {
		t.Fatal(err)
	}
	h.begin()
	h.write(t, 1, archived)
	h.seal(t, archived)
	h.write(t, archived+1, batches)
	h.stop()
	if err := h.d.Close(patient(t)); err != nil {
		t.Fatal(err)
	}
	flips := 60
	if os.Getenv("MAZAD_SOAK") != "" {
		flips = 1000
	}
	files, rng, found := filesBelow(t, filepath.Join(origin, "diary")), rand.New(rand.NewPCG(3, 1)), map[string]int{}
	for i := range flips {
		path := files[rng.IntN(len(files))]
		for i%4 != 0 && filepath.Ext(path) != ".blk" { // mostly where the batches are
			path = files[rng.IntN(len(files))]
		}
		rel, err := filepath.Rel(origin, path)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(dir, os.DirFS(origin)); err != nil {
			t.Fatal(err)
		}
		raw := readFile(t, filepath.Join(dir, rel))
		at, bit := rng.IntN(len(raw)), rng.IntN(8)
		raw[at] ^= 1 << bit
		writeFile(t, filepath.Join(dir, rel), raw)
		outcome := afterFlip(t, dir, batches, archived)
		named, err := diary.Inspect(filepath.Join(dir, "diary"), diary.Money, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(named) > 0 {
			if found["named by file and offset"]++; named[0].Offset > int64(at) || !strings.HasSuffix(named[0].File, filepath.Base(rel)) {
				t.Errorf("%s, bit %d of byte %d: named as %v", rel, bit, at, named[0])
			}
		}
		if found[outcome]++; testing.Verbose() {
			t.Logf("%s, bit %d of byte %d: %s", rel, bit, at, outcome)
		}
	}
	t.Logf("%d flips: %v", flips, found)
	if found["gone"]+found["damaged"] < flips/4 {
		t.Errorf("hardly any flip was noticed: the test does not reach the batches: %v", found)
	}
}

func afterFlip(t *testing.T, dir string, batches, archived uint64) string {
	t.Helper()
	h, err := openHouse(patient(t), dir)
	if err != nil {
		if !strings.Contains(err.Error(), diary.Money) {
			t.Errorf("it does not say what is damaged: %v", err)
		}
		return "does not open"
	}
	defer func() { _ = h.d.Close(context.Background()) }()
	var gap *diary.GapError
	n, err := serials(patient(t), h.d)
	outcome := "harmless"
	switch {
	case errors.As(err, &gap):
		outcome = "gone"
	case errors.Is(err, events.ErrDamaged):
		outcome = "damaged"
	case err != nil || n != batches:
		t.Errorf("read %d of %d batches: %v", n, batches, err)
	}
	n, err = serials(patient(t), h.seq)
	if err == nil && n != batches || err != nil && n < archived {
		t.Errorf("archive and stream give %d of %d batches: %v", n, batches, err)
	}
	if err == nil && outcome == "gone" && h.seq.Healed() == 0 {
		t.Error("batches came from the archive and were not counted")
	}
	return outcome
}

// TestRestartsAfterThePurge: a real diary whose head is gone goes on, keeps its
// numbers, and is whole together with its archive.
func TestRestartsAfterThePurge(t *testing.T) {
	dir := t.TempDir()
	for life := range uint64(4) {
		h, err := openHouse(patient(t), dir)
		if err != nil {
			t.Fatal(err)
		}
		h.begin()
		h.write(t, life*10+1, life*10+10)
		h.seal(t, life*10+10)
		if _, err := h.w.Purge(patient(t)); err != nil {
			t.Fatal(err)
		}
		first, last, err := h.d.Last(patient(t), diary.Money)
		if err != nil || first != life*10+1 || last != life*10+10 { // the newest file holds the last batch, which stays
			t.Errorf("life %d: the stream is %d to %d: %v", life, first, last, err)
		}
		if n, err := serials(patient(t), h.seq); err != nil || n != life*10+10 {
			t.Errorf("life %d: %d records: %v", life, n, err)
		}
		if r, err := h.seq.Check(patient(t), nil); err != nil || len(r.Damage) > 0 {
			t.Errorf("life %d: %v %v", life, r, err)
		}
		h.stop()
		if err := h.d.Close(patient(t)); err != nil {
			t.Fatal(err)
		}
	}
}
