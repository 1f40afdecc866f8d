package audience_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"mazad/audience"

	"pgregory.net/rapid"
)

func TestDirectoryEqualsMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := audience.NewDirectory(rapid.Uint64().Draw(t, "seed"))
		model := map[string]audience.Profile{}
		id := rapid.StringMatching(`[a-c]{1,3}|[a-z]{20,128}`)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			u := id.Draw(t, "id")
			if rapid.IntRange(0, 4).Draw(t, "op") == 0 {
				_, known := model[u]
				if d.Remove([]byte(u)) != known {
					t.Fatalf("remove %s: known %v", u, known)
				}
				delete(model, u)
				continue
			}
			p := drawProfile(t)
			if err := d.Put([]byte(u), &p); err != nil {
				t.Fatal(err)
			}
			model[u] = p
		}
		if d.Len() != len(model) {
			t.Fatalf("%d users, want %d", d.Len(), len(model))
		}
		var got audience.Profile
		for u, want := range model {
			if !d.Lookup([]byte(u), &got) || !same(got, want) {
				t.Fatalf("%s: got %+v, want %+v", u, got, want)
			}
		}
		for _, u := range []string{"a", "b", "zz", "abca", strings.Repeat("x", 200), ""} {
			if _, known := model[u]; d.Lookup([]byte(u), &got) != known {
				t.Fatalf("%q: known %v", u, known)
			}
		}
	})
}

func drawProfile(t *rapid.T) audience.Profile {
	list := func(name string, most int) []uint32 {
		l := rapid.SliceOfN(rapid.Uint32(), 0, most).Draw(t, name)
		slices.Sort(l)
		return slices.Compact(l)
	}
	return audience.Profile{
		Known: rapid.Bool().Draw(t, "known"), Ord: audience.UserOrd(rapid.Uint32().Draw(t, "ord")),
		Age: rapid.Uint8Range(0, audience.MaxAge).Draw(t, "age"), Gender: audience.Gender(rapid.IntRange(0, 2).Draw(t, "gender")),
		Language: audience.Language(rapid.Uint16().Draw(t, "language")), Consent: audience.Consent(rapid.IntRange(0, 2).Draw(t, "consent")),
		Interests: list("interests", 8), Segments: list("segments", 40),
	}
}

func same(a, b audience.Profile) bool {
	ok := slices.Equal(a.Interests, b.Interests) && slices.Equal(a.Segments, b.Segments)
	a.Interests, a.Segments, b.Interests, b.Segments = nil, nil, nil, nil
	return ok && reflect.DeepEqual(a, b)
}

func TestDirectoryRefusesBadProfiles(t *testing.T) {
	d := audience.NewDirectory(1)
	f := func(id string, p audience.Profile, word string) {
		t.Helper()
		if err := d.Put([]byte(id), &p); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%.10q %+v: error %v, want one that says %q", id, p, err, word)
		}
	}
	long := make([]uint32, 300)
	for i := range long {
		long[i] = uint32(i)
	}
	f("", audience.Profile{}, "1 to 128")
	f(strings.Repeat("x", 129), audience.Profile{}, "129 bytes")
	f("a", audience.Profile{Age: 121}, "at most 120")
	f("a", audience.Profile{Gender: 3}, "gender")
	f("a", audience.Profile{Consent: 3}, "consent")
	f("a", audience.Profile{Interests: long[:65]}, "at most 64")
	f("a", audience.Profile{Segments: long[:257]}, "at most 256")
	f("a", audience.Profile{Segments: []uint32{2, 2}}, "ascending")
	f("a", audience.Profile{Interests: []uint32{3, 2}}, "ascending")
	if d.Len() != 0 {
		t.Errorf("%d users after refusals", d.Len())
	}
}

// Readers see, at every moment, one of the profiles that were put, never a mix:
// every field of version v is derived from v.
func TestDirectoryReadersDuringUpdates(t *testing.T) {
	d := audience.NewDirectory(3)
	const users, versions = 200, 60
	profile := func(v uint32) *audience.Profile {
		p := &audience.Profile{Known: true, Ord: audience.UserOrd(v), Age: uint8(v)}
		for i := range v {
			p.Segments = append(p.Segments, v+i)
		}
		return p
	}
	ids := make([][]byte, users)
	for i := range ids {
		ids[i] = fmt.Appendf(nil, "user-%d", i)
		if err := d.Put(ids[i], profile(1)); err != nil {
			t.Fatal(err)
		}
	}
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			var p audience.Profile
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if !d.Lookup(ids[i%users], &p) {
					t.Error("a user is gone")
					return
				}
				if want := profile(uint32(p.Ord)); !same(p, *want) {
					t.Errorf("torn profile %+v", p)
					return
				}
			}
		})
	}
	for w := range 2 {
		writers.Go(func() {
			for v := uint32(2); v < versions; v++ {
				for i := w; i < users; i += 2 {
					if err := d.Put(ids[i], profile(v)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
}

func TestLookupDoesNotAllocate(t *testing.T) {
	d := audience.NewDirectory(1)
	id := []byte("somebody")
	if err := d.Put(id, &audience.Profile{Interests: []uint32{1, 2}, Segments: []uint32{7, 900, 100_000}}); err != nil {
		t.Fatal(err)
	}
	var p audience.Profile
	d.Lookup(id, &p)
	if n := testing.AllocsPerRun(100, func() { d.Lookup(id, &p); d.Lookup(id[:4], &p) }); n != 0 && !raceEnabled {
		t.Errorf("%v allocations per lookup", n)
	}
}

func BenchmarkLookup(b *testing.B) {
	d := audience.NewDirectory(1)
	const users = 200_000
	var p audience.Profile
	for i := range users {
		p.Reset()
		p.Ord = audience.UserOrd(i)
		for s := range 20 {
			p.Segments = append(p.Segments, uint32(s*400+i%400))
		}
		if err := d.Put(fmt.Appendf(nil, "user-%012d", i), &p); err != nil {
			b.Fatal(err)
		}
	}
	ids := make([][]byte, 4096)
	for i := range ids {
		ids[i] = fmt.Appendf(nil, "user-%012d", i*7919%users)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		d.Lookup(ids[i%len(ids)], &p)
	}
	b.ReportMetric(float64(d.Memory())/users, "B/user")
}
