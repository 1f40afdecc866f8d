package store

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"mazad/audience"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const (
	logMagic    = "MAZADUSERS1\x00"
	logHeader   = 32
	saltAt      = 12
	saltSize    = 16
	frameHeader = 12
	frameMax    = 32 << 20 // bytes of payload: one Upsert of the largest users is 16 MiB
	entryHeader = 8        // user number, sealed length
	nonceSize   = 12
	scanBuffer  = 1 << 20
)

// logFile is users.log. size is where the next frame goes; the writer owns it.
type logFile struct {
	path string
	file File
	salt [saltSize]byte
	size int64
}

// open checks or writes the header. fresh allows a short header, that of a
// creation that did not finish: there must be no key then.
func (l *logFile) open(fresh bool) error {
	size, err := l.file.Size()
	if err != nil {
		return err
	}
	header := make([]byte, logHeader)
	if size < logHeader {
		if !fresh {
			return fmt.Errorf("%s: offset 0: the header is missing, but there are keys beside it", l.path)
		}
		copy(header, logMagic)
		if _, err := rand.Read(header[saltAt : saltAt+saltSize]); err != nil {
			return err
		}
		binary.LittleEndian.PutUint32(header[logHeader-4:], crc32.Checksum(header[:logHeader-4], castagnoli))
		if _, err := l.file.WriteAt(header, 0); err != nil {
			return err
		}
		if err := l.file.Sync(); err != nil {
			return err
		}
	} else if _, err := l.file.ReadAt(header, 0); err != nil {
		return err
	}
	if string(header[:len(logMagic)]) != logMagic {
		return fmt.Errorf("%s: offset 0: not a user log of this version", l.path)
	}
	if binary.LittleEndian.Uint32(header[logHeader-4:]) != crc32.Checksum(header[:logHeader-4], castagnoli) {
		return fmt.Errorf("%s: offset 0: checksum of the header does not match", l.path)
	}
	copy(l.salt[:], header[saltAt:])
	return nil
}

// headerCRC binds a frame header to this file and offset, so that nothing inside
// a payload can look like a frame.
func (l *logFile) headerCRC(offset int64, length uint32) uint32 {
	var b [saltSize + 12]byte
	copy(b[:], l.salt[:])
	binary.LittleEndian.PutUint64(b[saltSize:], uint64(offset))
	binary.LittleEndian.PutUint32(b[saltSize+8:], length)
	return crc32.Checksum(b[:], castagnoli)
}

// append writes one frame (whose first frameHeader bytes are left free) and
// syncs. After a failed write the file is cut back.
func (l *logFile) append(frame []byte) error {
	payload := frame[frameHeader:]
	binary.LittleEndian.PutUint32(frame, uint32(len(payload)))
	binary.LittleEndian.PutUint32(frame[4:], l.headerCRC(l.size, uint32(len(payload))))
	binary.LittleEndian.PutUint32(frame[8:], crc32.Checksum(payload, castagnoli))
	if _, err := l.file.WriteAt(frame, l.size); err != nil {
		err = fmt.Errorf("write %s: offset %d: %w", l.path, l.size, err)
		if cut := l.file.Truncate(l.size); cut != nil {
			return unsynced{errors.Join(err, cut)}
		}
		return err
	}
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", l.path, unsynced{err})
	}
	l.size += int64(len(frame))
	return nil
}

// replay reads every frame, cuts off a torn last one and returns how many bytes
// that were. each gets the payload and its offset in the file.
func (l *logFile) replay(each func(offset int64, payload []byte) error) (torn int64, err error) {
	end, err := l.file.Size()
	if err != nil {
		return 0, err
	}
	var payload []byte
	l.size = logHeader
	for l.size < end {
		payload, err = l.frame(l.size, end, payload)
		if errors.Is(err, errBadFrame) {
			return l.tear(end)
		}
		if err != nil {
			return 0, err
		}
		if err := each(l.size+frameHeader, payload); err != nil {
			return 0, err
		}
		l.size += frameHeader + int64(len(payload))
	}
	return 0, nil
}

var errBadFrame = errors.New("damaged frame")

