package store_test

import (
	"context"
	"fmt"
	"testing"

	"mazad/audience"
	"mazad/audience/store"
	"mazad/internal/clock"
)

// TestAForgottenKeyLeavesMemory reads keys often enough that they come from
// memory, forgets one and asks again; users that share its place keep theirs.
func TestAForgottenKeyLeavesMemory(t *testing.T) {
	s, err := store.Open(t.TempDir(), clock.System{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const n = 64*1024 + 2 // the first and the last but one share a place
	ords := make([]audience.UserOrd, 0, n)
	for i := 0; i < n; {
		var part []store.User
		for ; len(part) < 4096 && i < n; i++ {
			part = append(part, store.User{ID: fmt.Sprint("u", i)})
		}
		if err := s.Upsert(context.Background(), part); err != nil {
			t.Fatal(err)
		}
		for _, u := range part {
			var p audience.Profile
			if !s.Directory().Lookup([]byte(u.ID), &p) {
				t.Fatal(u.ID)
			}
			ords = append(ords, p.Ord)
		}
	}
	keys := map[audience.UserOrd]store.Key{}
	for range 3 {
		for _, o := range []audience.UserOrd{ords[0], ords[1], ords[64*1024]} {
			key, ok, err := s.KeyByOrd(o)
			if err != nil || !ok || keys[o] != key && keys[o] != (store.Key{}) {
				t.Fatalf("key of %d: %v %v", o, ok, err)
			}
			keys[o] = key
		}
	}
	if ords[64*1024]-ords[0] != 64*1024 || keys[ords[0]] == keys[ords[64*1024]] {
		t.Fatal("two users do not share a place, or share a key")
	}
	if _, ok, _ := s.KeyByOrd(ords[1]); !ok { // in memory now
		t.Fatal("no key")
	}
	if found, err := s.Forget(context.Background(), []byte("u1")); !found || err != nil {
		t.Fatal(found, err)
	}
	if _, ok, err := s.KeyByOrd(ords[1]); ok || err != nil {
		t.Errorf("the key of a forgotten user: %v %v", ok, err)
	}
	if key, ok, err := s.KeyByOrd(ords[0]); !ok || err != nil || key != keys[ords[0]] {
		t.Errorf("the key of a neighbour: %v %v", ok, err)
	}
}
