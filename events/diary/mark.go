package diary

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"mazad/events"
)

// The mark says up to which batch everything was acknowledged, beside the
// stream: a server that finds the tail of its last block damaged drops it
// without a word, and the stream would look like a shorter one that is sound.
// It is written after the fact and never synced, so it is never ahead of the
// stream, and at most markEvery behind when a process dies.
//
// Its name comes before the server's folder, so that a copy of the directory
// that is made file by file while we write takes the mark first.
const (
	markName  = "acknowledged"
	markEvery = time.Second
)

// errNoMark: there is none, or it does not say anything that can be trusted.
var errNoMark = errors.New("no mark")

func markLine(stream string, seq uint64) string {
	body := fmt.Sprintf("%s %d", stream, seq)
	return fmt.Sprintf("%08x %s\n", crc32.Checksum([]byte(body), crc32.MakeTable(crc32.Castagnoli)), body)
}

// mark notes that everything up to seq was acknowledged.
func (d *Diary) mark(seq uint64) {
	if d.cfg.Dir == "" {
		return
	}
	path := filepath.Join(d.cfg.Dir, markName)
	err := os.WriteFile(path+".new", []byte(markLine(d.cfg.MoneyStream, seq)), 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		d.cfg.Log.Debug("the diary's mark was not written", "cause", err)
	}
}

// readMark returns what an earlier life acknowledged.
func (d *Diary) readMark() (seq uint64, err error) {
	if d.cfg.Dir == "" {
		return 0, errNoMark
	}
	raw, err := os.ReadFile(filepath.Join(d.cfg.Dir, markName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, errNoMark
	}
	if err != nil {
		return 0, err
	}
	var sum, stream string
	if _, err := fmt.Sscanf(string(raw), "%s %s %d\n", &sum, &stream, &seq); err != nil || string(raw) != markLine(stream, seq) {
		d.cfg.Log.Error("the diary's mark is damaged and is made anew; the stream's end cannot be checked against it", "file", filepath.Join(d.cfg.Dir, markName))
		return 0, errNoMark
	}
	if stream != d.cfg.MoneyStream { // of another node that had this directory
		return 0, errNoMark
	}
	return seq, nil
}

// checkEnd refuses a stream that is shorter than what was acknowledged.
func (d *Diary) checkEnd(last uint64) error {
	seq, err := d.readMark()
	switch {
	case errors.Is(err, errNoMark):
		return nil
	case err != nil:
		return fmt.Errorf("read the diary's mark: %w", err)
	case last < seq:
		return fmt.Errorf("%w: stream %s ends at batch %d, but batch %d was acknowledged: its files in %s are damaged or an older copy. "+
			"Restore them from a backup; to go on without batches %d to %d, remove %s",
			events.ErrDamaged, d.cfg.MoneyStream, last, seq, d.cfg.Dir, last+1, seq, filepath.Join(d.cfg.Dir, markName))
	}
	return nil
}

// markSometimes keeps the mark at most markEvery behind.
func (w *writer) markSometimes(seq uint64) {
	if now := w.d.cfg.Clock.Now(); now.Sub(w.marked) >= markEvery || now.Before(w.marked) {
		w.marked = now
		w.d.mark(seq)
	}
}

// markEnd is the last thing that a diary which is closed in order does.
func (d *Diary) markEnd() {
	if seq := d.stats.lastSeq.Load(); seq > 0 {
		d.mark(seq)
	}
}
