package reporting

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"mazad/internal/failpoint"
)

// Intent is a batch that is about to be inserted: sequences First to Last of a
// stream, both included, with what they add up to.
type Intent struct {
	Stream string `json:"stream"`
	First  uint64 `json:"first"`
	Last   uint64 `json:"last"`
	Rows   uint64 `json:"rows"`
	Nanos  int64  `json:"nanos"` // sum of billed_nanos of all rows, wrapped to 64 bits: a checksum, not an amount
}

// Token is what makes a repeated insert of the batch be dropped.
func (i Intent) Token() string { return fmt.Sprintf("%s:%d-%d", i.Stream, i.First, i.Last) }

// IntentStore keeps batch boundaries durable. Put and Done return when it is on
// disk.
type IntentStore interface {
	// State returns the last sequence that is done and the intent that is not,
	// if any; known is false when nothing was ever written for the stream.
	State(ctx context.Context, stream string) (done uint64, open *Intent, known bool, err error)
	Put(ctx context.Context, i Intent) error
	Done(ctx context.Context, i Intent) error
}

// Journal is an IntentStore in one small file: checksummed lines, each synced.
type Journal struct {
	path string

	mu   sync.Mutex // guards the rest
	file *os.File
	size int64
	done map[string]uint64
	open map[string]Intent
}

// journalBytes is the size at which the journal is written anew.
const journalBytes = 1 << 20

// Where a test ends the process.
var (
	beforeRename = failpoint.New("journal.before-rename")
	afterRename  = failpoint.New("journal.after-rename")
)

type journalLine struct {
	What string `json:"what"` // "put" or "done"
	Intent
}

// OpenJournal reads the journal, cuts off a torn last line, and refuses one that
// is damaged elsewhere.
func OpenJournal(path string) (*Journal, error) {
	j := &Journal{path: path, done: map[string]uint64{}, open: map[string]Intent{}}
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the sink's journal: %w", err)
	}
	for n := 1; len(b) > 0; n++ {
		line, rest, whole := bytes.Cut(b, []byte("\n"))
		if !whole {
			break // the write that was under way when the process died
		}
		var l journalLine
		if err := decodeLine(line, &l); err != nil {
			if len(rest) == 0 {
				break
			}
			return nil, fmt.Errorf("the sink's journal %s is damaged in line %d: %w; remove it to rebuild it from ClickHouse", path, n, err)
		}
		j.apply(l)
		b = rest
	}
	if err := j.rewrite(); err != nil {
		return nil, fmt.Errorf("write the sink's journal: %w", err)
	}
	return j, nil
}

func (j *Journal) apply(l journalLine) {
	switch l.What {
	case "put":
		j.open[l.Stream] = l.Intent
	case "done":
		j.done[l.Stream] = l.Last
		delete(j.open, l.Stream)
	}
}

func encodeLine(l journalLine) []byte {
	b, _ := json.Marshal(l)
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum(b, castagnoli()), b)
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

func decodeLine(line []byte, l *journalLine) error {
	sum, body, ok := bytes.Cut(line, []byte(" "))
	if !ok || string(sum) != fmt.Sprintf("%08x", crc32.Checksum(body, castagnoli())) {
		return errors.New("the checksum does not hold")
	}
	return json.Unmarshal(body, l)
}

// rewrite replaces the file by one with only what still matters.
func (j *Journal) rewrite() error {
	var b []byte
	for s, last := range j.done {
		b = append(b, encodeLine(journalLine{What: "done", Intent: Intent{Stream: s, Last: last}})...)
	}
	for _, i := range j.open {
		b = append(b, encodeLine(journalLine{What: "put", Intent: i})...)
	}
	tmp := j.path + ".new"
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	beforeRename.Hit()
	if err == nil {
		err = os.Rename(tmp, j.path)
	}
	afterRename.Hit()
	if err != nil {
		_ = f.Close()
		return err
	}
	if j.file != nil { // the old file has no name any more: what is written there would be lost
		_ = j.file.Close()
	}
	j.file, j.size = f, int64(len(b))
	return syncDir(filepath.Dir(j.path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (j *Journal) append(l journalLine) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return errors.New("the sink's journal is closed")
	}
	b := encodeLine(l)
	if _, err := j.file.WriteAt(b, j.size); err != nil {
		return fmt.Errorf("write the sink's journal: %w", err)
	}
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("sync the sink's journal: %w", err)
	}
	j.size += int64(len(b))
	j.apply(l)
	if j.size > journalBytes {
		return j.rewrite()
	}
	return nil
}

// State implements IntentStore.
func (j *Journal) State(_ context.Context, stream string) (done uint64, open *Intent, known bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	done, known = j.done[stream]
	if i, ok := j.open[stream]; ok {
		open, known = &i, true
	}
	return done, open, known, nil
}

// Put implements IntentStore.
func (j *Journal) Put(_ context.Context, i Intent) error {
	return j.append(journalLine{What: "put", Intent: i})
}

// Done implements IntentStore.
func (j *Journal) Done(_ context.Context, i Intent) error {
	return j.append(journalLine{What: "done", Intent: i})
}

// Close closes the file.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	err := j.file.Close()
	j.file = nil
	return err
}
