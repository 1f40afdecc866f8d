package store

import (
	"context"
	"errors"

	"mazad/audience"
	"mazad/internal/clock"
)

// Key is a user's data key.
type Key [32]byte

// Store is the durable store of users.
type Store struct{}

var errTODO = errors.New("not built yet")

// Open reads the directory and replays it.
func Open(dir string, clk clock.Clock) (*Store, error) { return nil, errTODO }

// Close ends the writer and closes the files.
func (s *Store) Close() error { return nil }

// Directory is what requests look users up in.
func (s *Store) Directory() *audience.Directory { return nil }

// Upsert replaces the users; when it returns nil they are on disk and visible.
func (s *Store) Upsert(ctx context.Context, users []User) error { return errTODO }

// Key returns the user's number and data key, creating both.
func (s *Store) Key(ctx context.Context, userID []byte) (audience.UserOrd, Key, error) {
	return 0, Key{}, errTODO
}

// KeyByOrd returns the data key of a user; ok is false when it was destroyed or
// never made.
func (s *Store) KeyByOrd(ord audience.UserOrd) (Key, bool, error) { return Key{}, false, errTODO }

// Forget destroys the user's key and profile; found is false for an unknown id.
func (s *Store) Forget(ctx context.Context, userID []byte) (found bool, err error) {
	return false, errTODO
}
