package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"mazad/audience"
)

const (
	queueSize  = 256     // requests waiting for the writer
	groupBytes = 4 << 20 // a group takes no further request once its frame is this long
)

// unsynced marks an error after which the file may hold what we think it does
// not: the kernel forgets a failed sync, so only reading the file anew can tell.
type unsynced struct{ error }

func (u unsynced) Unwrap() error { return u.error }

// request is one call's work for the writer. Its fields belong to the writer
// until done is closed.
type request struct {
	entries []entry // to be written; userNo is set by the writer
	forget  string  // or the id to forget
	found   bool
	err     error
	done    chan struct{}
}

func newRequest() *request { return &request{done: make(chan struct{})} }

// do hands a request to the writer and waits.
func (s *Store) do(ctx context.Context, r *request) error {
	select {
	case s.queue <- r:
	default:
		s.stats.Waited.Add(1)
		select {
		case s.queue <- r:
		case <-ctx.Done():
			return fmt.Errorf("wait for the user log: %w", ctx.Err())
		case <-s.stopped:
			return ErrClosed
		}
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return fmt.Errorf("wait for the user log: %w", ctx.Err())
	case <-s.stopped:
		select {
		case <-r.done:
			return r.err
		default:
			return ErrClosed
		}
	}
}

// writer owns the files. It takes every request that is waiting, writes them as
// one frame, syncs once and answers them: while the disk works, the next group
// gathers, so no timer is needed.
type writer struct {
	store  *Store
	next   audience.UserOrd // next free number
	broken error            // set by an unsynced error; then every request fails

	// of the group being gathered
	group  []*request
	frame  []byte
	keys   []byte // records of new users, from firstNew on
	placed []placed
	fresh  map[string]*newUser
	held   *request // taken from the queue, but belongs to the next group
}

// placed is an entry of the group and where it lies in the frame.
type placed struct {
	entry *entry
	at    int
}

type newUser struct {
	ord audience.UserOrd
	key Key
}

func (w *writer) run() {
	defer close(w.store.stopped)
	for {
		r := w.held
		w.held = nil
		if r == nil {
			select {
			case r = <-w.store.queue:
			case <-w.store.stop:
				return
			}
		}
		if r.forget != "" {
			r.err = w.forget(r)
			w.finish(r)
			continue
		}
		w.gather(r)
		err := w.commit()
		for _, r := range w.group {
			if r.err == nil {
				r.err = err
			}
			w.finish(r)
		}
	}
}

func (w *writer) finish(r *request) {
	if r.err != nil {
		w.store.stats.Failed.Add(1)
	}
	close(r.done)
}

// gather starts a group with r and adds what is waiting.
func (w *writer) gather(r *request) {
	w.group, w.placed = w.group[:0], w.placed[:0]
	w.frame, w.keys = append(w.frame[:0], make([]byte, frameHeader)...), w.keys[:0]
	w.fresh = make(map[string]*newUser)
	for {
		w.group = append(w.group, r)
		w.add(r)
		if len(w.frame) >= groupBytes {
			return
		}
		select {
		case r = <-w.store.queue:
		default:
			return
		}
		if r.forget != "" {
			w.held = r
			return
		}
	}
}

// add seals a request's entries into the frame; one that fails leaves no trace.
func (w *writer) add(r *request) {
	frame, placedN := len(w.frame), len(w.placed)
	for i := range r.entries {
		e := &r.entries[i]
		key, err := w.number(e)
		if err == nil && e.known || err == nil && w.isNew(e) {
			at := len(w.frame)
			w.frame, err = seal(w.frame, e, key)
			w.placed = append(w.placed, placed{e, at})
		}
		if err != nil {
			w.frame, w.placed = w.frame[:frame], w.placed[:placedN]
			r.err = err
			return
		}
	}
}

// isNew reports whether a request for a key alone must be written: a user that is
// already visible, or in this group, has one.
func (w *writer) isNew(e *entry) bool {
	var p audience.Profile
	if w.store.directory.Lookup([]byte(e.ID), &p) {
		return false
	}
	for _, other := range w.placed {
		if other.entry.userNo == e.userNo {
			return false
		}
	}
	return true
}

// number gives the entry its user number and returns the key.
func (w *writer) number(e *entry) (*Key, error) {
	if u := w.fresh[e.ID]; u != nil {
		e.userNo = u.ord
		return &u.key, nil
	}
	var p audience.Profile
	if w.store.directory.Lookup([]byte(e.ID), &p) {
		e.userNo = p.Ord
		key, ok, err := w.store.keys.read(p.Ord)
		if err == nil && !ok {
			err = fmt.Errorf("user number %d has a profile but no key", p.Ord)
		}
		return &key, err
	}
	u := &newUser{ord: w.next + audience.UserOrd(len(w.fresh))}
	if u.ord < w.next || u.ord == ^audience.UserOrd(0) {
		return nil, errors.New("all 2^32-1 user numbers are given")
	}
	if _, err := rand.Read(u.key[:]); err != nil {
		return nil, err
	}
	w.fresh[e.ID] = u
	w.keys = appendKeyRecord(w.keys, u.ord, keyLive, &u.key)
	e.userNo = u.ord
	return &u.key, nil
}

// commit makes the group durable, then visible.
func (w *writer) commit() error {
	s := w.store
	if w.broken != nil {
		return w.broken
	}
	if len(w.placed) == 0 {
		return nil
	}
	if err := w.write(); err != nil {
		var lost unsynced
		if errors.As(err, &lost) {
			w.broken = fmt.Errorf("the user log needs a restart: %w", err)
		}
		return err
	}
	base := s.log.size - int64(len(w.frame))
	w.next += audience.UserOrd(len(w.fresh))
	for _, p := range w.placed {
		if err := s.apply(p.entry, base+int64(p.at)); err != nil {
			return err
		}
	}
	s.stats.Upserts.Add(uint64(len(w.placed)))
	s.stats.Syncs.Add(1)
	return nil
}

func (w *writer) write() error {
	if len(w.frame)-frameHeader > frameMax {
		return fmt.Errorf("a commit of %d bytes: want at most %d", len(w.frame), frameMax)
	}
	if len(w.keys) > 0 {
		if err := w.store.keys.write(w.next, w.keys); err != nil {
			return err
		}
	}
	return w.store.log.append(w.frame)
}

// forget destroys the key first: from then on no copy of the profile can be
// read, whatever happens next, and a replay skips it.
func (w *writer) forget(r *request) error {
	s := w.store
	if w.broken != nil {
		return w.broken
	}
	var p audience.Profile
	if !s.directory.Lookup([]byte(r.forget), &p) {
		return nil
	}
	err := s.keys.destroy(p.Ord)
	s.recent.forget(p.Ord)
	if err != nil {
		var lost unsynced
		if errors.As(err, &lost) {
			w.broken = fmt.Errorf("the user log needs a restart: %w", err)
		}
		return err
	}
	r.found = true
	s.directory.Remove([]byte(r.forget))
	s.segments.Replace(p.Ord, p.Segments, nil)
	s.stats.Forgets.Add(1)
	return nil
}
