package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Limits of the child. Zero fields take the default.
type Limits struct {
	StatementBytes int           // SQL text; default 1 MiB
	BodyBytes      int64         // an INSERT's data, unpacked; default 256 MiB
	ResultBytes    int64         // an answer as the engine writes it; default 256 MiB
	Connections    int           // statements at a time; default 4
	Waiting        int           // statements waiting for a connection; default 64
	WaitTime       time.Duration // how long one waits; default 30 s
	QueryBytes     int64         // memory of one statement; default 2 GiB
	QueryTime      time.Duration // default 120 s
}

func (l Limits) withDefaults() Limits {
	def := func(v *int64, d int64) {
		if *v == 0 {
			*v = d
		}
	}
	if l.StatementBytes == 0 {
		l.StatementBytes = 1 << 20
	}
	if l.Connections == 0 {
		l.Connections = 4
	}
	if l.Waiting == 0 {
		l.Waiting = 64
	}
	def(&l.BodyBytes, 256<<20)
	def(&l.ResultBytes, 256<<20)
	def(&l.QueryBytes, 2<<30)
	def((*int64)(&l.WaitTime), int64(30*time.Second))
	def((*int64)(&l.QueryTime), int64(120*time.Second))
	return l
}

// Config of the child.
type Config struct {
	Lib     string // path of libchdb
	DataDir string // made if it is missing; one process at a time
	Addr    string // loopback address; default 127.0.0.1:0
	Token   string // required: what requests must carry
	Limits  Limits

	// Ready, when set, is called once with the address that is listened on and
	// the engine's version.
	Ready func(addr, version string)
}

// DirectoryInUse says that another process has the data directory.
type DirectoryInUse struct {
	Dir string
	PID string // as written by the other process; may be empty
}

func (e *DirectoryInUse) Error() string {
	return fmt.Sprintf("the ClickHouse data directory %s is in use by process %s: one process per directory", e.Dir, e.PID)
}

// Serve runs the engine until ctx ends, then finishes what is running and
// closes the directory.
func Serve(ctx context.Context, cfg Config) error {
	if cfg.Token == "" {
		return errors.New("embedded: a token is required")
	}
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	if err := checkLoopback(cfg.Addr); err != nil {
		return err
	}
	dir, err := filepath.Abs(cfg.DataDir)
	if err != nil {
		return err
	}
	spool := filepath.Join(dir, "spool")
	if err := os.MkdirAll(spool, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	release, err := lockDirectory(dir)
	if err != nil {
		return err
	}
	defer release()
	if err := emptyFolder(spool); err != nil {
		return err
	}
	lib, err := load(cfg.Lib)
	if err != nil {
		return err
	}
	lim := cfg.Limits.withDefaults()
	p, err := newPool(lib, filepath.Join(dir, "store"), lim)
	if err != nil {
		return err
	}
	defer p.close()
	ln, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if cfg.Ready != nil {
		cfg.Ready(ln.Addr().String(), lib.versionString())
	}
	return serveUntil(ctx, ln, &gateway{pool: p, token: cfg.Token, spool: spool, lim: lim})
}

// shutdownTime is what a running statement gets to finish.
const shutdownTime = 15 * time.Second

func serveUntil(ctx context.Context, ln net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 5 * time.Minute, MaxHeaderBytes: 64 << 10}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		return fmt.Errorf("statements were still running at shutdown: %w", err)
	}
	return nil
}

func checkLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("addr %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("addr %q: the embedded ClickHouse listens on a loopback address only", addr)
	}
	return nil
}

// emptyFolder removes the bodies that a killed process left behind.
func emptyFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
