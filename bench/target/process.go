package target

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Stats is what the engine of a mazad kind did since it started.
type Stats struct {
	Requests  uint64 `json:"requests"`
	Ads       uint64 `json:"ads"`
	Matched   uint64 `json:"matched"`    // ad groups, of all requests
	Personal  uint64 `json:"personal"`   // requests
	NotLogged uint64 `json:"not_logged"` // decisions that the diary dropped
	Held      int64  `json:"held"`       // outstanding now
}

// Process is a server in a process of its own.
type Process struct {
	Address string

	cmd      *exec.Cmd
	commands io.WriteCloser
	answers  *bufio.Reader
}

// endWithin is how long a child may take to clean up after itself.
const endWithin = 10 * time.Second

// Start runs command, a program and its first arguments that end in Serve, and
// waits until it listens. When ctx ends the child's input is closed, which ends
// it, and a little later it is killed.
func Start(ctx context.Context, command []string, cfg Config) (*Process, error) {
	args := append(append([]string(nil), command[1:]...), cfg.Args()...)
	p := &Process{cmd: exec.CommandContext(ctx, command[0], args...)}
	var err error
	if p.commands, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start the %s server: %w", cfg.Kind, err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the %s server: %w", cfg.Kind, err)
	}
	p.answers = bufio.NewReader(out)
	var complaints strings.Builder
	p.cmd.Stderr = &complaints
	p.cmd.Cancel = p.commands.Close
	p.cmd.WaitDelay = endWithin
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the %s server: %w", cfg.Kind, err)
	}
	line, err := p.answers.ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		p.commands.Close()
		return nil, fmt.Errorf("the %s server did not start: %v: %s", cfg.Kind, p.cmd.Wait(), strings.TrimSpace(line+complaints.String()))
	}
	p.Address = address
	return p, nil
}

func (p *Process) ask(command string) (string, error) {
	if _, err := io.WriteString(p.commands, command+"\n"); err != nil {
		return "", fmt.Errorf("ask the server for its %s: %w", command, err)
	}
	line, err := p.answers.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("ask the server for its %s: %w", command, err)
	}
	return strings.TrimSpace(line), nil
}

// Usage is the processor time that the server has used.
func (p *Process) Usage() (time.Duration, error) {
	line, err := p.ask("usage")
	if err != nil {
		return 0, err
	}
	ns, err := strconv.ParseInt(line, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the server's usage: %w", err)
	}
	return time.Duration(ns), nil
}

// Stats is what the server did.
func (p *Process) Stats() (s Stats, err error) {
	line, err := p.ask("stats")
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal([]byte(line), &s); err != nil {
		return s, fmt.Errorf("the server's stats: %w", err)
	}
	return s, nil
}

// Stop ends the server and waits for it.
func (p *Process) Stop() error {
	p.commands.Close()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("the server ended badly: %w", err)
	}
	return nil
}
