package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"mazad/audience"
	"mazad/audience/store"
	"mazad/internal/clock"
)

// build makes a store with two commits and returns the files, and the size of
// the log after the first.
func build(t *testing.T) (log, keys []byte, first int) {
	t.Helper()
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.Upsert(ctx, []store.User{user("a", 1), user("b", 2)}); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, "users.log"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Upsert(ctx, []store.User{user("b", 3), user("c", 4)}); err != nil {
		t.Fatal(err)
	}
	shut(t, s)
	log, err = os.ReadFile(filepath.Join(dir, "users.log"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err = os.ReadFile(filepath.Join(dir, "users.keys"))
	if err != nil {
		t.Fatal(err)
	}
	return log, keys, len(before)
}

func restore(t *testing.T, log, keys []byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range map[string][]byte{"users.log": log, "users.keys": keys} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var (
	afterFirst  = map[string]store.User{"a": user("a", 1), "b": user("b", 2)}
	afterSecond = map[string]store.User{"a": user("a", 1), "b": user("b", 3), "c": user("c", 4)}
)

// A process killed while it wrote the last frame leaves any part of it.
func TestTornEndAtEveryByte(t *testing.T) {
	log, keys, first := build(t)
	for cut := first; cut <= len(log); cut++ {
		for _, zeros := range []int{0, 40} { // a file system may extend before it writes
			torn := append(append([]byte{}, log[:cut]...), make([]byte, zeros)...)
			s := open(t, restore(t, torn, keys))
			want, tornBytes := afterFirst, int64(len(torn)-first)
			if cut == len(log) {
				want, tornBytes = afterSecond, int64(zeros)
			}
			sees(t, s, want)
			if got := s.Replay().TornBytes; got != tornBytes {
				t.Fatalf("cut at %d: %d torn bytes, want %d", cut, got, tornBytes)
			}
			if cut%97 == 0 { // it goes on
				if err := s.Upsert(ctx, []store.User{user("b", 3), user("c", 4)}); err != nil {
					t.Fatal(err)
				}
				sees(t, s, afterSecond)
			}
			shut(t, s)
		}
	}
}

func TestDamageInTheMiddleIsRefused(t *testing.T) {
	log, keys, first := build(t)
	for at := 32; at < first; at += 7 {
		bad := append([]byte{}, log...)
		bad[at] ^= 0x10
		_, err := store.Open(restore(t, bad, keys), clock.NewFake(start))
		if err == nil || !strings.Contains(err.Error(), "users.log") || !strings.Contains(err.Error(), "offset 32") {
			t.Fatalf("byte %d flipped: %v", at, err)
		}
	}
	for at := range 32 {
		bad := append([]byte{}, log...)
		bad[at] ^= 0x10
		if _, err := store.Open(restore(t, bad, keys), clock.NewFake(start)); err == nil || !strings.Contains(err.Error(), "offset 0") {
			t.Fatalf("byte %d of the header flipped: %v", at, err)
		}
	}
	bad := append([]byte{}, keys...)
	bad[64+10] ^= 1 // the key of user number 1
	if _, err := store.Open(restore(t, log, bad), clock.NewFake(start)); err == nil || !strings.Contains(err.Error(), "users.keys: offset 64") {
		t.Errorf("a damaged key: %v", err)
	}
	if _, err := store.Open(restore(t, log, keys[:64]), clock.NewFake(start)); err == nil || !strings.Contains(err.Error(), "no key record") {
		t.Errorf("keys lost: %v", err)
	}
	if _, err := store.Open(restore(t, nil, keys), clock.NewFake(start)); err == nil || !strings.Contains(err.Error(), "header is missing") {
		t.Errorf("log lost: %v", err)
	}
}

// A crash between the sync of the keys and the frame leaves keys without users;
// their numbers are not used again.
func TestKeysWithoutFrame(t *testing.T) {
	log, keys, first := build(t)
	s := open(t, restore(t, log[:first], append(keys, 1, 2, 3)))
	sees(t, s, afterFirst)
	ord, _, err := s.Key(ctx, []byte("new"))
	if err != nil || ord != 4 {
		t.Errorf("number %d, want 4, %v", ord, err)
	}
}

func TestCrashDuringCreation(t *testing.T) {
	log, keys, _ := build(t)
	for _, n := range []int{0, 1, 31} {
		sees(t, open(t, restore(t, log[:n], nil)), nil)
		sees(t, open(t, restore(t, log[:32], keys[:n])), nil)
	}
}

// faulty fails writes or syncs while its switch is on.
type faulty struct {
	store.File
	write, sync, truncate *atomic.Bool
}

var errDisk = errors.New("disk is broken")

func (f faulty) WriteAt(p []byte, at int64) (int, error) {
	if f.write.Load() {
		n, _ := f.File.WriteAt(p[:len(p)/2], at) // half of it arrives
		return n, errDisk
	}
	return f.File.WriteAt(p, at)
}

func (f faulty) Sync() error {
	if f.sync.Load() {
		return errDisk
	}
	return f.File.Sync()
}

func (f faulty) Truncate(n int64) error {
	if f.truncate.Load() {
		return errDisk
	}
	return f.File.Truncate(n)
}

func TestDiskErrorsLeaveNothingVisible(t *testing.T) {
	f := func(name string, write, sync, truncate, goesOn bool) {
		t.Helper()
		dir := t.TempDir()
		var sw [3]atomic.Bool
		s, err := store.OpenConfig(store.Config{Dir: dir, Clock: clock.NewFake(start), OpenFile: func(path string) (store.File, error) {
			file, err := store.OpenFile(path)
			if filepath.Base(path) != name {
				return file, err
			}
			return faulty{file, &sw[0], &sw[1], &sw[2]}, err
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Upsert(ctx, []store.User{user("a", 1), user("b", 2)}); err != nil {
			t.Fatal(err)
		}
		sw[0].Store(write)
		sw[1].Store(sync)
		sw[2].Store(truncate)
		err = s.Upsert(ctx, []store.User{user("b", 3), user("c", 4)})
		if !errors.Is(err, errDisk) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
		var p audience.Profile
		if s.Directory().Lookup([]byte("c"), &p) {
			t.Errorf("%s: a refused user is visible", name)
		}
		sees(t, s, afterFirst)
		for i := range sw {
			sw[i].Store(false)
		}
		err = s.Upsert(ctx, []store.User{user("b", 3), user("c", 4)})
		if (err == nil) != goesOn {
			t.Errorf("%s: after the fault: %v, want it to go on: %v", name, err, goesOn)
		}
		shut(t, s)
		s = open(t, dir)
		if goesOn {
			sees(t, s, afterSecond)
		}
	}
	f("users.log", true, false, false, true)
	f("users.keys", true, false, false, true)
	f("users.log", false, true, false, false) // a failed sync: only a restart can tell
	f("users.keys", false, true, false, false)
	f("users.log", true, false, true, false)
}

func TestForgetWithBrokenDisk(t *testing.T) {
	var write, off atomic.Bool
	s, err := store.OpenConfig(store.Config{Dir: t.TempDir(), Clock: clock.NewFake(start), OpenFile: func(path string) (store.File, error) {
		file, err := store.OpenFile(path)
		return faulty{file, &write, &off, &off}, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := s.Upsert(ctx, []store.User{user("a", 1)}); err != nil {
		t.Fatal(err)
	}
	write.Store(true)
	if found, err := s.Forget(ctx, []byte("a")); found || !errors.Is(err, errDisk) {
		t.Errorf("found %v, %v", found, err)
	}
	write.Store(false)
	if found, err := s.Forget(ctx, []byte("a")); !found || err != nil {
		t.Errorf("again: found %v, %v", found, err)
	}
	sees(t, s, nil)
}