// frame reads and checks the frame at offset.
func (l *logFile) frame(offset, end int64, buf []byte) ([]byte, error) {
	var h [frameHeader]byte
	if end-offset < frameHeader {
		return buf, errBadFrame
	}
	if _, err := l.file.ReadAt(h[:], offset); err != nil {
		return buf, fmt.Errorf("read %s: offset %d: %w", l.path, offset, err)
	}
	n := binary.LittleEndian.Uint32(h[:])
	if binary.LittleEndian.Uint32(h[4:]) != l.headerCRC(offset, n) || n > frameMax || int64(n) > end-offset-frameHeader {
		return buf, errBadFrame
	}
	if cap(buf) < int(n) {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if _, err := l.file.ReadAt(buf, offset+frameHeader); err != nil && n > 0 {
		return buf, fmt.Errorf("read %s: offset %d: %w", l.path, offset, err)
	}
	if binary.LittleEndian.Uint32(h[8:]) != crc32.Checksum(buf, castagnoli) {
		return buf, errBadFrame
	}
	return buf, nil
}

// tear decides whether the damaged frame at l.size is a torn end, and cuts it off.
func (l *logFile) tear(end int64) (int64, error) {
	corrupt := fmt.Errorf("%s: offset %d: %w: not a torn end, whole frames follow", l.path, l.size, errBadFrame)
	if end-l.size > frameHeader+frameMax {
		return 0, corrupt
	}
	whole, err := l.wholeFrameAfter(l.size+1, end)
	if err != nil {
		return 0, err
	}
	if whole {
		return 0, corrupt
	}
	if err := l.file.Truncate(l.size); err != nil {
		return 0, fmt.Errorf("cut off the torn end of %s: offset %d: %w", l.path, l.size, err)
	}
	return end - l.size, l.file.Sync()
}

func (l *logFile) wholeFrameAfter(from, end int64) (bool, error) {
	buf := make([]byte, scanBuffer)
	for from+frameHeader <= end {
		n, err := l.file.ReadAt(buf[:min(int64(len(buf)), end-from)], from)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		if n < frameHeader {
			return false, nil
		}
		for i := 0; i+frameHeader <= n; i++ {
			length := binary.LittleEndian.Uint32(buf[i:])
			if length > frameMax || binary.LittleEndian.Uint32(buf[i+4:]) != l.headerCRC(from+int64(i), length) {
				continue
			}
			if _, err := l.frame(from+int64(i), end, nil); err == nil {
				return true, nil
			}
		}
		from += int64(n - frameHeader + 1)
	}
	return false, nil
}

// seal appends one entry to a payload.
func seal(b []byte, e *entry, key *Key) ([]byte, error) {
	gcm, err := newGCM(key)
	if err != nil {
		return b, err
	}
	plain := e.appendPlain(nil)
	b = binary.LittleEndian.AppendUint32(b, uint32(e.userNo))
	b = binary.LittleEndian.AppendUint32(b, uint32(nonceSize+len(plain)+gcm.Overhead()))
	nonce := len(b)
	b = append(b, make([]byte, nonceSize)...)
	if _, err := rand.Read(b[nonce:]); err != nil {
		return b, err
	}
	return gcm.Seal(b, b[nonce:], plain, b[nonce-entryHeader:nonce-4]), nil
}

// unseal reads a sealed profile.
func unseal(sealed []byte, ord audience.UserOrd, key *Key) (e entry, err error) {
	gcm, err := newGCM(key)
	if err != nil {
		return e, err
	}
	if len(sealed) < nonceSize {
		return e, errShort
	}
	plain, err := gcm.Open(nil, sealed[:nonceSize], sealed[nonceSize:], binary.LittleEndian.AppendUint32(nil, uint32(ord)))
	if err != nil {
		return e, err
	}
	e.userNo = ord
	return e, e.parsePlain(plain)
}

func newGCM(key *Key) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// entries walks a payload.
func entries(payload []byte, each func(at int, ord audience.UserOrd, sealed []byte) error) error {
	r := bytes.NewReader(payload)
	for r.Len() > 0 {
		at := len(payload) - r.Len()
		if len(payload)-at < entryHeader {
			return errShort
		}
		ord := audience.UserOrd(binary.LittleEndian.Uint32(payload[at:]))
		n := int(binary.LittleEndian.Uint32(payload[at+4:]))
		if n > len(payload)-at-entryHeader {
			return errShort
		}
		if err := each(at, ord, payload[at+entryHeader:][:n]); err != nil {
			return err
		}
		if _, err := r.Seek(int64(entryHeader+n), io.SeekCurrent); err != nil {
			return err
		}
	}
	return nil
}
