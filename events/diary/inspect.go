package diary

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"mazad/events"
)

// Damage is a place in a file of the embedded server where the stream is not as
// it was written. It wraps events.ErrDamaged.
type Damage struct {
	File   string
	Offset int64  // where the message begins
	Seq    uint64 // the batch that is damaged there, as far as it can be told
	Lethal bool   // the server itself must not read it
	Err    error
}

func (d *Damage) Error() string {
	return fmt.Sprintf("%s, offset %d (batch %d): %v", d.File, d.Offset, d.Seq, d.Err)
}

func (d *Damage) Unwrap() error { return d.Err }

// The server's block files (nats-server, filestore.go): messages end to end,
// each length 4, sequence 8, time 8, length of the subject 2, subject, data,
// checksum 8. With the top bit of the length set, length 4 and text of the
// message's headers come before the data. Marks of removed messages have
// neither subject nor data.
const (
	blockHead     = 22
	blockChecksum = 8
	blockHeaders  = 1 << 31 // of a length
	blockMark     = 1 << 62 // of a sequence: the message was removed
	// lethalJump is how far a sequence may lie beyond the last one: the server
	// notes every number between in memory, before it looks at a checksum, so
	// one flipped bit could take all there is.
	lethalJump = 1 << 24
)

// Inspect reads the newest limit bytes (0 = all) of the money stream's files of
// an embedded diary, which may be running, and names what is damaged, at most
// maxDamage places. Of an external one it finds nothing.
func Inspect(dir, stream string, limit int64) ([]*Damage, error) {
	if stream == "" {
		stream = Money
	}
	files, err := blockFiles(filepath.Join(dir, "jetstream", "$G", "streams", stream, "msgs"))
	if err != nil {
		return nil, fmt.Errorf("inspect the diary's files: %w", err)
	}
	var found []*Damage
	for n, f := range slices.Backward(files) {
		bad, size, err := inspectBlock(f, stream, n == len(files)-1)
		if errors.Is(err, fs.ErrNotExist) { // purged meanwhile
			continue
		}
		if err != nil {
			return found, fmt.Errorf("inspect the diary's files: %w", err)
		}
		found = append(found, bad...)
		if limit > 0 {
			if limit -= size; limit <= 0 {
				break
			}
		}
		if len(found) >= maxDamage {
			return found[:maxDamage], nil
		}
	}
	return found, nil
}

const maxDamage = 100

// blockFiles are the blocks in the order in which they were written.
func blockFiles(dir string) (files []string, err error) {
	all, err := filepath.Glob(filepath.Join(dir, "*.blk"))
	number := func(f string) int {
		n, _ := strconv.Atoi(strings.TrimSuffix(filepath.Base(f), ".blk"))
		return n
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(number(a), number(b)) })
	return all, err
}

// inspectBlock reads one file. The last one may be growing: a message that is
// not whole at its end is no damage there.
func inspectBlock(path, stream string, growing bool) (found []*Damage, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	in, head := bufio.NewReaderSize(f, 1<<20), make([]byte, blockHead)
	var body []byte
	for last, at := uint64(0), int64(0); ; {
		n, err := io.ReadFull(in, head)
		if n == 0 {
			return found, at, nil
		}
		bad := func(lethal bool, cause error) {
			found = append(found, &Damage{File: path, Offset: at, Seq: last + 1, Lethal: lethal, Err: cause})
		}
		length := int64(binary.LittleEndian.Uint32(head) &^ blockHeaders)
		if err == nil && (length < blockHead+blockChecksum || length > maxPayload+1024) {
			bad(false, fmt.Errorf("%w: a message of %d bytes", events.ErrDamaged, length)) // what follows cannot be found
			return found, at, nil
		}
		if err == nil {
			body = grow(body, int(length-blockHead))
			n, err = io.ReadFull(in, body)
		}
		if err != nil {
			if !growing {
				bad(false, fmt.Errorf("%w: a message is cut short (%d bytes are there)", events.ErrDamaged, n))
			}
			return found, at, nil
		}
		seq := binary.LittleEndian.Uint64(head[4:])
		if lethal, cause := inspectMessage(head, body, stream, last); cause != nil {
			bad(lethal, cause)
			seq = last + 1
		} else if seq&blockMark != 0 {
			seq = last
		}
		last = seq
		at += length
	}
}

func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// inspectMessage checks one message; last is the sequence before it in its
// block, 0 when it is the first. The batch's own checksum covers the data, and
// the rest has only one right value, but for the time.
func inspectMessage(head, body []byte, stream string, last uint64) (lethal bool, err error) {
	seq, subjectLen := binary.LittleEndian.Uint64(head[4:]), int(binary.LittleEndian.Uint16(head[20:]))
	want := subject(stream)
	switch {
	case seq&blockMark != 0 && subjectLen == 0 && len(body) == blockChecksum: // a removed message
		return false, nil
	case last > 0 && seq != last+1:
		return seq > last+lethalJump, fmt.Errorf("%w: sequence %d where %d is expected", events.ErrDamaged, seq, last+1)
	case seq == 0 || seq >= blockMark:
		return true, fmt.Errorf("%w: sequence %d", events.ErrDamaged, seq)
	case subjectLen != len(want) || len(body) < subjectLen+blockChecksum || string(body[:subjectLen]) != want:
		return false, fmt.Errorf("%w: another subject than %s", events.ErrDamaged, want)
	}
	data := body[subjectLen : len(body)-blockChecksum]
	if binary.LittleEndian.Uint32(head)&blockHeaders != 0 {
		if len(data) < 4 || uint64(len(data)-4) < uint64(binary.LittleEndian.Uint32(data)) {
			return false, fmt.Errorf("%w: headers that are longer than the message", events.ErrDamaged)
		}
		data = data[4+binary.LittleEndian.Uint32(data):]
	}
	_, err = events.OpenBatch(data)
	return false, err
}

// inspectAtStart bounds what is read before the server starts: about 0.1 s.
const inspectAtStart = 256 << 20

// preflight refuses to start a server that would not survive its own files.
func preflight(cfg *Config) error {
	found, err := Inspect(cfg.Dir, cfg.MoneyStream, inspectAtStart)
	for _, d := range found {
		if d.Lethal {
			return fmt.Errorf("stream %s: %w; restore the diary's folder from a backup", cfg.MoneyStream, d)
		}
		cfg.Log.Error("a file of the diary is damaged", "cause", d)
	}
	return err
}
