package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"mazad/bench/body"
	"mazad/bench/load"
)

// wallet holds tokens of ads that the node has served and nobody has used yet.
// They are fetched through the feed, ten a request, as an app would.
type wallet struct {
	in     *ingest
	next   *body.Generator
	tokens [][]byte // not used at all
	viewed [][]byte // impression used, view not yet
	spare  []use    // planned and never sent
}

func newWallet(in *ingest) *wallet { return &wallet{in: in, next: body.New(in.o.Seed, 2000)} }

// feedConnections fetch tokens.
const feedConnections = 16

// fill asks for ads until there are n unused tokens.
func (w *wallet) fill(ctx context.Context, n int) error {
	var mu sync.Mutex // guards w.tokens while connections fill it
	for tries := 0; len(w.tokens) < n; tries++ {
		if tries == 60 {
			return fmt.Errorf("the feed gave only %d of %d tokens", len(w.tokens), n)
		}
		bodies := make([][]byte, 256)
		for i := range bodies {
			bodies[i] = load.Request("POST", "mazad.example", "/v1/ads", feedBody(w.next), load.JSON, load.Header{Name: "X-Api-Key", Value: w.in.node.Decision})
		}
		r, err := load.Run(ctx, load.Config{Address: w.in.node.Ads, Connections: feedConnections, Duration: 200 * time.Millisecond, Timeout: requestTimeout,
			Request: func(c int, n uint64) []byte { return bodies[(uint64(c)*16+n)%uint64(len(bodies))] },
			Answer: func(_ int, _ uint64, status int, answer []byte, _, _ time.Duration) {
				got := tokensOf(answer)
				mu.Lock()
				w.tokens = append(w.tokens, got...)
				mu.Unlock()
			}})
		if err != nil {
			return err
		}
		if r.Errors > 0 || r.Share(200) < 1 {
			return fmt.Errorf("%d ad requests failed, answers by status: %v: %w", r.Errors, r.Status, r.FirstError)
		}
	}
	return nil
}

// tokensOf copies the tokens out of a feed answer.
func tokensOf(answer []byte) (out [][]byte) {
	for {
		_, rest, ok := bytes.Cut(answer, []byte("/t/i/"))
		if !ok {
			return out
		}
		token, rest, _ := bytes.Cut(rest, []byte{'"'})
		out, answer = append(out, bytes.Clone(token)), rest
	}
}

// use is one event to send.
type use struct {
	view  bool
	token []byte
}

// take gives n uses: three impressions, then two views of ads that were shown.
func (w *wallet) take(ctx context.Context, n int) ([]use, error) {
	out := make([]use, 0, n)
	k := min(n, len(w.spare))
	out, w.spare = append(out, w.spare[len(w.spare)-k:]...), w.spare[:len(w.spare)-k]
	if err := w.fill(ctx, (n-k)*3/5+5); err != nil {
		return nil, err
	}
	for len(out) < n {
		if len(out)%5 < 3 || len(w.viewed) == 0 {
			last := len(w.tokens) - 1
			if last < 0 {
				return nil, errors.New("the wallet ran out of tokens")
			}
			t := w.tokens[last]
			w.tokens, w.viewed = w.tokens[:last], append(w.viewed, t)
			out = append(out, use{token: t})
			continue
		}
		last := len(w.viewed) - 1
		out, w.viewed = append(out, use{view: true, token: w.viewed[last]}), w.viewed[:last]
	}
	return out, nil
}

// shot is one request and what it carries.
type shot struct {
	request []byte
	uses    []use
	status  int    // 0: never answered
	answer  []byte // of a batch
}

func (w *wallet) batches(ctx context.Context, each, n int) ([]shot, error) {
	uses, err := w.take(ctx, each*n)
	if err != nil {
		return nil, err
	}
	out := make([]shot, n)
	for i := range out {
		out[i].uses = uses[i*each : (i+1)*each]
		out[i].request = w.batch(out[i].uses)
	}
	return out, nil
}

func (w *wallet) batch(uses []use) []byte {
	b := []byte(`{"events":[`)
	for i, u := range uses {
		kind := `{"type":"impression","token":"`
		if u.view {
			kind = `{"type":"view","token":"`
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, kind...), u.token...), `"}`...)
	}
	return load.Request("POST", "mazad.example", "/v1/events", append(b, `]}`...), load.JSON, load.Header{Name: "X-Api-Key", Value: w.in.node.Event})
}

func (w *wallet) beacons(ctx context.Context, n int) ([]shot, error) {
	uses, err := w.take(ctx, n)
	if err != nil {
		return nil, err
	}
	out := make([]shot, n)
	for i := range out {
		out[i].uses = uses[i : i+1]
		path := "/t/i/"
		if uses[i].view {
			path = "/t/v/"
		}
		out[i].request = load.Request("GET", "mazad.example", path+string(uses[i].token), nil)
	}
	return out, nil
}
