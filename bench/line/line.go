// Package line prints the figures of a benchmark, one line each, for people or
// for programs.
//
// Contract: with JSON every line on the output is one object with exactly the
// members suite, name, value, unit, target, ok, n, seed, in this order; target
// is null where there is none, and ok is then true. Names are stable: a name
// that exists is never given another meaning. Remarks (a reference that is
// missing, synthetic data in use) go to a separate writer, so that the output
// stays parseable.
//
// Units: the unit of a value is in its line; µs is written "us".
//
// Concurrency: a Printer belongs to one goroutine.
package line

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
)

// Target is what a value should reach. The zero Target asks for nothing.
type Target struct {
	kind  byte // 0 none, '<' at most, '>' at least, '=' exactly
	value float64
}

// AtMost wants a value <= v.
func AtMost(v float64) Target { return Target{'<', v} }

// AtLeast wants a value >= v.
func AtLeast(v float64) Target { return Target{'>', v} }

// Exactly wants v itself: counts of lost or doubled things.
func Exactly(v float64) Target { return Target{'=', v} }

// Met reports whether v reaches the target. NaN reaches none.
func (t Target) Met(v float64) bool {
	switch t.kind {
	case '<':
		return v <= t.value
	case '>':
		return v >= t.value
	case '=':
		return v == t.value
	}
	return !math.IsNaN(v)
}

// String is the empty string for the zero Target, else "<= 60".
func (t Target) String() string {
	switch t.kind {
	case '<':
		return "<= " + number(t.value)
	case '>':
		return ">= " + number(t.value)
	case '=':
		return "= " + number(t.value)
	}
	return ""
}

// Figure is one measured value.
type Figure struct {
	Name   string // with @ for the size or case: "p50_us@10k"
	Value  float64
	Unit   string
	Target Target
	N      int64 // how many samples stand behind the value
}

// Printer writes figures of one suite.
type Printer struct {
	out, remarks io.Writer
	suite        string
	seed         uint64
	asJSON       bool
	missed       int
	err          error
}

// Config says where and how a Printer prints.
type Config struct {
	Out, Remarks io.Writer
	Suite        string
	Seed         uint64
	JSON         bool
}

// NewPrinter returns a Printer.
func NewPrinter(c Config) *Printer {
	return &Printer{out: c.Out, remarks: c.Remarks, suite: c.Suite, seed: c.Seed, asJSON: c.JSON}
}

// object fixes the members and their order.
type object struct {
	Suite  string       `json:"suite"`
	Name   string       `json:"name"`
	Value  *json.Number `json:"value"` // null for NaN and infinities, which JSON has not
	Unit   string       `json:"unit"`
	Target *string      `json:"target"`
	OK     bool         `json:"ok"`
	N      int64        `json:"n"`
	Seed   uint64       `json:"seed"`
}

// Print writes one figure.
func (p *Printer) Print(f Figure) {
	ok := f.Target.Met(f.Value)
	if !ok {
		p.missed++
	}
	if p.asJSON {
		p.printJSON(f, ok)
		return
	}
	verdict := ""
	if f.Target.kind != 0 {
		verdict = "ok"
		if !ok {
			verdict = "MISSED"
		}
	}
	p.printf("%-11s %-32s %14s %-8s %-12s %-6s n=%d seed=%d\n", p.suite, f.Name, number(f.Value), f.Unit, f.Target, verdict, f.N, p.seed)
}

func (p *Printer) printJSON(f Figure, ok bool) {
	o := object{Suite: p.suite, Name: f.Name, Unit: f.Unit, OK: ok, N: f.N, Seed: p.seed}
	if !math.IsNaN(f.Value) && !math.IsInf(f.Value, 0) {
		v := json.Number(number(f.Value))
		o.Value = &v
	}
	if f.Target.kind != 0 {
		t := f.Target.String()
		o.Target = &t
	}
	enc := json.NewEncoder(p.out)
	enc.SetEscapeHTML(false) // "<= 60" stays readable
	if err := enc.Encode(&o); err != nil {
		p.fail(err)
	}
}

// Remark tells a person something about the run; it never goes to the output.
func (p *Printer) Remark(format string, args ...any) {
	if p.remarks != nil {
		fmt.Fprintf(p.remarks, p.suite+": "+format+"\n", args...)
	}
}

// Missed is the number of figures that did not reach their target.
func (p *Printer) Missed() int { return p.missed }

// Err is the first error of writing.
func (p *Printer) Err() error { return p.err }

func (p *Printer) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(p.out, format, args...); err != nil {
		p.fail(err)
	}
}

func (p *Printer) fail(err error) {
	if p.err == nil {
		p.err = fmt.Errorf("print a figure of %s: %w", p.suite, err)
	}
}

// number prints whole values whole and others with four significant digits.
func number(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	if a := math.Abs(v); a >= 1000 {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	s := strconv.FormatFloat(v, 'g', 4, 64)
	if r, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(r) >= 1e-6 {
		return strconv.FormatFloat(r, 'f', -1, 64)
	}
	return s
}
