package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"mazad/audience"
)

// Backup gives the files of the store to keep, by name, while the store is in
// use: everything that was acknowledged before the call is in them, and they open
// as after a crash. The log comes first, so that every entry finds its key; a user
// who is forgotten in between is forgotten in the copy too.
func (s *Store) Backup(keep func(name string, r io.Reader) error) error {
	size, err := s.log.file.Size()
	if err == nil {
		err = keep("users.log", io.NewSectionReader(s.log.file, 0, size))
	}
	if err != nil {
		return fmt.Errorf("copy %s: %w", s.log.path, err)
	}
	records, err := s.keys.records()
	if err == nil {
		err = keep("users.keys", &keyCopy{keys: &s.keys, records: records})
	}
	if err != nil {
		return fmt.Errorf("copy %s: %w", s.keys.path, err)
	}
	return nil
}

// keyCopy reads the key file whole records at a time. A record that is being
// overwritten may be read half; it is read again.
type keyCopy struct {
	keys    *keyFile
	records audience.UserOrd
	next    int64 // record to be read; 0 is the header
	rest    []byte
}

// rereads bounds how often a record is read that does not hold: it takes the
// writer microseconds to finish one.
const rereads = 1000

func (c *keyCopy) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		if c.next > int64(c.records) {
			return 0, io.EOF
		}
		n := min(keyBlock, int64(c.records)+1-c.next)
		block := make([]byte, n*keySize)
		if _, err := c.keys.file.ReadAt(block, c.next*keySize); err != nil {
			return 0, err
		}
		for i := range n {
			if err := c.check(c.next+i, block[i*keySize:][:keySize]); err != nil {
				return 0, err
			}
		}
		c.next, c.rest = c.next+n, block
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// check reads a record again until it holds. One of zeros was never written: a
// commit that did not come about leaves such a hole.
func (c *keyCopy) check(n int64, record []byte) error {
	for range rereads {
		if n == 0 || bytes.Count(record, []byte{0}) == keySize {
			return nil
		}
		if _, _, err := parseKey(audience.UserOrd(n), record); err == nil {
			return nil
		}
		if _, err := c.keys.file.ReadAt(record, n*keySize); err != nil {
			return err
		}
	}
	return errors.Join(fmt.Errorf("offset %d: user number %d", n*keySize, n), errKeyDamaged)
}
