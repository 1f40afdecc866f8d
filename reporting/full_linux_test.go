package reporting_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"mazad/internal/powertest"
	"mazad/reporting"
)

// TestJournalOnAFullDisk: an intent that was not written is refused, half a line
// harms neither the next one nor a reader, and writing goes on.
func TestJournalOnAFullDisk(t *testing.T) {
	disk := powertest.Tmpfs(t, "size=256k")
	path := filepath.Join(disk.Dir, "sink.journal")
	j, err := reporting.OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	ctx := context.Background()
	var done uint64
	var open *reporting.Intent
	fulls := 0
	for seq := uint64(1); seq < 1000; seq++ {
		if seq%50 == 0 {
			disk.Fill()
		}
		i := reporting.Intent{Stream: "MONEY", First: seq, Last: seq, Rows: 1}
		for _, write := range []func(context.Context, reporting.Intent) error{j.Put, j.Done} {
			if err := write(ctx, i); err != nil {
				if !errors.Is(err, syscall.ENOSPC) {
					t.Fatalf("intent %d: %v", seq, err)
				}
				wantJournal(t, copyOf(t, path), done, open)
				disk.Free()
				fulls++
				if err := write(ctx, i); err != nil {
					t.Fatalf("intent %d, there is space again: %v", seq, err)
				}
			}
			if open == nil {
				open = &i
			} else {
				done, open = seq, nil
			}
		}
	}
	if wantJournal(t, path, done, open); fulls < 5 {
		t.Errorf("the disk was full %d times", fulls)
	}
}

// wantJournal opens a journal as the next life would.
func wantJournal(t *testing.T, path string, done uint64, open *reporting.Intent) {
	t.Helper()
	j, err := reporting.OpenJournal(path)
	if err != nil {
		t.Fatalf("after %d: %v", done, err)
	}
	defer func() { _ = j.Close() }()
	gotDone, gotOpen, _, _ := j.State(context.Background(), "MONEY")
	if gotDone != done || (gotOpen == nil) != (open == nil) || open != nil && *gotOpen != *open {
		t.Fatalf("the journal says %d done and %+v open, want %d and %+v", gotDone, gotOpen, done, open)
	}
}

func copyOf(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "journal")
	if err := os.WriteFile(other, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return other
}
