package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"mazad/audience"
	"mazad/audience/store"
	"mazad/internal/clock"

	"pgregory.net/rapid"
)

var (
	ctx   = context.Background()
	start = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
)

func open(t testing.TB, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(dir, clock.NewFake(start))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func shut(t testing.TB, s *store.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func user(id string, n uint32) store.User {
	return store.User{
		ID: id, Emails: []store.Digest{{byte(n)}, {1, 2}}, Devices: []store.Digest{{9}}, Age: uint8(n % 100),
		Gender: audience.GenderFemale, Language: 0x6465, Consent: audience.ConsentGranted,
		Interests: []uint32{1, n + 2}, Segments: []uint32{n, n + 1, 1 << 30},
	}
}

// sees checks that the store shows exactly these users.
func sees(t interface {
	Helper()
	Fatalf(string, ...any)
}, s *store.Store, want map[string]store.User) {
	t.Helper()
	sizes := map[uint32]uint64{}
	for id, u := range want {
		got, at, ok, err := s.Get([]byte(id))
		if err != nil || !ok || !reflect.DeepEqual(got, u) || !at.Equal(start) {
			t.Fatalf("%s: got %+v at %s, %v, %v, want %+v", id, got, at, ok, err, u)
		}
		var p audience.Profile
		if !s.Directory().Lookup([]byte(id), &p) || !p.Known || p.Age != u.Age || p.Consent != u.Consent ||
			!reflect.DeepEqual(p.Segments, u.Segments) {
			t.Fatalf("%s: profile %+v, want %+v", id, p, u)
		}
		for _, seg := range u.Segments {
			sizes[seg]++
			if !s.Segments().Has(audience.Segment(seg), p.Ord) {
				t.Fatalf("%s is not in segment %d", id, seg)
			}
		}
	}
	if s.Directory().Len() != len(want) || s.Segments().Len() != len(sizes) {
		t.Fatalf("%d users in %d segments, want %d in %d", s.Directory().Len(), s.Segments().Len(), len(want), len(sizes))
	}
	for seg, n := range sizes {
		if got := s.Segments().Size(audience.Segment(seg)); got != n {
			t.Fatalf("segment %d has %d users, want %d", seg, got, n)
		}
	}
}

func TestUpsertReopenEqual(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	want := map[string]store.User{}
	for round := range 3 {
		var batch []store.User
		for i := range 50 {
			u := user(fmt.Sprint("user-", (i*(round+1))%70), uint32(round*100+i))
			batch, want[u.ID] = append(batch, u), u
		}
		if err := s.Upsert(ctx, batch); err != nil {
			t.Fatal(err)
		}
		sees(t, s, want)
	}
	shut(t, s)
	s = open(t, dir)
	sees(t, s, want)
	if r := s.Replay(); r.Frames != 3 || r.Entries != 150 || r.Users != len(want) || r.TornBytes != 0 {
		t.Errorf("replay %+v", r)
	}
	if err := s.Upsert(ctx, []store.User{user("late", 5)}); err != nil {
		t.Fatal(err)
	}
	want["late"] = user("late", 5)
	sees(t, s, want)
}

func TestListsAreSortedAndTheCallersMemoryIsNotKept(t *testing.T) {
	s := open(t, t.TempDir())
	u := user("a", 1)
	u.Segments = []uint32{9, 3, 9, 1}
	if err := s.Upsert(ctx, []store.User{u}); err != nil {
		t.Fatal(err)
	}
	if u.Segments[0] != 9 {
		t.Error("the caller's list was changed")
	}
	got, _, _, _ := s.Get([]byte("a"))
	if !reflect.DeepEqual(got.Segments, []uint32{1, 3, 9}) {
		t.Errorf("segments %v", got.Segments)
	}
}

func TestUserRoundTrip(t *testing.T) {
	s := open(t, t.TempDir())
	rapid.Check(t, func(t *rapid.T) {
		digests := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) store.Digest {
			return store.Digest(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest"))
		}), 0, 3)
		u := store.User{
			ID: rapid.StringN(1, 30, 128).Draw(t, "id"), Emails: digests.Draw(t, "emails"), Phones: digests.Draw(t, "phones"),
			Age: rapid.Uint8Range(0, 120).Draw(t, "age"), Segments: rapid.SliceOfN(rapid.Uint32(), 0, 256).Draw(t, "segments"),
		}
		if err := s.Upsert(ctx, []store.User{u}); err != nil {
			t.Fatal(err)
		}
		got, _, ok, err := s.Get([]byte(u.ID))
		if err != nil || !ok || got.Age != u.Age || fmt.Sprint(got.Emails, got.Phones) != fmt.Sprint(u.Emails, u.Phones) {
			t.Fatalf("got %+v, %v, %v, want %+v", got, ok, err, u)
		}
	})
}

