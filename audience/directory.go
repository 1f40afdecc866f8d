package audience

import (
	"bytes"
	"sync"
	"sync/atomic"
)

const (
	directoryShards = 256  // writers of different shards do not wait for each other
	shardBytesMin   = 2048 // first allocation of a shard's records
)

// Directory finds profiles by user id. Lookup takes no lock and allocates
// nothing once the profile's slices have grown; writers lock one shard.
//
// A shard is a table of slots over an arena of encoded records. A record never
// changes: an update appends a new record and then swings the slot with one
// atomic store, so a reader sees the old profile or the new one, never a mix.
// What an update leaves behind is dropped when the arena is full and the shard is
// rewritten; readers of the old arena keep it alive until they are done.
type Directory struct {
	seed   uint64
	users  atomic.Int64
	shards [directoryShards]directoryShard
}

type directoryShard struct {
	view atomic.Pointer[directoryView]

	// owned by the holder of mu
	mu    sync.Mutex
	used  int // bytes of view.data
	taken int // slots that are not free, tombstones included
	live  int // users
}

// directoryView is what readers see. Slots change atomically; bytes of data are
// written once, before the slot that names them.
type directoryView struct {
	slots []atomic.Uint64 // power of two; tag (24 bits) | offset+2 (40 bits)
	data  []byte
}

const (
	slotFree       = 0
	slotTombstone  = 1
	slotOffsetBits = 40
	slotOffsetMask = 1<<slotOffsetBits - 1
)

// NewDirectory returns an empty directory. seed places the ids; a secret one
// keeps senders from choosing ids that collide.
func NewDirectory(seed uint64) *Directory { return &Directory{seed: seed} }

// Len is the number of users.
func (d *Directory) Len() int { return int(d.users.Load()) }

// Lookup fills p with the profile of the user and reports whether the id is
// known; if not, p is the empty profile. p's slices are reused; nothing of p or
// userID is retained. Any goroutine may call it at any time.
func (d *Directory) Lookup(userID []byte, p *Profile) bool {
	p.Reset()
	h := hashBytes(d.seed, userID)
	v := d.shards[h%directoryShards].view.Load()
	if v == nil {
		return false
	}
	at, _ := v.find(h, userID)
	if at < 0 {
		return false
	}
	decodeProfile(v.data[at:], p)
	return true
}

// find returns the offset of the user's record and its slot, or -1 and the slot
// where it may be put.
func (v *directoryView) find(h uint64, userID []byte) (offset int, slot uint64) {
	mask := uint64(len(v.slots) - 1)
	tag := h >> slotOffsetBits
	free, seen := uint64(0), false
	for i := h >> 8 & mask; ; i = (i + 1) & mask {
		word := v.slots[i].Load()
		switch {
		case word == slotFree:
			if !seen {
				free = i
			}
			return -1, free
		case word == slotTombstone:
			if !seen {
				free, seen = i, true
			}
		case word>>slotOffsetBits == tag:
			at := int(word&slotOffsetMask) - 2
			if bytes.Equal(recordID(v.data[at:]), userID) {
				return at, i
			}
		}
	}
}

// Put adds or replaces one user. Interests and segments must ascend without
// repeats.
func (d *Directory) Put(userID []byte, p *Profile) error {
	if err := checkProfile(userID, p); err != nil {
		return err
	}
	record := encodeProfile(nil, userID, p)
	h := hashBytes(d.seed, userID)
	s := &d.shards[h%directoryShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.view.Load()
	if v == nil || s.used+len(record) > len(v.data) || 4*(s.taken+1) > 3*len(v.slots) {
		v = s.rewrite(d.seed, len(record))
	}
	at, slot := v.find(h, userID)
	if at < 0 {
		s.live++
		d.users.Add(1)
		if v.slots[slot].Load() == slotFree {
			s.taken++
		}
	}
	copy(v.data[s.used:], record)
	v.slots[slot].Store(h>>slotOffsetBits<<slotOffsetBits | uint64(s.used+2))
	s.used += len(record)
	return nil
}

// Remove forgets one user and reports whether it was known. The record's bytes
// are overwritten only when the shard is rewritten, so it is rewritten at once.
func (d *Directory) Remove(userID []byte) bool {
	h := hashBytes(d.seed, userID)
	s := &d.shards[h%directoryShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.view.Load()
	if v == nil {
		return false
	}
	at, slot := v.find(h, userID)
	if at < 0 {
		return false
	}
	v.slots[slot].Store(slotTombstone)
	s.live--
	d.users.Add(-1)
	s.rewrite(d.seed, 0)
	return true
}

// rewrite publishes a new view with only the live records and room for extra
// bytes and half as much again.
func (s *directoryShard) rewrite(seed uint64, extra int) *directoryView {
	old := s.view.Load()
	size := extra
	if old != nil {
		for i := range old.slots {
			if word := old.slots[i].Load(); word > slotTombstone {
				size += recordLen(old.data[int(word&slotOffsetMask)-2:])
			}
		}
	}
	slots := 16
	for slots < 2*(s.live+1) {
		slots *= 2
	}
	v := &directoryView{
		slots: make([]atomic.Uint64, slots),
		data:  make([]byte, max(shardBytesMin, size+size/2)),
	}
	s.used, s.taken = 0, 0
	if old != nil {
		for i := range old.slots {
			word := old.slots[i].Load()
			if word <= slotTombstone {
				continue
			}
			record := old.data[int(word&slotOffsetMask)-2:]
			record = record[:recordLen(record)]
			h := hashBytes(seed, recordID(record))
			_, slot := v.find(h, nil) // a new table has no tombstone and no equal id
			copy(v.data[s.used:], record)
			v.slots[slot].Store(h>>slotOffsetBits<<slotOffsetBits | uint64(s.used+2))
			s.used += len(record)
			s.taken++
		}
	}
	s.view.Store(v)
	return v
}

// Memory is the number of bytes in tables and arenas, spare room included.
func (d *Directory) Memory() int {
	sum := 0
	for i := range d.shards {
		if v := d.shards[i].view.Load(); v != nil {
			sum += 8*len(v.slots) + len(v.data)
		}
	}
	return sum
}
