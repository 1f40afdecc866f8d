package audience_test

import (
	"slices"
	"testing"

	"mazad/audience"

	"pgregory.net/rapid"
)

func TestSegmentsEqualSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := audience.NewSegments()
		member := map[audience.UserOrd][]uint32{}
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			u := audience.UserOrd(rapid.Uint32Range(1, 9).Draw(t, "user"))
			now := rapid.SliceOfNDistinct(rapid.Uint32Range(0, 4), 0, 5, rapid.ID[uint32]).Draw(t, "now")
			slices.Sort(now)
			s.Replace(u, member[u], now)
			member[u] = now
		}
		in := func(u audience.UserOrd, seg audience.Segment) bool {
			return slices.Contains(member[u], uint32(seg))
		}
		sizes := 0
		for seg := range audience.Segment(5) {
			sizes += int(s.Size(seg))
		}
		for u := range audience.UserOrd(10) {
			sizes -= len(member[u])
			and, or := s.And(0, 1).Contains(uint32(u)), s.Or(2, 3).Contains(uint32(u))
			if and != (in(u, 0) && in(u, 1)) || or != (in(u, 2) || in(u, 3)) || s.Has(4, u) != in(u, 4) {
				t.Fatalf("user %d in %v: and %v, or %v", u, member[u], and, or)
			}
			match := s.Match([][]audience.Segment{{0, 1}, {2}}, []audience.Segment{3}).Contains(uint32(u))
			if match != ((in(u, 0) || in(u, 1)) && in(u, 2) && !in(u, 3)) {
				t.Fatalf("user %d in %v: match %v", u, member[u], match)
			}
		}
		if sizes != 0 {
			t.Fatalf("sizes differ by %d", sizes)
		}
	})
}

func TestSegmentsCombineWithoutChangingTheirSets(t *testing.T) {
	s := audience.NewSegments()
	s.Add(1, 10)
	s.Add(1, 11)
	s.Add(2, 11)
	s.Match([][]audience.Segment{{1}, {2}}, nil)
	s.Or(1).Add(99)
	s.And(1).Add(99)
	s.Remove(2, 11)
	if s.Size(1) != 2 || s.Size(2) != 0 || s.Len() != 1 {
		t.Errorf("sizes %d and %d in %d segments", s.Size(1), s.Size(2), s.Len())
	}
}