func TestKeysAreMadeOnceAndSurvive(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.Upsert(ctx, []store.User{user("known", 1)}); err != nil {
		t.Fatal(err)
	}
	ord, key, err := s.Key(ctx, []byte("known"))
	if err != nil {
		t.Fatal(err)
	}
	ord2, key2, err := s.Key(ctx, []byte("stranger"))
	if err != nil || ord2 == ord || key2 == key || key2 == (store.Key{}) {
		t.Fatalf("stranger: number %d, error %v", ord2, err)
	}
	var p audience.Profile
	if !s.Directory().Lookup([]byte("stranger"), &p) || p.Known || p.Ord != ord2 {
		t.Errorf("stranger: profile %+v", p)
	}
	if _, _, ok, err := s.Get([]byte("stranger")); ok || err != nil {
		t.Errorf("a stranger has a user: %v", err)
	}
	shut(t, s)
	s = open(t, dir)
	for id, want := range map[string]store.Key{"known": key, "stranger": key2} {
		o, k, err := s.Key(ctx, []byte(id))
		byOrd, ok, err2 := s.KeyByOrd(o)
		if err != nil || err2 != nil || !ok || k != want || byOrd != want {
			t.Errorf("%s: the key changed: %v, %v", id, err, err2)
		}
	}
	if _, ok, err := s.KeyByOrd(99); ok || err != nil {
		t.Errorf("number 99: %v, %v", ok, err)
	}
	if _, ok, err := s.KeyByOrd(0); ok || err != nil {
		t.Errorf("number 0: %v, %v", ok, err)
	}
	if got := fmt.Sprint(key); strings.Contains(got, fmt.Sprint(key[0])) && len(got) > 20 {
		t.Errorf("a key prints itself: %s", got)
	}
}

func TestForgetDestroysKeyAndProfile(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.Upsert(ctx, []store.User{user("gone", 1), user("stays", 2)}); err != nil {
		t.Fatal(err)
	}
	ord, key, err := s.Key(ctx, []byte("gone"))
	if err != nil {
		t.Fatal(err)
	}
	if found, err := s.Forget(ctx, []byte("gone")); !found || err != nil {
		t.Fatalf("found %v, %v", found, err)
	}
	if found, err := s.Forget(ctx, []byte("gone")); found || err != nil {
		t.Fatalf("again: found %v, %v", found, err)
	}
	check := func() {
		t.Helper()
		sees(t, s, map[string]store.User{"stays": user("stays", 2)})
		if _, ok, err := s.KeyByOrd(ord); ok || err != nil {
			t.Errorf("key of the forgotten: %v, %v", ok, err)
		}
	}
	check()
	for _, name := range []string{"users.keys", "users.log"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || bytes.Contains(data, key[:]) || bytes.Contains(data, []byte("gone")) {
			t.Errorf("%s still tells of the forgotten (%v)", name, err)
		}
	}
	shut(t, s)
	s = open(t, dir)
	check()
	if r := s.Replay(); r.Forgotten != 1 {
		t.Errorf("replay %+v", r)
	}
	again, newKey, err := s.Key(ctx, []byte("gone"))
	if err != nil || again == ord || newKey == key {
		t.Errorf("the same person again: number %d, %v", again, err)
	}
}

func TestBadInputIsNamed(t *testing.T) {
	s := open(t, t.TempDir())
	f := func(change func(*store.User), word string) {
		t.Helper()
		good, bad := user("good", 1), user("bad", 1)
		change(&bad)
		err := s.Upsert(ctx, []store.User{good, bad})
		if err == nil || !strings.Contains(err.Error(), "users[1]") || !strings.Contains(err.Error(), word) {
			t.Errorf("error %v, want one that says %q", err, word)
		}
	}
	f(func(u *store.User) { u.ID = "" }, "id: 0 bytes")
	f(func(u *store.User) { u.ID = strings.Repeat("x", 129) }, "1 to 128")
	f(func(u *store.User) { u.Age = 200 }, "age: 200: want at most 120")
	f(func(u *store.User) { u.Gender = 9 }, "gender: 9")
	f(func(u *store.User) { u.Consent = 9 }, "consent: 9")
	f(func(u *store.User) { u.Interests = make([]uint32, 65) }, "interests: 65 entries: want at most 64")
	f(func(u *store.User) { u.Segments = make([]uint32, 257) }, "segments: 257 entries: want at most 256")
	f(func(u *store.User) { u.Phones = make([]store.Digest, 17) }, "phones: 17 entries: want at most 16")
	if err := s.Upsert(ctx, make([]store.User, store.MaxBatch+1)); err == nil || !strings.Contains(err.Error(), "5001 entries") {
		t.Errorf("a batch too large: %v", err)
	}
	if _, _, err := s.Key(ctx, nil); err == nil {
		t.Error("a key for nobody")
	}
	sees(t, s, nil)
}

func TestManyAtOnceShareSyncs(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	want := map[string]store.User{}
	var wg sync.WaitGroup
	for w := range 16 {
		for i := range 8 {
			u := user(fmt.Sprint("user-", w, "-", i), uint32(w+i))
			want[u.ID] = u
		}
		wg.Go(func() {
			for i := range 8 {
				id := fmt.Sprint("user-", w, "-", i)
				if err := s.Upsert(ctx, []store.User{user(id, uint32(w+i))}); err != nil {
					t.Error(err)
				}
				var p audience.Profile
				if !s.Directory().Lookup([]byte(id), &p) {
					t.Errorf("%s is acknowledged, but not visible", id)
				}
				if _, _, err := s.Key(ctx, []byte(id)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	sees(t, s, want)
	if n := s.Stats().Syncs.Load(); n == 0 || n >= 128 {
		t.Errorf("%d syncs for 128 upserts of 16 at a time", n)
	}
	shut(t, s)
	sees(t, open(t, dir), want)
}

func TestClosedAndCancelled(t *testing.T) {
	s := open(t, t.TempDir())
	shut(t, s)
	if err := s.Upsert(ctx, []store.User{user("a", 1)}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
	if _, err := s.Forget(ctx, []byte("a")); !errors.Is(err, store.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
	shut(t, s)
}

func TestSecondProcessIsKeptOut(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	if _, err := store.Open(dir, clock.NewFake(start)); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("opened twice: %v", err)
	}
}
