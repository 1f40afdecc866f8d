package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// process is `mazad serve` in a process group of its own, together with the
// ClickHouse it starts.
type process struct {
	testHouse
	cmd     *exec.Cmd
	took    time.Duration // from exec until it served
	served  chan struct{} // closed when the log says so
	ended   chan struct{} // closed when the process is gone
	logMu   sync.Mutex
	lines   []string // the last of its log
	err     error    // of Wait, once ended
	dataDir string
}

// maxLines is how much of a process's log is kept to explain a failure.
const maxLines = 60

// launch starts the process and does not wait for anything.
func launch(t testing.TB, cfg Config) *process {
	t.Helper()
	raw, err := yaml.Marshal(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "mazad.yaml")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	p := &process{testHouse: testHouse{t: t}, served: make(chan struct{}), ended: make(chan struct{}), dataDir: cfg.DataDir}
	p.cmd = exec.Command(os.Args[0], "serve", "--config", file)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read(stderr, began)
	t.Cleanup(func() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.ended
	})
	return p
}

// read follows the log until the process ends.
func (p *process) read(r io.Reader, began time.Time) {
	defer close(p.ended)
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l struct{ Msg, Ads, Manage, Admin string }
		if json.Unmarshal(lines.Bytes(), &l) == nil && l.Msg == "serving" {
			p.took = time.Since(began)
			p.ads, p.manage, p.admin = l.Ads, l.Manage, l.Admin
			close(p.served)
		}
		p.logMu.Lock()
		p.lines = append(p.lines[max(0, len(p.lines)-maxLines+1):], lines.Text())
		p.logMu.Unlock()
	}
	p.err = p.cmd.Wait()
}

// tail is the end of its log.
func (p *process) tail() string {
	p.logMu.Lock()
	defer p.logMu.Unlock()
	return strings.Join(p.lines, "\n")
}

// startProcess starts mazad serve and waits until it serves.
func startProcess(t testing.TB, cfg Config) *process {
	t.Helper()
	p := launch(t, cfg)
	select {
	case <-p.served:
	case <-p.ended:
		t.Fatalf("mazad serve ended: %v\n%s", p.err, p.tail())
	case <-time.After(time.Minute):
		t.Fatalf("mazad serve does not serve after a minute\n%s", p.tail())
	}
	key, err := os.ReadFile(filepath.Join(p.dataDir, "operator.key"))
	if err != nil {
		t.Fatal(err)
	}
	p.operator = strings.TrimSpace(string(key))
	return p
}

// verifies waits until the process can compare diary, ClickHouse and ledger, and
// wants them equal.
func (p *process) verifies(limit time.Duration) *verification {
	p.t.Helper()
	var v *verification
	var err error
	deadline := time.Now().Add(limit)
	for time.Now().Before(deadline) {
		if v, err = verifyRunning(p.t.Context(), p.admin); err == nil {
			break
		}
		p.pause(50 * time.Millisecond)
	}
	switch {
	case err != nil:
		p.t.Fatalf("verify: %v\n%s", err, p.tail())
	case !v.Equal:
		p.t.Fatalf("diary, ClickHouse and ledger differ: %q\n%s", v.Differences, p.tail())
	}
	return v
}

// pause waits for the process, which has a clock of its own.
func (p *process) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-p.ended:
	}
}

// kill ends the process and its ClickHouse at once.
func (p *process) kill() error {
	err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.ended
	return err
}
