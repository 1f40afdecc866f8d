package diary

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"mazad/events"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Restored is one stream of a Restore. First is the sequence that its first
// batch gets, as it had when it was copied; Next gives the batches in order and
// io.EOF after the last, in memory that Restore does not keep.
type Restored struct {
	Stream string
	First  uint64
	Next   func() ([]byte, error)
}

// restoreAhead is how many batches are on their way at once.
const restoreAhead = 128

// Restore fills the streams of a diary that does not exist yet. Nobody may use it
// meanwhile. When it returns nil everything is on disk: what would be synced
// batch by batch is synced once, at the end. What it leaves behind after an error
// is to be thrown away.
func Restore(ctx context.Context, cfg Config, streams ...Restored) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	if cfg.Dir != "" {
		lock, err := lockDir(cfg.Dir)
		if err != nil {
			return err
		}
		defer lock.Close()
	}
	cfg.restoring = true
	l, err := dial(&cfg, func() {})
	if err != nil {
		return err
	}
	err = l.prepare(ctx, &cfg)
	for _, s := range streams {
		if err == nil {
			err = l.fill(ctx, s, s.Stream == cfg.MoneyStream)
		}
	}
	l.close()
	if err == nil && cfg.Dir != "" {
		err = syncAll(cfg.Dir)
	}
	return err
}

// fill publishes a stream. The money stream's sequences are what ledgers and
// reports refer to: each batch must get the one it had.
func (l *link) fill(ctx context.Context, r Restored, exact bool) error {
	s, err := l.js.Stream(ctx, r.Stream)
	if err != nil {
		return fmt.Errorf("stream %s: %w", r.Stream, err)
	}
	if last := s.CachedInfo().State.LastSeq; last != 0 {
		return fmt.Errorf("stream %s is not empty: it ends at %d", r.Stream, last)
	}
	next := max(r.First, 1)
	if next > 1 {
		if err := s.Purge(ctx, jetstream.WithPurgeSequence(next)); err != nil {
			return fmt.Errorf("stream %s: begin at %d: %w", r.Stream, next, err)
		}
	}
	var ahead []jetstream.PubAckFuture
	settle := func(most int) error {
		for len(ahead) > most {
			select {
			case ack := <-ahead[0].Ok():
				if want := next - uint64(len(ahead)); exact && ack.Sequence != want {
					return fmt.Errorf("stream %s: batch %d was stored as %d", r.Stream, want, ack.Sequence)
				}
			case err := <-ahead[0].Err():
				return fmt.Errorf("stream %s: %w", r.Stream, err)
			case <-ctx.Done():
				return ctx.Err()
			}
			ahead = ahead[1:]
		}
		return nil
	}
	for {
		data, err := r.Next()
		if errors.Is(err, io.EOF) {
			return settle(0)
		}
		if err == nil {
			_, err = events.OpenBatch(data)
		}
		if err != nil {
			return fmt.Errorf("stream %s, batch %d: %w", r.Stream, next, err)
		}
		msg := &nats.Msg{Subject: subject(r.Stream), Data: append([]byte(nil), data...)}
		f, err := l.js.PublishMsgAsync(msg, jetstream.WithRetryAttempts(0))
		if err != nil {
			return fmt.Errorf("stream %s, batch %d: %w", r.Stream, next, err)
		}
		ahead, next = append(ahead, f), next+1
		if err := settle(restoreAhead); err != nil {
			return err
		}
	}
}

// syncAll makes everything below dir durable, names included.
func syncAll(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return fmt.Errorf("sync %s: %w", path, err)
		}
		return nil
	})
}
