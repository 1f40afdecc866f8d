package embedded

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// State of the supervised child.
type State uint8

// The states.
const (
	StateStarting State = iota
	StateReady
	StateMissing // the library is not installed; Detail says how to install it
	StateFailed  // the child ended; it will be started again
	StateStopped
)

func (s State) String() string {
	return [...]string{"starting", "ready", "missing", "failed", "stopped"}[s]
}

// Status is what an operator sees.
type Status struct {
	State    State
	Detail   string
	URL      string // of the ClickHouse HTTP interface, with the token; empty unless ready
	Version  string // of the library
	PID      int
	Restarts int
}

// SupervisorConfig says how to run the child.
type SupervisorConfig struct {
	Command []string // the binary and its arguments, e.g. {self, "clickhouse", "--child"}
	Env     []string // of the child; nil = the parent's. TZ=UTC is added
	Lib     string   // path of libchdb; empty = looked for under Roots
	Roots   []string // folders where `npm ci` puts the library
	DataDir string
	Limits  Limits
	Log     *slog.Logger

	// After makes back-off timers; nil = time.After.
	After func(time.Duration) <-chan time.Time
}

// Supervisor keeps one child running.
type Supervisor struct {
	cfg   SupervisorConfig
	token string

	mu      sync.Mutex // guards the rest
	status  Status
	changed chan struct{} // closed and replaced at every change of status
}

// NewSupervisor checks the configuration; Run starts the child.
func NewSupervisor(cfg SupervisorConfig) (*Supervisor, error) {
	if len(cfg.Command) == 0 || cfg.DataDir == "" {
		return nil, errors.New("embedded: the supervisor needs a command and a data directory")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.After == nil {
		cfg.After = time.After
	}
	if err := cfg.absolute(); err != nil {
		return nil, err
	}
	b := make([]byte, 24)
	_, _ = rand.Read(b)
	return &Supervisor{cfg: cfg, token: hex.EncodeToString(b), changed: make(chan struct{})}, nil
}

// absolute makes every path independent of the working directory: it may be gone
// when the child is started again.
func (cfg *SupervisorConfig) absolute() error {
	cfg.Command, cfg.Roots = slices.Clone(cfg.Command), slices.Clone(cfg.Roots)
	paths := []*string{&cfg.DataDir}
	if cfg.Lib != "" {
		paths = append(paths, &cfg.Lib)
	}
	if filepath.Base(cfg.Command[0]) != cfg.Command[0] {
		paths = append(paths, &cfg.Command[0])
	}
	for i := range cfg.Roots {
		paths = append(paths, &cfg.Roots[i])
	}
	for _, p := range paths {
		abs, err := filepath.Abs(*p)
		if err != nil {
			return fmt.Errorf("embedded: %s: %w", *p, err)
		}
		*p = abs
	}
	return nil
}

// Status returns where the child stands and a channel that is closed at the
// next change.
func (s *Supervisor) Status() (Status, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status, s.changed
}

// Endpoint is the child's URL; ok is false unless it is ready.
func (s *Supervisor) Endpoint() (url string, ok bool) {
	st, _ := s.Status()
	return st.URL, st.State == StateReady
}

// WaitReady returns when the child is ready, cannot be because the library is
// missing, or ctx ends.
func (s *Supervisor) WaitReady(ctx context.Context) error {
	for {
		st, changed := s.Status()
		switch st.State {
		case StateReady:
			return nil
		case StateMissing:
			return errors.New(st.Detail)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("embedded ClickHouse is %s (%s): %w", st.State, st.Detail, ctx.Err())
		}
	}
}

func (s *Supervisor) set(change func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.status)
	close(s.changed)
	s.changed = make(chan struct{})
}

// Back-off between starts: a child that lived long starts again at once.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 30 * time.Second
	healthyLife  = time.Minute
	missingPause = 30 * time.Second // how often a missing library is looked for again
)

// Run keeps the child running until ctx ends. It returns nil then: nothing that
// happens to the child is an error of the house.
func (s *Supervisor) Run(ctx context.Context) error {
	defer s.set(func(st *Status) { *st = Status{State: StateStopped, Restarts: st.Restarts} })
	pause := firstPause
	for ctx.Err() == nil {
		lib, err := FindLibrary(s.cfg.Lib, s.cfg.Roots...)
		if err != nil {
			if st, _ := s.Status(); st.State != StateMissing {
				s.cfg.Log.Warn("reports are off", "reason", err.Error())
			}
			s.set(func(st *Status) { *st = Status{State: StateMissing, Detail: err.Error(), Restarts: st.Restarts} })
			s.wait(ctx, missingPause)
			continue
		}
		began := time.Now()
		s.set(func(st *Status) { *st = Status{State: StateStarting, Restarts: st.Restarts} })
		err = s.once(ctx, lib)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > healthyLife {
			pause = firstPause
		}
		s.cfg.Log.Warn("embedded ClickHouse ended", "error", err, "restart_in", pause)
		s.set(func(st *Status) { *st = Status{State: StateFailed, Detail: err.Error(), Restarts: st.Restarts + 1} })
		s.wait(ctx, pause)
		pause = min(2*pause, longestPause)
	}
	return nil
}

func (s *Supervisor) wait(ctx context.Context, d time.Duration) {
	select {
	case <-s.cfg.After(d):
	case <-ctx.Done():
	}
}

// stopTime is what a child gets to close its directory before it is killed.
const stopTime = 20 * time.Second

// once runs one child to its end.
func (s *Supervisor) once(ctx context.Context, lib string) error {
	if err := os.MkdirAll(s.cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	cmd := exec.CommandContext(ctx, s.cfg.Command[0], s.cfg.Command[1:]...)
	// The engine looks for config.xml in its working directory and below its home,
	// and does not open when the former is gone: both are the data directory.
	cmd.Dir, cmd.Env = s.cfg.DataDir, childEnv(s.cfg.Env, s.cfg.DataDir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	// The child stops by itself when its input ends; the kill is for one that hangs.
	cmd.Cancel = stdin.Close
	cmd.WaitDelay = stopTime
	stderr := &lineLog{log: s.cfg.Log}
	cmd.Stderr = stderr
	heard := &readyReader{}
	heard.got = func(r ready) {
		if r.Problem != "" {
			return
		}
		s.set(func(st *Status) {
			*st = Status{State: StateReady, URL: "http://mazad:" + s.token + "@" + r.Addr, Version: r.Version,
				PID: cmd.Process.Pid, Restarts: st.Restarts}
		})
		s.cfg.Log.Info("embedded ClickHouse is ready", "addr", r.Addr, "libchdb", r.Version)
	}
	cmd.Stdout = heard
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.cfg.Command[0], err)
	}
	if _, err := stdin.Write(orderLine(order{Lib: lib, DataDir: s.cfg.DataDir, Token: s.token, Limits: s.cfg.Limits})); err != nil {
		s.cfg.Log.Warn("send the order to embedded ClickHouse", "error", err)
	}
	err = cmd.Wait()
	if p := heard.problem(); p != "" {
		return errors.New(p)
	}
	if err == nil {
		err = errors.New("the child ended by itself")
	}
	return fmt.Errorf("%w; last words: %s", err, stderr.last())
}
