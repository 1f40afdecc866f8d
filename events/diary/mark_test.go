package diary_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mazad/events"
	"mazad/events/diary"
)

// TestAShorterStreamIsRefused: files of an older copy, or a tail that the server
// dropped as damaged, under what was acknowledged since.
func TestAShorterStreamIsRefused(t *testing.T) {
	dir, old := t.TempDir(), filepath.Join(t.TempDir(), "old")
	d := open(t, diary.Config{Dir: dir})
	for n := range uint64(5) {
		if err := d.Append(patient(t), record(1, n)); err != nil {
			t.Fatal(err)
		}
	}
	closeNow(t, d)
	if err := os.CopyFS(old, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	d = open(t, diary.Config{Dir: dir})
	if err := d.Append(patient(t), record(1, 5)); err != nil {
		t.Fatal(err)
	}
	closeNow(t, d)
	mark, err := os.ReadFile(filepath.Join(dir, "acknowledged"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(old, "acknowledged"), mark, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = diary.Open(patient(t), diary.Config{Dir: old})
	if !errors.Is(err, events.ErrDamaged) || !strings.Contains(err.Error(), "ends at batch 5, but batch 6 was acknowledged") {
		t.Fatalf("a shorter stream: %v", err)
	}
	// A mark that is damaged proves nothing: the stream opens, and the mark is made anew.
	mark[3] ^= 1
	if err := os.WriteFile(filepath.Join(old, "acknowledged"), mark, 0o600); err != nil {
		t.Fatal(err)
	}
	closeNow(t, open(t, diary.Config{Dir: old}))
	if again, err := os.ReadFile(filepath.Join(old, "acknowledged")); err != nil || !strings.HasSuffix(string(again), " MONEY 5\n") {
		t.Errorf("the mark after a life without batches: %q %v", again, err)
	}
}

// TestPurgeKeepsTheEnd: a purge to beyond the end leaves the last batch, and the
// diary goes on where it was.
func TestPurgeKeepsTheEnd(t *testing.T) {
	dir := t.TempDir()
	d := open(t, diary.Config{Dir: dir})
	for n := range uint64(20) {
		if err := d.Append(patient(t), record(1, n)); err != nil {
			t.Fatal(err)
		}
	}
	is := func(first, last uint64) {
		t.Helper()
		if f, l, err := d.Last(patient(t), diary.Money); err != nil || f != first || l != last {
			t.Fatalf("the stream is %d to %d, want %d to %d: %v", f, l, first, last, err)
		}
	}
	purge := func(keep uint64) {
		t.Helper()
		if err := d.Purge(patient(t), diary.Money, keep); err != nil {
			t.Fatal(err)
		}
	}
	purge(8)
	is(8, 20)
	purge(3) // nothing comes back
	is(8, 20)
	purge(1 << 40)
	is(20, 20)
	closeNow(t, d)
	d = open(t, diary.Config{Dir: dir})
	is(20, 20)
	if err := d.Append(patient(t), record(1, 20)); err != nil {
		t.Fatal(err)
	}
	is(20, 21)
	if got := content(t, d, diary.Money); len(got) != 2 {
		t.Errorf("%d records are left, want 2", len(got))
	}
}

// TestAlarm: 80 % of the disk budget raises it, room clears it.
func TestAlarm(t *testing.T) {
	d := open(t, diary.Config{Dir: t.TempDir(), MoneyBytes: 256 << 10, BatchBytes: 8 << 10})
	big := record(1, 0)
	big.Body = make([]byte, 4<<10)
	var n uint64
	for !d.Stats().Alarm {
		if big.ID.Lo = n; n > 100 {
			t.Fatalf("no alarm: %+v", d.Stats())
		}
		if err := d.Append(patient(t), big); err != nil {
			t.Fatalf("refused before the alarm, after %d: %v", n, err)
		}
		n++
	}
	if used := d.Stats().MoneyBytes; used < 256<<10*8/10 {
		t.Errorf("alarm at %d bytes", used)
	}
	// Full: refused, with the reason; after a purge it goes on by itself.
	var err error
	for err == nil {
		err = d.Append(patient(t), big)
	}
	if !errors.Is(err, diary.ErrFull) {
		t.Fatalf("full: %v", err)
	}
	if err := d.Purge(patient(t), diary.Money, n); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for d.Append(patient(t), big) != nil {
		if time.Now().After(deadline) {
			t.Fatal("it does not go on after the purge")
		}
	}
	if d.Stats().Alarm {
		t.Errorf("the alarm did not end: %+v", d.Stats())
	}
}
