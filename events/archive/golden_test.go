package archive_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mazad/events"
	"mazad/events/archive"
	"mazad/events/diary"
)

var update = flag.Bool("update", false, "write testdata anew: only for a new format version")

const goldenDir = "../testdata/golden-archive.v1"

// goldenStream is the golden diary as a stream.
func goldenStream(t testing.TB) *memory {
	m := newMemory()
	for rest := readFile(t, "../testdata/golden.v1"); len(rest) > 0; {
		n := binary.LittleEndian.Uint32(rest[4:])
		opened, err := events.OpenBatch(rest[:n])
		if err != nil {
			t.Fatal(err)
		}
		m.put(time.UnixMilli(opened.TimeMS), rest[:n])
		rest = rest[n:]
	}
	return m
}

// TestGoldenArchive: files that an earlier build sealed fold to the figures that
// it folded them to, and hold the golden diary byte for byte.
func TestGoldenArchive(t *testing.T) {
	stream := goldenStream(t)
	if *update {
		writeGolden(t, stream)
	}
	dir := t.TempDir() // the archive is opened as a worker would, which may write
	names, err := filepath.Glob(filepath.Join(goldenDir, "*"))
	if err != nil || len(names) != 4 {
		t.Fatalf("%q in %s: %v", names, goldenDir, err)
	}
	for _, name := range names {
		writeFile(t, filepath.Join(dir, filepath.Base(name)), readFile(t, name))
	}
	store, err := archive.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	a, err := archive.Open(t.Context(), store, diary.Money)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := archive.NewSequence(a, stream).Check(t.Context(), nil); err != nil || len(r.Damage) > 0 || len(r.Strays) > 0 || r.Files != 3 || r.Both != 12 {
		t.Errorf("report %+v: %v", r, err)
	}
	if err := stream.Purge(t.Context(), "", 12); err != nil {
		t.Fatal(err)
	}
	var f events.Fold
	err = archive.NewSequence(a, stream).Read(t.Context(), diary.Money, 0, 1<<63, func(b *diary.Batch) error {
		return b.Each(nil, func(r *events.Record) error { f.Add(r); return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	got, want := foldText(&f), string(readFile(t, "../testdata/golden.v1.figures"))
	if got != want {
		t.Errorf("the golden archive folds to other figures; the first lines are\n%.300s\nwant\n%.300s", got, want)
	}
}

// foldText is the form of golden.v1.figures.
func foldText(f *events.Fold) string {
	var b strings.Builder
	fmt.Fprintf(&b, "records=%d repeats=%d refused=%d cells=%d\n", f.Records, f.Repeats, f.Refused, len(f.Cells))
	fmt.Fprintf(&b, "spend=%s imp=%d clk=%d view=%d conv=%d value=%s\n", f.Total.Spend, f.Total.Impressions,
		f.Total.Clicks, f.Total.Views, f.Total.Conversions, f.Total.Value)
	for _, row := range f.Rows() {
		fmt.Fprintln(&b, row)
	}
	return b.String()
}

func writeGolden(t *testing.T, stream *memory) {
	b := newBench(t, newMemory())
	for i, s := range stream.batches {
		b.stream.put(s.at, s.data)
		if i == 4 || i == 5 || i == 11 {
			b.seen(uint64(i + 1))
			if err := b.w.Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.MkdirAll(goldenDir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range b.files() {
		if err := os.WriteFile(filepath.Join(goldenDir, name), readFile(t, b.file(name)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
