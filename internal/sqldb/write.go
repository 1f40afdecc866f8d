package sqldb

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"mazad/internal/failpoint"

	"github.com/uptrace/bun"
)

// MaxGroup is the most writes in one transaction, and maxGroupTime how long it
// may collect more: callers of the first must not wait much longer than alone.
const (
	MaxGroup     = 256
	maxGroupTime = 5 * time.Millisecond
)

// Tx is what a function reads and writes with, inside its transaction.
type Tx = bun.IDB

// job is one call of Write. err and panicked are written by the writer before
// done is closed.
type job struct {
	ctx      context.Context
	fn       func(ctx context.Context, tx Tx) error
	taken    atomic.Bool // by the writer, which will run it, or by a caller that went away
	done     chan struct{}
	err      error
	panicked any
	failed   bool // rolled back alone, err says why
}

type insideWrite struct{}

var (
	errNested = errors.New("a Write inside a Write would wait for itself")
	errWaited = errors.New("wait for the writer")
)

// Write runs fn in a transaction and returns when it is on disk. An error of fn
// undoes what fn did and is returned as it is. fn may be run on another
// goroutine and, on a database that can refuse to serialize, more than once; it
// gets a context that is not cancelled, because breaking off one statement
// would undo the transaction it shares with others. ctx counts while waiting.
func (d *DB) Write(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error {
	if ctx.Value(insideWrite{}) != nil {
		return errNested
	}
	j := &job{ctx: ctx, fn: fn, done: make(chan struct{})}
	d.stats.Waiting.Add(1)
	select {
	case d.queue <- j:
	case <-d.quit:
		d.stats.Waiting.Add(-1)
		return ErrClosed
	case <-ctx.Done():
		d.stats.Waiting.Add(-1)
		return away(fmt.Errorf("%w: %w", errWaited, ctx.Err()))
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		if j.taken.CompareAndSwap(false, true) {
			return away(fmt.Errorf("%w: %w", errWaited, ctx.Err()))
		}
		<-j.done // it is being written
	case <-d.done:
		select {
		case <-j.done: // the writer got to it before it stopped
		default:
			return ErrClosed
		}
	}
	if j.panicked != nil {
		panic(j.panicked)
	}
	return away(j.err)
}

// Read runs fn in a transaction that sees one state of the database.
func (d *DB) Read(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error {
	tx, err := d.reader.BeginTx(ctx, d.engine.reading())
	if err != nil {
		return away(fmt.Errorf("begin to read: %w", err))
	}
	defer tx.Rollback()
	err = fn(ctx, tx)
	if ended := ctx.Err(); ended != nil {
		// A query that is broken off may look like one without rows: what fn made
		// of it is not to be trusted.
		return away(fmt.Errorf("read the database: %w (%v)", ended, err))
	}
	return away(err)
}

// run is the writer's goroutine.
func (d *DB) run() {
	defer close(d.done)
	for {
		select {
		case j := <-d.queue:
			d.group(j)
		case <-d.quit:
			for { // what was accepted is finished
				select {
				case j := <-d.queue:
					d.group(j)
				default:
					return
				}
			}
		}
	}
}

// Where a test ends the process.
var (
	beforeCommit = failpoint.New("store.before-commit")
	afterCommit  = failpoint.New("store.after-commit")
)

// group runs first and whatever else is waiting in one transaction. Most writes
// come alone, so the first has no savepoint: when it fails, the transaction has
// nothing else in it.
func (d *DB) group(first *job) {
	jobs := []*job{first}
	tx, err := d.begin(context.Background())
	if err != nil { // whoever waits behind it would wait as long again
		d.finish(d.waiting(jobs), err)
		return
	}
	start := d.clock.Now()
	if first.run(tx); first.failed {
		tx.Rollback()
		d.finish(jobs, nil)
		return
	}
	for err == nil && len(jobs) < MaxGroup && d.clock.Now().Sub(start) < maxGroupTime {
		var next *job
		select {
		case next = <-d.queue:
		default:
		}
		if next == nil {
			break
		}
		jobs = append(jobs, next)
		err = next.step(tx)
	}
	if err == nil {
		beforeCommit.Hit()
		err = tx.Commit()
		afterCommit.Hit()
	} else {
		tx.Rollback()
	}
	d.finish(jobs, err)
}

// waiting adds the jobs that are in the queue now.
func (d *DB) waiting(jobs []*job) []*job {
	for {
		select {
		case j := <-d.queue:
			jobs = append(jobs, j)
		default:
			return jobs
		}
	}
}

// finish tells every caller how it went; err is the failure of the whole group.
func (d *DB) finish(jobs []*job, err error) {
	d.stats.Commits.Add(1)
	for _, j := range jobs {
		switch {
		case j.failed:
			d.stats.Failed.Add(1)
		case err != nil:
			d.stats.Failed.Add(1)
			j.err = fmt.Errorf("write to the database: %w", err)
		default:
			d.stats.Writes.Add(1)
		}
		d.stats.Waiting.Add(-1)
		close(j.done)
	}
}

// step runs a job in a savepoint. Its error means that the transaction itself
// is lost: SQLite ends it by itself when the disk is full or fails, and what
// followed would then be committed piece by piece.
func (j *job) step(tx bun.Tx) error {
	ctx := context.Background()
	if _, err := tx.ExecContext(ctx, "SAVEPOINT one_write"); err != nil {
		return err
	}
	if j.run(tx); j.failed {
		if _, lost := tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT one_write"); lost != nil {
			j.failed = false // with all the others
			return fmt.Errorf("%w (the transaction was lost: %w)", j.err, lost)
		}
	}
	_, err := tx.ExecContext(ctx, "RELEASE SAVEPOINT one_write")
	return err
}

// run calls the function, unless nobody waits for it any more.
func (j *job) run(tx bun.Tx) {
	if err := j.ctx.Err(); err != nil || !j.taken.CompareAndSwap(false, true) {
		j.err, j.failed = fmt.Errorf("%w: %w", errWaited, j.ctx.Err()), true
		return
	}
	ctx := context.WithValue(context.WithoutCancel(j.ctx), insideWrite{}, true)
	if err := j.call(ctx, tx); err != nil {
		j.err, j.failed = err, true
	}
}

var errPanicked = errors.New("the function panicked")

// call turns a panic of the caller's function into a rollback here and a panic
// there: it must not end the writer.
func (j *job) call(ctx context.Context, tx bun.Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			j.panicked, err = p, errPanicked
		}
	}()
	return j.fn(ctx, tx)
}
