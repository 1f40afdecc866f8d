package crash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// house is one data directory and the process that has it, if any.
type house struct {
	binary, dir        string
	ads, manage, admin string // addresses, the same in every life

	cmd    *exec.Cmd
	ended  chan struct{} // closed when cmd has ended
	status error         // of cmd, once ended is closed
	noted  int           // lines of the note file that were read
}

// poll is how often something outside is looked at.
const poll = 2 * time.Millisecond

// newHouse writes two configurations: with reports, and without them for the
// first life, which only makes the world.
func newHouse(binary, library, dir string) (*house, error) {
	h := &house{binary: binary, dir: dir}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	at := func(i int) string { return "127.0.0.1:" + strconv.Itoa(ports[i]) }
	h.ads, h.manage, h.admin = "http://"+at(0), "http://"+at(1), "http://"+at(2)
	for name, off := range map[string]bool{"first.yaml": true, "house.yaml": false} {
		text := fmt.Sprintf(`data_dir: %s
ads: {listen: %q, require_keys: false}
manage: {listen: %q}
admin: {listen: %q}
capacity: {outstanding_tokens: 65536, frequency_entries: 4096}
diary: {max_megabytes: 256, decisions_megabytes: 16}
clickhouse: {library: %q, off: %t}
`, h.data(), at(0), at(1), at(2), library, off)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// freePorts finds ports below those that the system gives to others while ours
// is down.
func freePorts(n int) ([]int, error) {
	var ports []int
	for p := 20000 + os.Getpid()%97*120; p < 32000 && len(ports) < n; p++ {
		ln, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(p))
		if err != nil {
			continue
		}
		if err := ln.Close(); err != nil {
			return nil, err
		}
		if taken.add(p) {
			ports = append(ports, p)
		}
	}
	if len(ports) < n {
		return nil, errors.New("no free ports")
	}
	return ports, nil
}

func (h *house) data() string  { return filepath.Join(h.dir, "data") }
func (h *house) notes() string { return filepath.Join(h.dir, "reached") }
func (h *house) log() string   { return filepath.Join(h.dir, "log") }

// start begins a life with armed points.
func (h *house) start(config, points string) error {
	log, err := os.OpenFile(h.log(), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	fmt.Fprintf(log, "--- life with %q\n", points)
	cmd := exec.Command(h.binary, "serve", "--failpoints", "-c", filepath.Join(h.dir, config))
	cmd.Env = append(os.Environ(), "MAZAD_FAILPOINTS="+points, "MAZAD_FAILPOINTS_LOG="+h.notes())
	cmd.Stdout, cmd.Stderr = log, log // a file: nobody waits for a child that still has it
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", h.binary, err)
	}
	ended := make(chan struct{})
	h.cmd, h.ended = cmd, ended
	go func() {
		h.status = cmd.Wait()
		close(ended)
	}()
	return nil
}

func (h *house) running() bool {
	if h.cmd == nil {
		return false
	}
	select {
	case <-h.ended:
		return false
	default:
		return true
	}
}

// until polls ok until it is true, the process ends or the time is over.
func (h *house) until(ctx context.Context, limit time.Duration, ok func() bool) bool {
	end := time.NewTimer(limit)
	defer end.Stop()
	t := time.NewTicker(poll)
	defer t.Stop()
	for {
		if ok() {
			return true
		}
		select {
		case <-t.C:
		case <-h.ended:
			return ok()
		case <-end.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// ready waits until ads are served.
func (h *house) ready(ctx context.Context, limit time.Duration) bool {
	return h.until(ctx, limit, func() bool {
		resp, err := http.Get(h.ads + "/v1/healthz")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// reached returns the points that were reached since the last call, with the
// process that did.
func (h *house) reached() (names []string) {
	b, _ := os.ReadFile(h.notes())
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	if len(b) == 0 || b[len(b)-1] != '\n' || len(lines) <= h.noted {
		return nil
	}
	fresh := lines[h.noted:]
	h.noted = len(lines)
	for _, l := range fresh {
		name, _, _ := strings.Cut(l, " ")
		names = append(names, name)
	}
	return names
}

// child is the process of ClickHouse, 0 when there is none.
func (h *house) child() int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		_, rest, ok := bytes.Cut(b, []byte(") "))
		if f := strings.Fields(string(rest)); ok && len(f) > 1 && f[1] == strconv.Itoa(h.cmd.Process.Pid) && f[0] != "Z" {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			return pid
		}
	}
	return 0
}

// state is the letter that /proc has for what a process does; empty: it is gone.
func state(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := bytes.Cut(b, []byte(") "))
	if len(rest) == 0 {
		return ""
	}
	return string(rest[:1])
}

func kill(pid int, sig syscall.Signal) {
	if pid > 0 {
		_ = syscall.Kill(pid, sig)
	}
}

// killProcess ends the process and waits until it is gone.
func (h *house) killProcess() {
	kill(h.cmd.Process.Pid, syscall.SIGKILL)
	<-h.ended
}

// stopSoon lets the house serve for a moment and then asks it to stop.
func (h *house) stopSoon(ctx context.Context) {
	if h.ready(ctx, startLimit) {
		h.until(ctx, 400*time.Millisecond, func() bool { return false })
		kill(h.cmd.Process.Pid, syscall.SIGTERM)
	}
}

// stop asks the process to end and says whether it did so well and in time.
func (h *house) stop(limit time.Duration) error {
	kill(h.cmd.Process.Pid, syscall.SIGTERM)
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-h.ended:
		return h.status
	case <-t.C:
		kill(h.cmd.Process.Pid, syscall.SIGQUIT) // its goroutines go to the log
		<-h.ended
		return fmt.Errorf("it did not stop within %s", limit)
	}
}

// tail is the end of the log, for the report of a failure.
func (h *house) tail() string {
	b, _ := os.ReadFile(h.log())
	return string(b[max(0, len(b)-12<<10):])
}

var startMS = regexp.MustCompile(`"start_ms":([0-9]+)`)

// startTimes are what the lives said of how long they took to serve.
func (h *house) startTimes() (list []int) {
	b, _ := os.ReadFile(h.log())
	for _, m := range startMS.FindAllSubmatch(b, -1) {
		n, _ := strconv.Atoi(string(m[1]))
		list = append(list, n)
	}
	return list
}
