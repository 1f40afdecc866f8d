package store_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"mazad/audience/store"
	"mazad/internal/clock"
	"mazad/internal/powertest"
)

// TestUsersOnAFullDisk: users that were refused are not there, those that were
// acknowledged are, forgetting works while the disk is full, and writing goes on
// when there is space again.
func TestUsersOnAFullDisk(t *testing.T) {
	disk := powertest.Tmpfs(t, "size=1m")
	clk := clock.NewFake(time.Unix(1_790_000_000, 0))
	s, err := store.Open(disk.Dir, clk)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	name := func(n int) string { return fmt.Sprintf("user-%d", n) }
	upsert := func(n int) error {
		return s.Upsert(ctx, []store.User{{ID: name(n), Age: 30, Segments: []uint32{uint32(n + 1)}}})
	}
	n := 0
	for ; n < 20; n++ {
		if err := upsert(n); err != nil {
			t.Fatal(err)
		}
	}
	disk.Fill()
	for err = nil; err == nil && n < 1000; n++ {
		err = upsert(n)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("on a full disk: %v after %d users", err, n)
	}
	refused := n - 1
	for range 5 {
		if err := upsert(refused); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("again on a full disk: %v", err)
		}
	}
	if found, err := s.Forget(ctx, []byte(name(3))); err != nil || !found {
		t.Errorf("forgetting on a full disk: %v %v", found, err)
	}
	disk.Free()
	if err := upsert(refused + 1); err != nil {
		t.Fatalf("there is space again: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = store.Open(disk.Dir, clk); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range refused + 2 {
		u, _, ok, err := s.Get([]byte(name(i)))
		if want := i != 3 && i != refused; err != nil || ok != want || ok && u.Segments[0] != uint32(i+1) {
			t.Errorf("user %d: there %t (%v), want %t", i, ok, err, want)
		}
	}
}
