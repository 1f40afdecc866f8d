package store_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"mazad/audience"
	"mazad/audience/store"
	"mazad/internal/clock"
)

// TestBackupWhileUsersComeAndGo: the copy opens, holds everybody who was
// acknowledged before it began, with the same number and key, and nobody who was
// forgotten before.
func TestBackupWhileUsersComeAndGo(t *testing.T) {
	s, err := store.Open(t.TempDir(), clock.System{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	upsert := func(s *store.Store, id string) {
		if err := s.Upsert(ctx, []store.User{{ID: id, Age: 30}}); err != nil {
			t.Error(err)
		}
	}
	for i := range 2_000 {
		upsert(s, fmt.Sprint("early ", i))
	}
	for i := range 100 {
		if found, err := s.Forget(ctx, fmt.Append(nil, "early ", i)); err != nil || !found {
			t.Fatal(found, err)
		}
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for w := range 2 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				upsert(s, fmt.Sprint("late ", w, " ", i))
				if _, err := s.Forget(ctx, fmt.Append(nil, "late ", w, " ", i/2)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	dir := t.TempDir()
	for round := range 5 {
		copied := filepath.Join(dir, fmt.Sprint(round))
		if err := os.Mkdir(copied, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := s.Backup(func(name string, r io.Reader) error {
			f, err := os.Create(filepath.Join(copied, name))
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = io.Copy(f, r)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		sameUsers(t, s, copied)
	}
	close(stop)
	wg.Wait()
}

func sameUsers(t *testing.T, s *store.Store, copied string) {
	t.Helper()
	c, err := store.Open(copied, clock.System{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range 2_000 {
		id := fmt.Append(nil, "early ", i)
		var a, b audience.Profile
		was, is := s.Directory().Lookup(id, &a), c.Directory().Lookup(id, &b)
		if was != (i >= 100) || was != is || a.Ord != b.Ord {
			t.Fatalf("%s: there %t as %d, in the copy %t as %d", id, was, a.Ord, is, b.Ord)
		}
		if !was {
			continue
		}
		x, _, err1 := s.KeyByOrd(a.Ord)
		y, ok, err2 := c.KeyByOrd(b.Ord)
		if x != y || !ok || err1 != nil || err2 != nil {
			t.Fatalf("%s: the keys differ: %v %v", id, err1, err2)
		}
	}
}
