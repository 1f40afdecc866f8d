package node

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// WorldCommand is the hidden command that fills a data directory and prints Keys.
const WorldCommand = "bench-world"

// Keys are what a client of the node needs.
type Keys struct {
	Decision string `json:"decision"`
	Event    string `json:"event"`
	Operator string `json:"operator"`
}

// Config says what node to run.
type Config struct {
	Binary   string // mazad
	AdGroups int
	Users    int
	Seed     uint64
	Holds    int    // capacity.outstanding_tokens; 0: the default
	Off      bool   // without ClickHouse
	Library  string // libchdb; empty: where serve looks for it
	CPUs     []int  // the processors it may use; nil: all
	Log      string // file for the child's log; empty: none
}

// Node is a serve process and its data directory.
type Node struct {
	Keys
	Ads, Manage, Admin string // host:port
	Dir                string // the data directory

	cfg   Config
	root  string
	child *exec.Cmd
	ended chan error
	out   *os.File
}

const (
	startWithin = 30 * time.Second
	stopWithin  = 30 * time.Second
)

// Open makes the data directory.
func Open(ctx context.Context, cfg Config) (_ *Node, err error) {
	n := &Node{cfg: cfg}
	if n.root, err = os.MkdirTemp("", "mazad-bench-"); err != nil {
		return nil, fmt.Errorf("make a data directory: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	n.Dir = filepath.Join(n.root, "data")
	if err := os.WriteFile(n.config(), []byte(n.yaml()), 0o600); err != nil {
		return nil, fmt.Errorf("write the node's configuration: %w", err)
	}
	if cfg.Log != "" {
		if n.out, err = os.OpenFile(cfg.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
			return nil, fmt.Errorf("open the node's log: %w", err)
		}
	}
	c := exec.CommandContext(ctx, cfg.Binary, WorldCommand, "--config", n.config(), "--ad-groups", strconv.Itoa(cfg.AdGroups),
		"--users", strconv.Itoa(cfg.Users), "--seed", strconv.FormatUint(cfg.Seed, 10))
	var out, complaints bytes.Buffer
	c.Stdout, c.Stderr = &out, &complaints
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("fill the node's data directory: %w: %s", err, complaints.String())
	}
	if err := json.Unmarshal(out.Bytes(), &n.Keys); err != nil {
		return nil, fmt.Errorf("the node's keys: %w", err)
	}
	return n, nil
}

func (n *Node) config() string { return filepath.Join(n.root, "mazad.yaml") }

func (n *Node) yaml() string {
	y := "data_dir: " + n.Dir + "\nads: {listen: \"127.0.0.1:0\"}\nmanage: {listen: \"127.0.0.1:0\"}\nadmin: {listen: \"127.0.0.1:0\"}\n"
	if n.cfg.Holds > 0 {
		y += "capacity: {outstanding_tokens: " + strconv.Itoa(n.cfg.Holds) + "}\n"
	}
	if n.cfg.Off {
		y += "clickhouse: {off: true}\n"
	} else if n.cfg.Library != "" {
		y += "clickhouse: {library: " + strconv.Quote(n.cfg.Library) + "}\n"
	}
	return y
}

// Start runs serve and waits until its doors are open.
func (n *Node) Start(ctx context.Context) error {
	c := exec.Command(n.cfg.Binary, "serve", "--config", n.config())
	log, err := c.StderrPipe()
	if err != nil {
		return fmt.Errorf("start the node: %w", err)
	}
	if err := startOn(c, n.cfg.CPUs); err != nil {
		return fmt.Errorf("start the node: %w", err)
	}
	n.child, n.ended = c, make(chan error, 1)
	doors := make(chan error, 1)
	go func() {
		n.listen(log, doors)
		n.ended <- c.Wait()
	}()
	deadline := time.NewTimer(startWithin)
	defer deadline.Stop()
	select {
	case err = <-doors:
	case <-ctx.Done():
		err = ctx.Err()
	case <-deadline.C:
		err = fmt.Errorf("its doors are not open after %s", startWithin)
	}
	if err != nil {
		n.Kill()
		return fmt.Errorf("start the node: %w", err)
	}
	return nil
}

// listen reads the child's log to its end; the line that names the doors opens.
func (n *Node) listen(log io.Reader, doors chan<- error) {
	lines, open, last := bufio.NewScanner(log), false, ""
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		last = lines.Text()
		if n.out != nil {
			fmt.Fprintln(n.out, last)
		}
		var l struct{ Msg, Ads, Manage, Admin string }
		if open || json.Unmarshal(lines.Bytes(), &l) != nil || l.Msg != "serving" {
			continue
		}
		for to, url := range map[*string]string{&n.Ads: l.Ads, &n.Manage: l.Manage, &n.Admin: l.Admin} {
			*to = strings.TrimPrefix(url, "http://")
		}
		open = true
		doors <- nil
	}
	if !open {
		doors <- fmt.Errorf("it ended: %s", last)
	}
	_, _ = io.Copy(io.Discard, log)
}

// Kill ends the process as the kernel would, at once.
func (n *Node) Kill() {
	if n.child != nil {
		_ = n.child.Process.Kill()
		<-n.ended
		n.child = nil
	}
}

// Stop asks the process to end and waits.
func (n *Node) Stop() error {
	if n.child == nil {
		return nil
	}
	if err := n.child.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the node: %w", err)
	}
	deadline := time.NewTimer(stopWithin)
	defer deadline.Stop()
	select {
	case err := <-n.ended:
		n.child = nil
		if err != nil {
			return fmt.Errorf("the node ended badly: %w", err)
		}
		return nil
	case <-deadline.C:
		n.Kill()
		return fmt.Errorf("the node did not stop within %s", stopWithin)
	}
}

// Close kills what still runs and removes the data directory.
func (n *Node) Close() error {
	n.Kill()
	var err error
	if n.out != nil {
		err = n.out.Close()
	}
	return errors.Join(err, os.RemoveAll(n.root))
}

// Get asks one of the node's doors for a page.
func (n *Node) Get(ctx context.Context, method, url string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Access-Token", n.Operator)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	return resp.StatusCode, b, err
}

// Usage is the processor time that the process has used, to a hundredth of a
// second.
func (n *Node) Usage() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.child.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("the node's processor time: %w", err)
	}
	_, rest, _ := strings.Cut(string(b), ") ") // behind the name, which may hold anything
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0, fmt.Errorf("the node's processor time: %q", b)
	}
	user, err := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err, err2)
}

// Memory is the process's resident memory now and at its highest.
func (n *Node) Memory() (now, highest int64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.child.Process.Pid))
	if err != nil {
		return 0, 0, fmt.Errorf("the node's memory: %w", err)
	}
	for _, l := range strings.Split(string(b), "\n") {
		f := strings.Fields(l)
		if len(f) < 2 {
			continue
		}
		kib, _ := strconv.ParseInt(f[1], 10, 64)
		switch f[0] {
		case "VmRSS:":
			now = kib << 10
		case "VmHWM:":
			highest = kib << 10
		}
	}
	return now, highest, nil
}

// Profile writes a processor profile of the next d of the node's life.
func (n *Node) Profile(ctx context.Context, file string, d time.Duration) error {
	status, b, err := n.Get(ctx, http.MethodGet, "http://"+n.Admin+"/debug/pprof/profile?seconds="+strconv.Itoa(max(1, int(d.Seconds()))))
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("profile the node: %d %w", status, err)
	}
	return os.WriteFile(file, b, 0o600)
}
