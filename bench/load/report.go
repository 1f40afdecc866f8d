package load

import (
	"fmt"
	"io"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Report is the outcome of a run, without its warm-up.
type Report struct {
	Seconds       float64
	Answered      int64 // with any status
	Errors        int64 // no answer: refused, cut off, timed out
	Unsent        int64 // the backlog was full
	Bytes         int64 // of answer bodies
	Status        map[int]int64
	RatePerSecond float64 // answered

	// From when a request was due (closed loop: sent).
	P50, P90, P99, P999, Max time.Duration
	// From when it was sent: the server's part. In open loop the difference is
	// the wait for a free connection.
	ServiceP50, ServiceP99 time.Duration

	FirstError error
}

// Share is the part of what was due that was answered with one of the statuses.
func (r *Report) Share(statuses ...int) float64 {
	var n int64
	for _, s := range statuses {
		n += r.Status[s]
	}
	if all := r.Answered + r.Errors + r.Unsent; all > 0 {
		return float64(n) / float64(all)
	}
	return 0
}

// Print writes the report for a person.
func (r *Report) Print(w io.Writer) {
	fmt.Fprintf(w, "%d answers in %.1f s = %.0f per second; p50 %s, p99 %s, p99.9 %s, max %s; %d errors, %d unsent\n",
		r.Answered, r.Seconds, r.RatePerSecond, r.P50, r.P99, r.P999, r.Max, r.Errors, r.Unsent)
	if r.FirstError != nil {
		fmt.Fprintf(w, "first error: %v\n", r.FirstError)
	}
}

func (r *run) report() *Report {
	latency := hdrhistogram.New(1, latencyMax.Nanoseconds(), 3)
	service := hdrhistogram.New(1, latencyMax.Nanoseconds(), 3)
	p := &Report{Unsent: r.unsent, Status: map[int]int64{}, Seconds: r.cfg.Duration.Seconds()}
	if took := time.Since(r.start); took < r.end { // cut short by the context
		p.Seconds = max(0, (took - r.cfg.WarmUp).Seconds())
	}
	for _, w := range r.workers {
		latency.Merge(w.latency)
		service.Merge(w.service)
		p.Errors += w.errors
		p.Bytes += w.bytes
		if p.FirstError == nil {
			p.FirstError = w.first
		}
		for status, n := range w.status {
			if n > 0 {
				p.Status[status] += n
				p.Answered += n
			}
		}
	}
	at := func(h *hdrhistogram.Histogram, q float64) time.Duration { return time.Duration(h.ValueAtQuantile(q)) }
	p.P50, p.P90, p.P99, p.P999 = at(latency, 50), at(latency, 90), at(latency, 99), at(latency, 99.9)
	p.Max = time.Duration(latency.Max())
	p.ServiceP50, p.ServiceP99 = at(service, 50), at(service, 99)
	if p.Seconds > 0 {
		p.RatePerSecond = float64(p.Answered) / p.Seconds
	}
	return p
}
