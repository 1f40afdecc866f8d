package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"mazad/bench/load"
)

// drained is the outcome of sending a list of shots.
type drained struct {
	acked int64
	took  time.Duration
}

// drain sends the list in closed loop for at most a round, and books what was
// acknowledged. Shots that were not sent are given back.
func (in *ingest) drain(ctx context.Context, list []shot, connections int) (*drained, error) {
	r, sent, took, err := in.fire(ctx, list, connections, 0)
	if err != nil {
		return nil, err
	}
	if r.Errors > 0 || r.Share(200, 204) < 1 {
		return nil, fmt.Errorf("%d requests failed, answers by status: %v: %w", r.Errors, r.Status, r.FirstError)
	}
	d := &drained{took: took}
	for i := range sent {
		n, err := in.book.read(&sent[i])
		if err != nil {
			return nil, err
		}
		d.acked += int64(n)
	}
	return d, nil
}

// paced sends single beacons in open loop.
func (in *ingest) paced(ctx context.Context, list []shot, rate float64) (*load.Report, error) {
	r, sent, _, err := in.fire(ctx, list, beaconConnections, rate)
	if err != nil {
		return nil, err
	}
	if r.Errors > 0 || r.Unsent > 0 || r.Share(200, 204) < 1 {
		return nil, fmt.Errorf("%d requests failed, answers by status: %v: %w", r.Errors, r.Status, r.FirstError)
	}
	for i := range sent {
		if _, err := in.book.read(&sent[i]); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// fire sends each shot of the list once, until the round is over, and returns
// those that were sent and how long that took.
func (in *ingest) fire(ctx context.Context, list []shot, connections int, rate float64) (*load.Report, []shot, time.Duration, error) {
	var next atomic.Int64
	current := make([]int64, connections) // the shot that a connection is at; its own
	spare := list[len(list)-1].request
	over := atomic.Int64{} // when the last shot of the list was answered
	began := time.Now()
	run, stop := context.WithCancel(ctx)
	defer stop()
	r, err := load.Run(run, load.Config{Address: in.node.Ads, Connections: connections, RatePerSecond: rate, Poisson: true, Seed: in.o.Seed,
		Duration: in.round, Timeout: requestTimeout,
		Request: func(c int, _ uint64) []byte {
			i := next.Add(1) - 1
			current[c] = i
			if i >= int64(len(list)) {
				stop() // the list is used up: what is sent once more is a repeat
				return spare
			}
			return list[i].request
		},
		Answer: func(c int, _ uint64, status int, answer []byte, _, _ time.Duration) {
			i := current[c]
			if i >= int64(len(list)) {
				return
			}
			list[i].status = status
			if len(list[i].uses) > 1 {
				list[i].answer = bytes.Clone(answer)
			}
			over.Store(int64(time.Since(began)))
		}})
	if err != nil && (ctx.Err() != nil || !errors.Is(err, context.Canceled)) {
		return nil, nil, 0, err
	}
	sent := list[:min(next.Load(), int64(len(list)))]
	for _, s := range list[len(sent):] {
		in.wallet.spare = append(in.wallet.spare, s.uses...)
	}
	return r, sent, time.Duration(over.Load()), nil
}

// once sends one request on a connection of its own.
func (in *ingest) once(request []byte) (status int, answer []byte, err error) {
	c, err := load.Dial(in.node.Ads, requestTimeout)
	if err != nil {
		return 0, nil, err
	}
	defer c.Close()
	status, answer, err = c.Do(request)
	return status, bytes.Clone(answer), err
}
