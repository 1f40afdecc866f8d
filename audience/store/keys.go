package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"mazad/audience"
)

// Key is a user's data key. It is a secret: never log it.
type Key [32]byte

// String hides the key from careless formatting.
func (Key) String() string { return "(data key)" }

const (
	keySize      = 64 // header and records
	keyBlock     = 1024
	keyLive      = 1
	keyDestroyed = 2
)

const keyMagic = "MAZADKEYS1\x00\x00"

var errKeyDamaged = errors.New("damaged key record")

// keyFile is the file of data keys: record n at byte 64*n, the header at 0.
type keyFile struct {
	path string
	file File
}

// open checks or writes the header. A short header is that of a creation that
// did not finish.
func (k *keyFile) open() error {
	size, err := k.file.Size()
	if err != nil {
		return err
	}
	header := make([]byte, keySize)
	if size < keySize {
		copy(header, keyMagic)
		if _, err := k.file.WriteAt(header, 0); err != nil {
			return err
		}
		return k.file.Sync()
	}
	if _, err := k.file.ReadAt(header, 0); err != nil {
		return err
	}
	if string(header[:len(keyMagic)]) != keyMagic {
		return fmt.Errorf("%s: offset 0: not a key file of this version", k.path)
	}
	return nil
}

// records is the number of whole records, the header not counted.
func (k *keyFile) records() (audience.UserOrd, error) {
	size, err := k.file.Size()
	if err != nil || size < keySize {
		return 0, err
	}
	return audience.UserOrd(size/keySize - 1), nil
}

func keyCRC(ord audience.UserOrd, record []byte) uint32 {
	var n [4]byte
	binary.LittleEndian.PutUint32(n[:], uint32(ord))
	return crc32.Update(crc32.Checksum(n[:], castagnoli), castagnoli, record[:keySize-4])
}

func appendKeyRecord(b []byte, ord audience.UserOrd, state byte, key *Key) []byte {
	record := make([]byte, keySize)
	record[0] = state
	copy(record[8:], key[:])
	binary.LittleEndian.PutUint32(record[keySize-4:], keyCRC(ord, record))
	return append(b, record...)
}

// parseKey reads a record; ok is false when the key was destroyed.
func parseKey(ord audience.UserOrd, record []byte) (key Key, ok bool, err error) {
	if record[0] == keyDestroyed {
		return Key{}, false, nil
	}
	if record[0] != keyLive || binary.LittleEndian.Uint32(record[keySize-4:]) != keyCRC(ord, record) {
		return Key{}, false, errKeyDamaged
	}
	return Key(record[8:40]), true, nil
}

// write stores records of consecutive numbers from first on and syncs.
func (k *keyFile) write(first audience.UserOrd, records []byte) error {
	if _, err := k.file.WriteAt(records, int64(first)*keySize); err != nil {
		return fmt.Errorf("write %s: %w", k.path, err)
	}
	if err := k.file.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", k.path, unsynced{err})
	}
	return nil
}

// destroy overwrites one key and syncs.
func (k *keyFile) destroy(ord audience.UserOrd) error {
	return k.write(ord, appendKeyRecord(nil, ord, keyDestroyed, &Key{}))
}

// read reads one key.
func (k *keyFile) read(ord audience.UserOrd) (Key, bool, error) {
	record := make([]byte, keySize)
	if _, err := k.file.ReadAt(record, int64(ord)*keySize); err != nil {
		return Key{}, false, fmt.Errorf("read %s: offset %d: %w", k.path, int64(ord)*keySize, err)
	}
	key, ok, err := parseKey(ord, record)
	if err != nil {
		err = fmt.Errorf("%s: offset %d: user number %d: %w", k.path, int64(ord)*keySize, ord, err)
	}
	return key, ok, err
}

// keyReader reads many keys, mostly of neighbouring numbers.
type keyReader struct {
	keys  *keyFile
	first audience.UserOrd
	block []byte
}

func (r *keyReader) read(ord audience.UserOrd) (Key, bool, error) {
	first := ord / keyBlock * keyBlock
	if r.block == nil || first != r.first {
		buf := make([]byte, keyBlock*keySize)
		n, err := r.keys.file.ReadAt(buf, int64(first)*keySize)
		if err != nil && !errors.Is(err, io.EOF) {
			return Key{}, false, fmt.Errorf("read %s: %w", r.keys.path, err)
		}
		r.first, r.block = first, buf[:n]
	}
	at := int(ord-first) * keySize
	if at+keySize > len(r.block) {
		return Key{}, false, fmt.Errorf("%s: offset %d: user number %d has no key record", r.keys.path, int64(ord)*keySize, ord)
	}
	key, ok, err := parseKey(ord, r.block[at:at+keySize])
	if err != nil {
		err = fmt.Errorf("%s: offset %d: user number %d: %w", r.keys.path, int64(ord)*keySize, ord, err)
	}
	return key, ok, err
}
