package store

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"mazad/audience"
	"mazad/internal/clock"
)

// ErrClosed is returned after Close.
var ErrClosed = errors.New("the user store is closed")

// Config says where the store lives. Dir and Clock are required.
type Config struct {
	Dir      string
	Clock    clock.Clock
	OpenFile func(path string) (File, error) // nil: the operating system's
	NoLock   bool                            // do not lock Dir against other processes
}

// Replay says what Open found.
type Replay struct {
	Frames    int
	Entries   int
	Users     int
	Forgotten int   // entries whose key was destroyed
	TornBytes int64 // cut off the end: a commit that a crash interrupted
}

// Stats counts what the store did; read the fields with Load.
type Stats struct {
	Upserts atomic.Uint64 // users written
	Syncs   atomic.Uint64 // group commits
	Waited  atomic.Uint64 // requests that found the queue full
	Failed  atomic.Uint64 // requests refused because of the file system
	Forgets atomic.Uint64
}

// Store is the durable store of users.
type Store struct {
	cfg       Config
	directory *audience.Directory
	segments  *audience.Segments
	replay    Replay
	stats     Stats
	lock      *os.File
	keys      keyFile
	recent    keyCache // of keys
	log       logFile  // size is owned by the writer after Open

	queue   chan *request
	stop    chan struct{} // closed by Close
	stopped chan struct{} // closed by the writer
	once    sync.Once
	closing error

	// offsets[ord] is where the user's latest sealed entry starts; 0 = none.
	offsetsMu sync.RWMutex
	offsets   []int64
}

// Open reads the directory, creating it if need be, and replays it.
func Open(dir string, clk clock.Clock) (*Store, error) {
	return OpenConfig(Config{Dir: dir, Clock: clk})
}

// OpenConfig is Open with every choice.
func OpenConfig(cfg Config) (*Store, error) {
	if cfg.OpenFile == nil {
		cfg.OpenFile = OpenFile
	}
	var seed [8]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, err
	}
	s := &Store{
		cfg:       cfg,
		directory: audience.NewDirectory(binary.LittleEndian.Uint64(seed[:])),
		segments:  audience.NewSegments(),
		keys:      keyFile{path: filepath.Join(cfg.Dir, "users.keys")},
		log:       logFile{path: filepath.Join(cfg.Dir, "users.log")},
		queue:     make(chan *request, queueSize),
		stop:      make(chan struct{}),
		stopped:   make(chan struct{}),
	}
	if err := s.openFiles(); err != nil {
		return nil, errors.Join(fmt.Errorf("open users in %s: %w", cfg.Dir, err), s.closeFiles())
	}
	next, err := s.load()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open users: %w", err), s.closeFiles())
	}
	go (&writer{store: s, next: next}).run()
	return s, nil
}

func (s *Store) openFiles() (err error) {
	if err := os.MkdirAll(s.cfg.Dir, 0o700); err != nil {
		return err
	}
	if !s.cfg.NoLock {
		if s.lock, err = lockDir(s.cfg.Dir); err != nil {
			return err
		}
	}
	if s.keys.file, err = s.cfg.OpenFile(s.keys.path); err != nil {
		return err
	}
	if s.log.file, err = s.cfg.OpenFile(s.log.path); err != nil {
		return err
	}
	records, err := s.keys.records()
	if err != nil {
		return err
	}
	if err := s.log.open(records == 0); err != nil {
		return err
	}
	if err := s.keys.open(); err != nil {
		return err
	}
	return syncDir(s.cfg.Dir)
}

