package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
)

// question is what a command asks a server on its admin port.
type question struct {
	path string
	body any            // nil = none
	told func(progress) // nil: the answer is one JSON value; else progress comes before it, see answer
}

// answer is a line of an answer that takes long: progress, any number of times,
// then the result or an error.
type answer struct {
	Progress *progress       `json:"progress,omitempty"`
	Result   json.RawMessage `json:"result,omitempty"`
	Error    string          `json:"error,omitempty"`
}

// progress of long work.
type progress struct {
	Stage string `json:"stage"`
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
}

func (p progress) print(w io.Writer) {
	if p.Total > 0 {
		fmt.Fprintf(w, "%s: %d %%\n", p.Stage, 100*p.Done/p.Total)
	}
}

var errNotRunning = errors.New("no server answers")

// askServer asks the running server, or opens the data directory of one that is
// not running.
func askServer(ctx context.Context, cfg Config, log *slog.Logger, q question, out any) error {
	return withServer(ctx, cfg, log, func(ctx context.Context, admin string) error { return askRunning(ctx, admin, q, out) })
}

// withServer calls ask with the admin address of the running server. When ask
// finds none, it is called again with that of a server opened for it, on
// addresses of its own.
func withServer(ctx context.Context, cfg Config, log *slog.Logger, ask func(ctx context.Context, admin string) error) error {
	err := ask(ctx, "http://"+cfg.Admin.Listen)
	if !errors.Is(err, errNotRunning) {
		return err
	}
	cfg.Ads.Listen, cfg.Manage.Listen, cfg.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	n, err := OpenNode(ctx, cfg, log)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	<-n.ready
	_, _, admin := n.addresses()
	err = ask(ctx, admin)
	cancel()
	return errors.Join(err, <-ended, n.Close())
}

// askRunning asks a server at an address.
func askRunning(ctx context.Context, admin string, q question, out any) error {
	var body io.Reader
	if q.body != nil {
		raw, err := json.Marshal(q.body)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, admin+q.path, body)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%w at %s: %w", errNotRunning, admin, err)
	}
	defer resp.Body.Close()
	in := io.LimitReader(resp.Body, maxAnswer)
	if q.told == nil {
		raw, err := io.ReadAll(in)
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", q.path, bytes.TrimSpace(raw))
		}
		if err != nil {
			return err
		}
		return json.Unmarshal(raw, out)
	}
	for dec := json.NewDecoder(in); ; {
		var a answer
		if err := dec.Decode(&a); err != nil {
			return fmt.Errorf("%s: the answer broke off: %w", q.path, err)
		}
		switch {
		case a.Error != "":
			return fmt.Errorf("%s: %s", q.path, a.Error)
		case a.Result != nil:
			return json.Unmarshal(a.Result, out)
		case a.Progress != nil:
			q.told(*a.Progress)
		}
	}
}

// maxAnswer bounds what a command reads.
const maxAnswer = 64 << 20

// answerJSON answers a question at once.
func answerJSON(w http.ResponseWriter, result any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		result = map[string]string{"error": err.Error()}
	}
	_ = json.NewEncoder(w).Encode(result)
}

// answerLines answers a question that takes long: every five percent, then the
// result.
func answerLines(w http.ResponseWriter, work func(told func(progress)) (any, error)) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc, last := json.NewEncoder(w), ""
	result, err := work(func(p progress) {
		step := p.Stage
		if p.Total > 0 {
			step = fmt.Sprint(p.Stage, 20*p.Done/p.Total)
		}
		if step == last {
			return
		}
		last = step
		_ = enc.Encode(answer{Progress: &p})
		_ = http.NewResponseController(w).Flush()
	})
	var raw []byte
	if err == nil {
		raw, err = json.Marshal(result)
	}
	if err != nil {
		_ = enc.Encode(answer{Error: err.Error()})
		return
	}
	_ = enc.Encode(answer{Result: raw})
}

// askAdmin asks a running server; errNotRunning when none answers at all.
func askAdmin(ctx context.Context, method, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w at %s: %w", errNotRunning, url, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(strings.TrimSpace(string(raw)))
	}
	return raw, nil
}
