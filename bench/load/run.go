package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	backlogMax     = 1 << 20          // due requests that no connection has taken
	latencyMax     = 60 * time.Second // the histogram's end; longer counts as this
	connectionsMax = 4096
	redialPause    = time.Millisecond // so that a dead server is not asked a million times
)

// Config is one run.
type Config struct {
	Address       string  // host:port
	Connections   int     // 1 to 4,096; enough that they are never all busy in open loop
	RatePerSecond float64 // 0: closed loop
	Poisson       bool    // random arrivals at that mean rate, as of many independent users
	Seed          uint64
	WarmUp        time.Duration // sent before Duration begins, and not reported
	Duration      time.Duration
	Timeout       time.Duration // per request

	// Request returns the prepared bytes of a connection's n-th request; it is
	// called from that connection's goroutine.
	Request func(connection int, n uint64) []byte

	// Answer, when set, is told every answer from that connection's goroutine;
	// body is valid until it returns. latency counts from when it was due, service
	// from when it was sent.
	Answer func(connection int, n uint64, status int, body []byte, latency, service time.Duration)
}

func (c *Config) validate() error {
	switch {
	case c.Connections < 1 || c.Connections > connectionsMax:
		return fmt.Errorf("connections: %d is not from 1 to %d", c.Connections, connectionsMax)
	case c.RatePerSecond < 0 || c.RatePerSecond > 1e7:
		return fmt.Errorf("rate: %g per second is not from 0 to 10,000,000", c.RatePerSecond)
	case c.Duration <= 0 || c.WarmUp < 0:
		return fmt.Errorf("duration: %s after a warm-up of %s: want a positive time", c.Duration, c.WarmUp)
	case c.Timeout <= 0 || c.Timeout > latencyMax:
		return fmt.Errorf("timeout: %s is not from 0 to %s", c.Timeout, latencyMax)
	case c.Request == nil:
		return fmt.Errorf("request: no function that prepares requests")
	}
	return nil
}

// run is what the goroutines of one Run share.
type run struct {
	cfg     *Config
	start   time.Time
	end     time.Duration      // since start: nothing is due later
	due     chan time.Duration // open loop only; closed when all was due
	stop    atomic.Bool        // the context ended
	unsent  int64              // owned by the pacer until due is closed
	workers []*worker
}

// worker is one connection and what it has seen; owned by its goroutine.
type worker struct {
	run     *run
	number  int
	client  *Client
	latency *hdrhistogram.Histogram // from when a request was due
	service *hdrhistogram.Histogram // from when it was sent
	status  [600]int64
	errors  int64
	first   error
	bytes   int64
}

// Run sends requests until Duration is over, waits for the last answers and
// reports. It fails when the first connections cannot be made.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	r := &run{cfg: &cfg, end: cfg.WarmUp + cfg.Duration}
	for i := range cfg.Connections {
		client, err := Dial(cfg.Address, cfg.Timeout)
		if err != nil {
			r.close()
			return nil, err
		}
		r.workers = append(r.workers, &worker{run: r, number: i, client: client,
			latency: hdrhistogram.New(1, latencyMax.Nanoseconds(), 3),
			service: hdrhistogram.New(1, latencyMax.Nanoseconds(), 3)})
	}
	defer r.close()
	defer context.AfterFunc(ctx, func() { r.stop.Store(true) })()

	r.start = time.Now()
	var all sync.WaitGroup
	if cfg.RatePerSecond > 0 {
		r.due = make(chan time.Duration, backlogMax)
		all.Go(r.pace)
	}
	for _, w := range r.workers {
		if r.due != nil {
			all.Go(w.open)
		} else {
			all.Go(w.closed)
		}
	}
	all.Wait()
	return r.report(), ctx.Err()
}

func (r *run) close() {
	for _, w := range r.workers {
		w.client.Close()
	}
}

// pace puts requests into the queue when they are due, and never waits for it.
func (r *run) pace() {
	defer close(r.due)
	sharpen() // the thread ends with this goroutine, which never unlocks it
	arrivals := NewArrivals(r.cfg.RatePerSecond, r.cfg.Poisson, r.cfg.Seed)
	for due := arrivals.Next(); due < r.end && !r.stop.Load(); due = arrivals.Next() {
		for wait := due - time.Since(r.start); wait > 0; wait = due - time.Since(r.start) {
			nap(min(wait, 10*time.Millisecond))
		}
		select {
		case r.due <- due:
		default:
			r.unsent++
		}
	}
}

// open sends what is due. After the end it works off the backlog for one
// timeout, because a request that waited long is exactly what must be counted.
func (w *worker) open() {
	n := uint64(0)
	for due := range w.run.due {
		if w.run.stop.Load() || time.Since(w.run.start) > w.run.end+w.run.cfg.Timeout {
			w.errors++
			w.keep(fmt.Errorf("still waiting for a connection %s after the end", w.run.cfg.Timeout))
			continue
		}
		w.send(n, due)
		n++
	}
}

func (w *worker) closed() {
	for n := uint64(0); !w.run.stop.Load(); n++ {
		now := time.Since(w.run.start)
		if now >= w.run.end {
			return
		}
		w.send(n, now)
	}
}

func (w *worker) send(n uint64, due time.Duration) {
	request := w.run.cfg.Request(w.number, n)
	sent := time.Since(w.run.start)
	status, body, err := w.client.Do(request)
	done := time.Since(w.run.start) - w.client.Waited
	if err != nil && w.client.conn == nil {
		nap(redialPause)
	}
	if due < w.run.cfg.WarmUp {
		return
	}
	if err != nil {
		w.errors++
		w.keep(err)
		return
	}
	w.status[status]++
	w.bytes += int64(len(body))
	record(w.latency, done-due)
	record(w.service, done-sent)
	if w.run.cfg.Answer != nil {
		w.run.cfg.Answer(w.number, n, status, body, done-due, done-sent)
	}
}

func (w *worker) keep(err error) {
	if w.first == nil {
		w.first = err
	}
}

// record clamps instead of losing what is out of range.
func record(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(min(max(d.Nanoseconds(), 1), latencyMax.Nanoseconds()))
}
