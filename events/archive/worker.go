package archive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"mazad/events"
	"mazad/events/diary"
	"mazad/internal/clock"

	"github.com/klauspost/compress/zstd"
)

// Source is the stream as the worker needs it; *diary.Diary is one.
type Source interface {
	Stream
	// Purge removes the batches before keep from the stream.
	Purge(ctx context.Context, stream string, keep uint64) error
}

// Consumer is a durable reader of the stream: nothing that it has not passed
// leaves the stream.
type Consumer struct {
	Name     string
	Position func(ctx context.Context) (seq uint64, err error) // the last sequence it never asks for again
}

// WorkerConfig of a worker. Zero values take the default.
type WorkerConfig struct {
	Archive   *Archive
	Source    Source
	Consumers []Consumer

	SealBytes int64         // a file is sealed at this size before compression; default 64 MiB
	SealAge   time.Duration // ... or when its first batch is this old; default 1 h
	Keep      time.Duration // archived batches stay in the stream this long; default 48 h
	Retain    time.Duration // archived files are kept this long; default 400 days
	// Pressed reports that the stream needs room: then Keep does not hold.
	Pressed func() bool
	Clock   clock.Clock
	Log     *slog.Logger
	After   func(time.Duration) <-chan time.Time // default time.After
}

// Worker archives a stream, purges what is archived and retires old files.
type Worker struct {
	cfg WorkerConfig
	enc *zstd.Encoder

	work  sync.Mutex // guards the file under construction
	open  *openFileWriter
	again context.CancelCauseFunc // ends follow, which begins anew; nil while it does not run

	checked uint64 // files up to this batch were read back; owned by Purge's caller
	purge   sync.Mutex

	mu    sync.Mutex // guards stats
	stats Stats
}

// openFileWriter is the file under construction.
type openFileWriter struct {
	*fileWriter
	pending Pending
	bornNS  int64
}

// NewWorker checks the configuration; Run works.
func NewWorker(cfg WorkerConfig) (*Worker, error) {
	if cfg.Archive == nil || cfg.Source == nil {
		return nil, errors.New("archive: a worker needs Archive and Source")
	}
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&cfg.SealAge, time.Hour)
	def(&cfg.Keep, 48*time.Hour)
	def(&cfg.Retain, 400*24*time.Hour)
	if cfg.SealBytes == 0 {
		cfg.SealBytes = 64 << 20
	}
	if cfg.Pressed == nil {
		cfg.Pressed = func() bool { return false }
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.After == nil {
		cfg.After = time.After
	}
	if cfg.SealBytes < blockTarget || cfg.SealBytes > maxFile/2 || cfg.SealAge < 0 || cfg.Keep < 0 || cfg.Retain < Final {
		return nil, fmt.Errorf("archive: seal_bytes %d, seal_age %s, keep %s, retain %s: want %d to %d, not negative, at least %s",
			cfg.SealBytes, cfg.SealAge, cfg.Keep, cfg.Retain, blockTarget, maxFile/2, Final)
	}
	enc, err := newEncoder()
	if err != nil {
		return nil, err
	}
	return &Worker{cfg: cfg, enc: enc}, nil
}

// Final is how long after its last record a file may still matter to a figure
// that is not final: the window of attribution, and the longest day on Earth.
const Final = events.ClickWindow + 50*time.Hour

// Intervals of the worker.
const (
	beatEvery  = time.Second
	tidyEvery  = time.Minute
	firstRetry = 100 * time.Millisecond
	lastRetry  = 10 * time.Second
)

// Run archives until ctx ends. Trouble is logged once, kept in Stats and tried
// again: ads are served and billed without the archive, and the stream keeps
// what is not archived.
func (w *Worker) Run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { w.keepTime(ctx) })
	pause, bad := firstRetry, false
	for ctx.Err() == nil {
		err := w.follow(ctx)
		if ctx.Err() != nil {
			break
		}
		if w.note(err); !bad {
			w.cfg.Log.Error("nothing is archived now, and nothing leaves the diary's stream", "cause", err)
		}
		bad = true
		select {
		case <-w.cfg.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, lastRetry)
		if w.cfg.Archive.Trouble() == nil && pause == lastRetry {
			bad = false // say it again from time to time
		}
	}
	wg.Wait()
	w.work.Lock()
	defer w.work.Unlock()
	w.discard()
}

