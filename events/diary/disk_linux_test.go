package diary

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// TestRealDiskFull fills a small file system under the diary: no record is
// acknowledged without being on disk, and writing goes on when space returns.
func TestRealDiskFull(t *testing.T) {
	mount := t.TempDir()
	if err := syscall.Mount("tmpfs", mount, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("NOT TESTED: disk full needs the right to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(mount, syscall.MNT_DETACH) })
	d := testOpen(t, Config{Dir: filepath.Join(mount, "diary"), AckTimeout: time.Second})
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	acked := map[uint64]bool{}
	one := func(n uint64) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		err := d.Append(ctx, testRecord(n))
		if err == nil {
			acked[n] = true
		}
		return err
	}
	n := uint64(0)
	for ; n < 100; n++ {
		if err := one(n); err != nil {
			t.Fatal(err)
		}
	}
	filler := filepath.Join(mount, "filler")
	fill(t, filler)
	var err error
	for err == nil && n < 100_000 {
		err = one(n)
		n++
	}
	if !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrTimeout) {
		t.Fatalf("on a full disk: %v after %d records", err, n)
	}
	for !errors.Is(err, ErrUnavailable) && ctx.Err() == nil {
		err = one(n)
		n++
	}
	t.Logf("full after %d records: %v", len(acked), err)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	for err = one(n); err != nil && ctx.Err() == nil; err = one(n) {
		n++
		runtime.Gosched()
	}
	if err != nil {
		t.Fatalf("space is back, but: %v, %+v", err, d.Stats())
	}
	got := serials(t, d)
	for n := range acked {
		if !got[n] {
			t.Errorf("acknowledged record %d is gone", n)
		}
	}
	t.Logf("%d acknowledged, %d on disk, stats %+v", len(acked), len(got), d.Stats())
}

// fill takes all the space that is left but one page.
func fill(t *testing.T, path string) {
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size >= 4096; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}
