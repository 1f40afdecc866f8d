// Command testlog reads the output of `go test -json` and prints what a person
// wants to know: one line per package as it ends, the whole output of what
// failed, every skipped test with its reason, and a total.
//
// Contract: it exits with 1 when a test, a package or the build failed, when
// nothing ran, and, with MAZAD_REQUIRE_ENGINES=1, when a test was skipped for
// want of an engine.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

// event is one line of `go test -json` (see `go doc test2json`).
type event struct {
	Action     string
	Package    string
	ImportPath string // build output
	Test       string
	Output     string
	Elapsed    float64
}

// aboutEngine tells a skip for want of an engine from any other.
var aboutEngine = regexp.MustCompile(`(?i)engine|libchdb|clickhouse|jetstream|\bnats\b`)

// tally adds up events.
type tally struct {
	out            io.Writer
	requireEngines bool
	output         map[string]*strings.Builder // by package and test, until it ends
	skips          []string
	passed, failed int
	packages       int
	engineSkips    int
}

func main() {
	t := &tally{out: os.Stdout, requireEngines: os.Getenv("MAZAD_REQUIRE_ENGINES") == "1", output: map[string]*strings.Builder{}}
	if !t.read(os.Stdin) {
		os.Exit(1)
	}
}

// read consumes the whole stream and reports whether all is well.
func (t *tally) read(r io.Reader) bool {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Fprintln(t.out, lines.Text()) // not ours: show it
			continue
		}
		t.add(&e)
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(t.out, "testlog:", err)
		return false
	}
	return t.summary()
}

func (t *tally) add(e *event) {
	if e.Package == "" {
		e.Package = e.ImportPath
	}
	key := e.Package + " " + e.Test
	switch e.Action {
	case "output", "build-output":
		b := t.output[key]
		if b == nil {
			b = &strings.Builder{}
			t.output[key] = b
		}
		b.WriteString(e.Output)
		return
	case "pass", "fail", "skip", "build-fail":
	default:
		return
	}
	text := ""
	if b := t.output[key]; b != nil {
		text = b.String()
		delete(t.output, key)
	}
	if e.Test != "" {
		t.test(e, text)
		return
	}
	t.pkg(e, text)
}

func (t *tally) test(e *event, text string) {
	switch e.Action {
	case "pass":
		t.passed++
	case "fail":
		t.failed++
		fmt.Fprintf(t.out, "%s", text)
	case "skip":
		line := e.Package + "." + e.Test + ": " + skipReason(text)
		if aboutEngine.MatchString(line) {
			t.engineSkips++
		}
		t.skips = append(t.skips, line)
	}
}

// skipReason is what the test said: the last indented line of its output.
func skipReason(text string) string {
	reason := "no reason given"
	for _, l := range strings.Split(text, "\n") {
		if strings.HasPrefix(l, "    ") {
			reason = strings.TrimSpace(l)
		}
	}
	return reason
}

func (t *tally) pkg(e *event, text string) {
	switch e.Action {
	case "pass":
		t.packages++
		fmt.Fprintf(t.out, "ok    %-32s %6.1f s\n", e.Package, e.Elapsed)
	case "fail", "build-fail":
		t.failed++
		fmt.Fprintf(t.out, "%sFAIL  %-32s %6.1f s\n", text, e.Package, e.Elapsed)
	}
}

func (t *tally) summary() bool {
	for _, s := range t.skips {
		fmt.Fprintln(t.out, "SKIPPED", s)
	}
	fmt.Fprintf(t.out, "%d packages, %d tests passed, %d skipped, %d failures\n", t.packages, t.passed, len(t.skips), t.failed)
	if t.requireEngines && t.engineSkips > 0 {
		fmt.Fprintf(t.out, "%d tests were skipped for want of an engine, and here every engine is required\n", t.engineSkips)
		return false
	}
	return t.failed == 0 && t.packages > 0
}