// load replays the log and returns the next free user number.
func (s *Store) load() (next audience.UserOrd, err error) {
	reader := keyReader{keys: &s.keys}
	torn, err := s.log.replay(func(offset int64, payload []byte) error {
		s.replay.Frames++
		err := entries(payload, func(at int, ord audience.UserOrd, sealed []byte) error {
			s.replay.Entries++
			key, ok, err := reader.read(ord)
			if err != nil {
				return err
			}
			if !ok {
				s.replay.Forgotten++
				return nil
			}
			e, err := unseal(sealed, ord, &key)
			if err != nil {
				return fmt.Errorf("%s: offset %d: user number %d: %w", s.log.path, offset+int64(at), ord, err)
			}
			return s.apply(&e, offset+int64(at))
		})
		if errors.Is(err, errShort) {
			err = fmt.Errorf("%s: offset %d: %w", s.log.path, offset, err)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	s.replay.TornBytes, s.replay.Users = torn, s.directory.Len()
	records, err := s.keys.records()
	// Records of a commit that never reached the log are left unused.
	return records + 1, err
}

// apply makes an entry visible.
func (s *Store) apply(e *entry, offset int64) error {
	var old audience.Profile
	s.directory.Lookup([]byte(e.ID), &old)
	p := e.profile()
	if err := s.directory.Put([]byte(e.ID), &p); err != nil {
		return err
	}
	s.segments.Replace(e.userNo, old.Segments, p.Segments)
	s.offsetsMu.Lock()
	defer s.offsetsMu.Unlock()
	for len(s.offsets) <= int(e.userNo) {
		s.offsets = append(s.offsets, 0)
	}
	s.offsets[e.userNo] = offset
	return nil
}

// Replay says what Open found; a caller warns when TornBytes is not zero.
func (s *Store) Replay() Replay { return s.replay }

// Stats gives the counters.
func (s *Store) Stats() *Stats { return &s.stats }

// Directory is what requests look users up in.
func (s *Store) Directory() *audience.Directory { return s.directory }

// Segments is the users by segment.
func (s *Store) Segments() *audience.Segments { return s.segments }

// Upsert replaces the users; when it returns nil they are on disk and visible.
// When ctx ends first, they may still become so. The users are not retained.
func (s *Store) Upsert(ctx context.Context, users []User) error {
	if len(users) > MaxBatch {
		return fmt.Errorf("users: %d entries: want at most %d", len(users), MaxBatch)
	}
	if len(users) == 0 {
		return nil
	}
	r := newRequest()
	r.entries = make([]entry, len(users))
	now := s.cfg.Clock.Now().UnixMilli()
	for i := range users {
		if err := users[i].Validate(); err != nil {
			return fmt.Errorf("users[%d]: %w", i, err)
		}
		r.entries[i] = entry{User: normal(&users[i]), known: true, atMS: now}
	}
	return s.do(ctx, r)
}

// Key returns the user's number and data key, creating both if the id is new.
func (s *Store) Key(ctx context.Context, userID []byte) (audience.UserOrd, Key, error) {
	var p audience.Profile
	if !s.directory.Lookup(userID, &p) {
		u := User{ID: string(userID)}
		if err := u.Validate(); err != nil {
			return 0, Key{}, fmt.Errorf("user %w", err)
		}
		r := newRequest()
		r.entries = []entry{{User: u, atMS: s.cfg.Clock.Now().UnixMilli()}}
		if err := s.do(ctx, r); err != nil {
			return 0, Key{}, err
		}
		p.Ord = r.entries[0].userNo
	}
	key, ok, err := s.keys.read(p.Ord)
	if err == nil && !ok {
		err = fmt.Errorf("user number %d was forgotten just now", p.Ord)
	}
	return p.Ord, key, err
}

// KeyByOrd returns the data key of a user; ok is false when it was destroyed or
// never made.
func (s *Store) KeyByOrd(ord audience.UserOrd) (key Key, ok bool, err error) {
	return s.recent.read(&s.keys, ord)
}

// Get reads a user back from the log; ok is false when none was upserted under
// this id.
func (s *Store) Get(userID []byte) (u User, updated time.Time, ok bool, err error) {
	var p audience.Profile
	if !s.directory.Lookup(userID, &p) || !p.Known {
		return User{}, time.Time{}, false, nil
	}
	s.offsetsMu.RLock()
	offset := s.offsets[p.Ord]
	s.offsetsMu.RUnlock()
	key, ok, err := s.keys.read(p.Ord)
	if err != nil || !ok {
		return User{}, time.Time{}, false, err
	}
	var head [entryHeader]byte
	if _, err := s.log.file.ReadAt(head[:], offset); err != nil {
		return User{}, time.Time{}, false, fmt.Errorf("read %s: offset %d: %w", s.log.path, offset, err)
	}
	sealed := make([]byte, min(binary.LittleEndian.Uint32(head[4:]), frameMax))
	if _, err := s.log.file.ReadAt(sealed, offset+entryHeader); err != nil {
		return User{}, time.Time{}, false, fmt.Errorf("read %s: offset %d: %w", s.log.path, offset, err)
	}
	e, err := unseal(sealed, p.Ord, &key)
	if err != nil {
		return User{}, time.Time{}, false, fmt.Errorf("%s: offset %d: user number %d: %w", s.log.path, offset, p.Ord, err)
	}
	return e.User, e.updated(), true, nil
}

// Forget destroys the user's key and profile; found is false for an unknown id.
func (s *Store) Forget(ctx context.Context, userID []byte) (found bool, err error) {
	r := newRequest()
	r.forget = string(userID)
	if err := s.do(ctx, r); err != nil {
		return false, err // the writer may still own r
	}
	return r.found, nil
}

// Close ends the writer after the requests it has taken, and closes the files.
func (s *Store) Close() error {
	s.once.Do(func() {
		close(s.stop)
		<-s.stopped
		s.closing = s.closeFiles()
	})
	return s.closing
}

func (s *Store) closeFiles() error {
	var errs []error
	for _, f := range []File{s.keys.file, s.log.file} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}
