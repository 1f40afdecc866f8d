package embedded

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"sync"
)

// orderLine encodes the order as the child reads it.
func orderLine(o order) []byte {
	b, _ := json.Marshal(o)
	return append(b, '\n')
}

// childEnv is the child's environment: UTC, whatever the machine's zone is.
func childEnv(env []string, home string) []string {
	if env == nil {
		env = os.Environ()
	}
	return append(env[:len(env):len(env)], "TZ=UTC", "HOME="+home)
}

// lines splits what a child writes into lines; a longer one is cut.
type lines struct {
	mu   sync.Mutex
	rest []byte
}

const longestLine = 8 << 10

func (l *lines) feed(p []byte, each func(string)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		if i < 0 {
			if len(l.rest) > longestLine {
				l.rest = l.rest[:0]
			}
			return
		}
		each(string(l.rest[:i]))
		l.rest = l.rest[i+1:]
	}
}

// readyReader looks for the child's ready lines on its standard output.
type readyReader struct {
	lines lines
	got   func(ready)

	mu   sync.Mutex
	what string // the last problem
}

func (r *readyReader) Write(p []byte) (int, error) {
	r.lines.feed(p, func(line string) {
		text, ok := strings.CutPrefix(line, readyPrefix)
		if !ok {
			return
		}
		var v ready
		if json.Unmarshal([]byte(text), &v) != nil {
			return
		}
		r.mu.Lock()
		r.what = v.Problem
		r.mu.Unlock()
		r.got(v)
	})
	return len(p), nil
}

func (r *readyReader) problem() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.what
}

// lineLog passes a child's standard error on to the log and keeps the last line.
type lineLog struct {
	lines lines
	log   *slog.Logger

	mu  sync.Mutex
	end string
}

func (l *lineLog) Write(p []byte) (int, error) {
	l.lines.feed(p, func(line string) {
		if line == "" {
			return
		}
		l.log.Info("embedded ClickHouse says", "line", line)
		l.mu.Lock()
		l.end = line
		l.mu.Unlock()
	})
	return len(p), nil
}

func (l *lineLog) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}
