package archive

import (
	"context"
	"fmt"
	"sort"
	"time"

	"mazad/events/diary"
)

// floor is the last batch that every consumer has passed, and the name of the
// slowest one.
func (w *Worker) floor(ctx context.Context) (seq uint64, slowest string, err error) {
	_, seq = w.cfg.Archive.Range()
	slowest = "the archive"
	for _, c := range w.cfg.Consumers {
		at, err := c.Position(ctx)
		if err != nil {
			return 0, c.Name, fmt.Errorf("find how far %s is, before anything leaves the stream: %w", c.Name, err)
		}
		if at < seq {
			seq, slowest = at, c.Name
		}
	}
	return seq, slowest, nil
}

// Purge removes from the stream what lies in the archive, was read back whole,
// has been passed by every consumer and is older than Keep; whole files at a
// time, and never the last batch of the stream, which tells the next life where
// it is. It returns the first batch that stays.
func (w *Worker) Purge(ctx context.Context) (keep uint64, err error) {
	w.purge.Lock()
	defer w.purge.Unlock()
	a := w.cfg.Archive
	first, last, err := w.cfg.Source.Last(ctx, a.stream)
	if err != nil || a.Trouble() != nil {
		return first, err
	}
	floor, slowest, err := w.floor(ctx)
	if err != nil {
		return first, err
	}
	oldest, pressed := w.cfg.Clock.Now().Add(-w.cfg.Keep).UnixMilli(), w.cfg.Pressed()
	w.keepStats(func(s *Stats) { s.Floor, s.Slowest = floor, slowest })
	files, keep := a.Files(), first
	i := sort.Search(len(files), func(i int) bool { return files[i].Last >= first })
	for ; i < len(files); i++ {
		e := files[i]
		if e.Last > floor || e.Last >= last || e.ToMS > oldest && !pressed {
			break
		}
		if e.Last > w.checked {
			if err := a.readFile(ctx, e, 0, 1<<63, func(*diary.Batch) error { return nil }); err != nil {
				return first, fmt.Errorf("nothing leaves the stream: %w", err)
			}
			w.checked = e.Last
		}
		keep = e.Last + 1
	}
	if keep <= first {
		return first, nil
	}
	if err := w.cfg.Source.Purge(ctx, a.stream, keep); err != nil {
		return first, err
	}
	w.keepStats(func(s *Stats) { s.Purged += keep - first })
	w.cfg.Log.Info("archived batches left the stream", "stream", a.stream, "first_kept", keep)
	return keep, nil
}

// Retire removes files that are older than Retain and final: every consumer has
// passed them and they left the stream.
func (w *Worker) Retire(ctx context.Context) ([]Entry, error) {
	a := w.cfg.Archive
	if a.Trouble() != nil {
		return nil, nil
	}
	now := w.cfg.Clock.Now()
	old := now.Add(-w.cfg.Retain).UnixMilli()
	if files := a.Files(); len(files) == 0 || files[0].ToMS > old {
		return nil, nil
	}
	floor, _, err := w.floor(ctx)
	if err != nil {
		return nil, err
	}
	first, _, err := w.cfg.Source.Last(ctx, a.stream)
	if err != nil {
		return nil, err
	}
	removed, err := a.retire(ctx, func(e Entry) bool { return e.ToMS <= old && e.Last <= floor && e.Last < first })
	for _, e := range removed {
		w.cfg.Log.Info("archive file removed by retention", "file", e.Name, "records", e.Records, "retain", w.cfg.Retain)
	}
	w.keepStats(func(s *Stats) { s.Retired += uint64(len(removed)) })
	return removed, err
}

// Stats is a reading of the archive.
type Stats struct {
	Files    int
	Bytes    int64  // on disk
	RawBytes uint64 // of the batches, before compression
	Records  uint64
	First    uint64 // oldest and newest archived batch
	Last     uint64
	Seen     uint64        // last batch in the file under construction
	Lag      time.Duration // age of the oldest batch that is not archived; 0 when there is none
	Floor    uint64        // what may leave the stream at most
	Slowest  string        // who holds it there
	Purged   uint64        // batches that left the stream in this life
	Retired  uint64        // files removed by retention in this life
	Failures uint64
	Trouble  error // why nothing is archived now; nil when all is well
}

// Stats reads the counters.
func (w *Worker) Stats() Stats {
	w.mu.Lock()
	s := w.stats
	w.mu.Unlock()
	if err := w.cfg.Archive.Trouble(); err != nil {
		s.Trouble = err
	}
	for _, e := range w.cfg.Archive.Files() {
		s.Files++
		s.Bytes += e.Bytes
		s.RawBytes += e.Raw
		s.Records += e.Records
	}
	s.First, s.Last = w.cfg.Archive.Range()
	w.work.Lock()
	defer w.work.Unlock()
	if w.open != nil {
		s.Lag = max(0, w.cfg.Clock.Now().Sub(time.Unix(0, w.open.bornNS)))
	}
	return s
}

func (w *Worker) keepStats(change func(*Stats)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.stats)
}

func (w *Worker) seen(seq uint64) { w.keepStats(func(s *Stats) { s.Seen = seq }) }
