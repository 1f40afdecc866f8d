package diary_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"mazad/events"
	"mazad/events/diary"
)

// copied is a stream from sequence `from` on, as a backup keeps it.
func copied(t *testing.T, d *diary.Diary, stream string, from uint64) (batches [][]byte) {
	t.Helper()
	if err := d.Read(patient(t), stream, from, 1<<63, func(b *diary.Batch) error {
		batches = append(batches, bytes.Clone(b.Bytes()))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return batches
}

func restored(stream string, first uint64, batches [][]byte) diary.Restored {
	return diary.Restored{Stream: stream, First: first, Next: func() ([]byte, error) {
		if len(batches) == 0 {
			return nil, io.EOF
		}
		b := batches[0]
		batches = batches[1:]
		return b, nil
	}}
}

// TestARestoredDiaryGoesOn: every batch has the sequence it had, and the next
// record follows.
func TestARestoredDiaryGoesOn(t *testing.T) {
	d := open(t, diary.Config{Dir: t.TempDir()})
	for n := range uint64(50) {
		if err := d.Append(patient(t), record(1, n+1)); err != nil {
			t.Fatal(err)
		}
	}
	_, last, err := d.Last(patient(t), diary.Money)
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []uint64{1, 20, last, last + 1} {
		want := copied(t, d, diary.Money, from)
		if from == last+1 {
			want = nil
		}
		cfg := diary.Config{Dir: t.TempDir()}
		if err := diary.Restore(patient(t), cfg, restored(diary.Money, from, want)); err != nil {
			t.Fatalf("from %d: %v", from, err)
		}
		r := open(t, cfg)
		first, end, err := r.Last(patient(t), diary.Money)
		if err != nil || first != from || end != last {
			t.Errorf("from %d: restored as %d to %d, want to %d: %v", from, first, end, last, err)
		}
		if err := r.Append(patient(t), record(2, 1)); err != nil {
			t.Fatal(err)
		}
		got := copied(t, r, diary.Money, from)
		if len(got) != len(want)+1 {
			t.Fatalf("from %d: %d batches, want %d", from, len(got), len(want)+1)
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				t.Errorf("from %d: batch %d differs", from, i)
			}
		}
		if err := diary.Restore(patient(t), cfg, restored(diary.Money, 1, nil)); err == nil {
			t.Error("a diary in use was restored")
		}
		closeNow(t, r)
		if err := diary.Restore(patient(t), cfg, restored(diary.Money, 1, nil)); err == nil || !strings.Contains(err.Error(), "not empty") {
			t.Errorf("over a diary that is there: %v", err)
		}
	}
	damaged := copied(t, d, diary.Money, 1)
	damaged[3][events.BatchOverhead] ^= 1
	if err := diary.Restore(patient(t), diary.Config{Dir: t.TempDir()}, restored(diary.Money, 1, damaged)); err == nil || !strings.Contains(err.Error(), "batch 4") {
		t.Errorf("a damaged batch: %v", err)
	}
}
