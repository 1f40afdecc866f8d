package audience

import (
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
)

// Segment is a named set of users.
type Segment uint32

// Segments holds, for each segment, its users as a roaring bitmap over UserOrd.
// It is for building audiences and measuring their size; a request reads the
// segments of its user from the profile instead (a probe of every bitmap costs
// milliseconds). Any goroutine may call any method; results are copies.
type Segments struct {
	mu   sync.RWMutex
	sets map[Segment]*roaring.Bitmap
}

// NewSegments returns an empty collection.
func NewSegments() *Segments { return &Segments{sets: make(map[Segment]*roaring.Bitmap)} }

// Replace moves a user from the segments of the old profile to those of the new;
// both ascend.
func (s *Segments) Replace(user UserOrd, old, now []uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, j := 0, 0
	for i < len(old) || j < len(now) {
		switch {
		case j == len(now) || i < len(old) && old[i] < now[j]:
			s.remove(Segment(old[i]), user)
			i++
		case i == len(old) || now[j] < old[i]:
			s.add(Segment(now[j]), user)
			j++
		default:
			i, j = i+1, j+1
		}
	}
}

// Add puts a user into a segment.
func (s *Segments) Add(seg Segment, user UserOrd) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(seg, user)
}

// Remove takes a user out of a segment.
func (s *Segments) Remove(seg Segment, user UserOrd) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(seg, user)
}

func (s *Segments) add(seg Segment, user UserOrd) {
	b := s.sets[seg]
	if b == nil {
		b = roaring.New()
		s.sets[seg] = b
	}
	b.Add(uint32(user))
}

func (s *Segments) remove(seg Segment, user UserOrd) {
	if b := s.sets[seg]; b != nil {
		b.Remove(uint32(user))
		if b.IsEmpty() {
			delete(s.sets, seg)
		}
	}
}

// Has reports whether the user is in the segment.
func (s *Segments) Has(seg Segment, user UserOrd) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b := s.sets[seg]
	return b != nil && b.Contains(uint32(user))
}

// Size is the number of users in the segment.
func (s *Segments) Size(seg Segment) uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if b := s.sets[seg]; b != nil {
		return b.GetCardinality()
	}
	return 0
}

// Len is the number of segments that have a user.
func (s *Segments) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.sets)
}

// And returns the users that are in every one of the segments; of no segments,
// nobody.
func (s *Segments) And(segs ...Segment) *roaring.Bitmap {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sets := make([]*roaring.Bitmap, 0, len(segs))
	for _, seg := range segs {
		b := s.sets[seg]
		if b == nil {
			return roaring.New()
		}
		sets = append(sets, b)
	}
	return roaring.FastAnd(sets...)
}

// Or returns the users that are in any of the segments.
func (s *Segments) Or(segs ...Segment) *roaring.Bitmap {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sets := make([]*roaring.Bitmap, 0, len(segs))
	for _, seg := range segs {
		if b := s.sets[seg]; b != nil {
			sets = append(sets, b)
		}
	}
	return roaring.FastOr(sets...)
}

// Match returns the users that an AND of ORs with excludes selects: in one
// segment of every clause and in no excluded one. Without clauses it is nobody:
// the room does not know who else there is.
func (s *Segments) Match(clauses [][]Segment, exclude []Segment) *roaring.Bitmap {
	out := roaring.New()
	for i, clause := range clauses {
		if users := s.Or(clause...); i == 0 {
			out = users
		} else {
			out.And(users)
		}
	}
	out.AndNot(s.Or(exclude...))
	return out
}