// keepTime seals files by age, purges and retires.
func (w *Worker) keepTime(ctx context.Context) {
	var tidied time.Time
	for ctx.Err() == nil {
		select {
		case <-w.cfg.After(beatEvery):
		case <-ctx.Done():
			return
		}
		now := w.cfg.Clock.Now()
		err := w.sealAged(ctx, now)
		if err != nil {
			w.readAgain(err)
		}
		if age := now.Sub(tidied); age >= tidyEvery || age < 0 {
			tidied = now
			_, purged := w.Purge(ctx)
			_, retired := w.Retire(ctx)
			err = errors.Join(err, purged, retired)
		}
		if err != nil && ctx.Err() == nil && w.note(err) {
			w.cfg.Log.Error("the archive's upkeep failed, it is tried again", "cause", err)
		}
	}
}

// note keeps an error for Stats and reports whether it is a new one.
func (w *Worker) note(err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.stats.Trouble != nil && err != nil && w.stats.Trouble.Error() == err.Error()
	w.stats.Trouble = err
	if err != nil {
		w.stats.Failures++
	}
	return !known
}

// follow archives from where the archive ends until something fails.
func (w *Worker) follow(ctx context.Context) error {
	w.work.Lock()
	w.discard()
	w.work.Unlock()
	if err := w.cfg.Archive.Trouble(); err != nil {
		return err
	}
	_, last := w.cfg.Archive.Range()
	_, end, err := w.cfg.Source.Last(ctx, w.cfg.Archive.stream)
	if err != nil {
		return err
	}
	if last > end {
		return &BehindError{Stream: w.cfg.Archive.stream, Last: end, Archived: last}
	}
	reading, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	w.work.Lock()
	w.again = stop
	w.work.Unlock()
	err = w.cfg.Source.Consume(reading, w.cfg.Archive.stream, last+1, func(b *diary.Batch) error { return w.take(ctx, b) })
	if cause := context.Cause(reading); cause != nil {
		err = cause
	}
	return err
}

// readAgain starts follow anew after a file could not be sealed.
func (w *Worker) readAgain(err error) {
	w.work.Lock()
	defer w.work.Unlock()
	if w.again != nil {
		w.again(err)
	}
}

// take adds a batch to the open file and seals it when it is large enough.
func (w *Worker) take(ctx context.Context, b *diary.Batch) error {
	w.work.Lock()
	defer w.work.Unlock()
	if w.open == nil {
		if err := w.begin(ctx, b); err != nil {
			return err
		}
	}
	if err := w.open.add(b); err != nil {
		return err
	}
	w.seen(b.Seq)
	if int64(w.open.foot.raw) >= w.cfg.SealBytes {
		return w.seal(ctx)
	}
	return nil
}

func (w *Worker) begin(ctx context.Context, b *diary.Batch) error {
	a := w.cfg.Archive
	next, prev := a.current().next()
	if b.Seq != next {
		return fmt.Errorf("archive: the stream gives batch %d where %d is expected", b.Seq, next)
	}
	p, err := a.store.Create(ctx, partName)
	if err != nil {
		return err
	}
	fw, err := newFileWriter(p, w.enc, a.stream, next, prev)
	if err != nil {
		return errors.Join(err, p.Discard())
	}
	w.open = &openFileWriter{fileWriter: fw, pending: p, bornNS: b.Stored.UnixNano()}
	return nil
}

// discard forgets the open file; the stream has what was in it.
func (w *Worker) discard() {
	if w.open != nil {
		_ = w.open.pending.Discard()
		w.open = nil
	}
}

// sealAged seals the open file when its first batch is old enough.
func (w *Worker) sealAged(ctx context.Context, now time.Time) error {
	w.work.Lock()
	defer w.work.Unlock()
	if w.open == nil || now.Sub(time.Unix(0, w.open.bornNS)) < w.cfg.SealAge && !w.cfg.Pressed() {
		return nil
	}
	return w.seal(ctx)
}

// Seal seals what was read so far, whatever its age.
func (w *Worker) Seal(ctx context.Context) error {
	w.work.Lock()
	defer w.work.Unlock()
	if w.open == nil {
		return nil
	}
	return w.seal(ctx)
}

// seal makes the open file durable and names it in the manifest.
func (w *Worker) seal(ctx context.Context) error {
	a, open := w.cfg.Archive, w.open
	defer w.discard()
	e, err := open.finish()
	if err != nil {
		return err
	}
	if err := open.pending.Commit(e.Name); err != nil {
		return err
	}
	a.change.Lock()
	defer a.change.Unlock()
	if err := a.add(ctx, e); err != nil {
		return err
	}
	w.open = nil
	w.note(nil)
	w.cfg.Log.Info("archive file sealed", "file", e.Name, "records", e.Records, "bytes", e.Bytes, "raw_bytes", e.Raw)
	return nil
}
