// Package postgrestest starts a PostgreSQL of a test's own.
//
// Contract: Start returns a server that nobody else uses: real binaries, a
// temporary directory, a Unix socket in it and no port. It is stopped and
// removed when the test ends, and stops by itself when the test's process dies.
// Where there are no binaries the test is skipped with one loud line; on CI, or
// with MAZAD_REQUIRE_ENGINES=1, it fails instead. The binaries are those of the
// postgres on the PATH, else those of npm/ in this folder (`make engines`).
//
// PostgreSQL refuses to run as root: there it runs as the user nobody.
//
// Concurrency: a Server may be used from any goroutine of its test.
package postgrestest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver named "pgx"
)

// Options say how a server differs from a production one.
type Options struct {
	NoSync bool // fsync off: the test says nothing about power cuts and makes many commits
}

// Server is a running PostgreSQL.
type Server struct {
	t      testing.TB
	dir    string
	bin    string
	opt    Options
	log    *os.File
	stdin  io.Closer // the server lives until this is closed
	ended  chan struct{}
	admin  *sql.DB
	mu     sync.Mutex
	serial int // guarded by mu
}

// startLimit bounds how long a start may take; it is 2 s with initdb.
const startLimit = 60 * time.Second

// Start starts a server for the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	bin, err := find()
	if err != nil {
		if os.Getenv("CI") == "true" || os.Getenv("MAZAD_REQUIRE_ENGINES") == "1" {
			t.Fatalf("PostgreSQL is required here: %v", err)
		}
		t.Skipf("ENGINE MISSING: %v", err)
	}
	dir, err := os.MkdirTemp("", "mazad-pg")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, dir: dir, opt: o}
	t.Cleanup(func() {
		s.Stop()
		if s.admin != nil {
			s.admin.Close()
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the PostgreSQL directory: %v", err)
		}
	})
	if s.bin, err = reachable(bin, dir); err != nil {
		t.Fatal(err)
	}
	if err := s.init(); err != nil {
		t.Fatal(err)
	}
	s.Restart()
	return s
}

// init makes the data directory.
func (s *Server) init() error {
	if os.Getuid() == 0 {
		if err := errors.Join(os.Chown(s.dir, nobody, nobody), os.Chmod(s.dir, 0o755)); err != nil {
			return fmt.Errorf("give the directory to the user that PostgreSQL runs as: %w", err)
		}
	}
	cmd := exec.Command(filepath.Join(s.bin, "initdb"), "-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	s.own(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// nobody is the user without rights on every Unix.
const nobody = 65534

// own makes a command run as somebody who is not root, in the server's directory.
func (s *Server) own(cmd *exec.Cmd) {
	cmd.Dir, cmd.Env = s.dir, []string{"PATH=" + os.Getenv("PATH"), "TZ=UTC", "LC_ALL=C"}
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, Setpgid: true}
	}
}

// keeper runs the server until its own standard input ends, which it does when
// the test's process dies too.
const keeper = `"$@" & pid=$!; trap '' INT TERM; cat >/dev/null; kill -QUIT $pid 2>/dev/null; wait $pid`

// Restart starts the server again on the same data, after Stop.
func (s *Server) Restart() {
	s.t.Helper()
	sync := "on"
	if s.opt.NoSync {
		sync = "off"
	}
	var err error
	if s.log, err = os.Create(filepath.Join(s.dir, "log")); err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", keeper, "keeper", filepath.Join(s.bin, "postgres"), "-D", s.data(), "-k", s.dir,
		"-c", "listen_addresses=", "-c", "fsync="+sync, "-c", "full_page_writes="+sync, "-c", "shared_buffers=32MB", "-c", "max_connections=100")
	s.own(cmd)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if s.stdin, err = cmd.StdinPipe(); err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.ended = make(chan struct{})
	go func() { cmd.Wait(); close(s.ended) }()
	if s.admin == nil {
		if s.admin, err = sql.Open("pgx", s.url("postgres")); err != nil {
			s.t.Fatal(err)
		}
	}
	deadline, tick := time.NewTimer(startLimit), time.NewTicker(20*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for s.admin.PingContext(context.Background()) != nil {
		select {
		case <-tick.C:
		case <-deadline.C:
			text, _ := os.ReadFile(s.log.Name())
			s.t.Fatalf("PostgreSQL did not start within %s: %s", startLimit, bytes.TrimSpace(text))
		}
	}
}

// Stop ends the server at once, as a crash would; committed data stays.
func (s *Server) Stop() {
	if s.stdin == nil {
		return
	}
	s.stdin.Close()
	<-s.ended
	s.stdin = nil
	s.log.Close()
}

// Database makes an empty database and returns its address.
func (s *Server) Database() string {
	s.t.Helper()
	s.mu.Lock()
	s.serial++
	name := fmt.Sprintf("test_%d", s.serial)
	s.mu.Unlock()
	if _, err := s.admin.Exec("CREATE DATABASE " + name); err != nil {
		s.t.Fatal(err)
	}
	return s.url(name)
}

func (s *Server) url(database string) string {
	return (&url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/" + database, RawQuery: url.Values{"host": {s.dir}}.Encode()}).String()
}
