// Package failpoint names the places where a test may end or stop the process,
// to prove that nothing is lost or doubled there.
//
// Contract: a package declares its points as variables, `var afterInsert =
// failpoint.New("sink.after-insert")`, and calls Hit where the process may die. A
// point does nothing until Arm names it; then it does it once, at the hit that
// was asked for, and says so in a file first, so that whoever started the process
// knows which point was reached. Only cmd arms points, and only when it is
// started with the hidden flag --failpoints: an environment variable alone, in a
// deployment, does nothing.
//
// Cost: a point that is not armed is one atomic load.
//
// Concurrency: everything may be called from any goroutine. Points are made when
// packages are initialized.
//
// Limits: names are lower-case words joined by dots and dashes and are unique;
// one action per point and process.
package failpoint

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Point is one place.
type Point struct {
	name  string
	armed atomic.Pointer[plan]
}

// plan is what an armed point does.
type plan struct {
	act   string
	left  atomic.Int64 // hits until it does it
	delay time.Duration
	log   string
}

// The actions.
const (
	Kill = "kill" // SIGKILL to this process
	Stop = "stop" // SIGSTOP to this process; it goes on after SIGCONT
	Drop = "drop" // Hit returns true: the caller loses what it was about to say
)

// registry is the points of a binary.
type registry struct {
	mu     sync.Mutex // guards points
	points map[string]*Point
	on     atomic.Bool
}

// binary is written when packages are initialized and when cmd arms points:
// places in the code belong to no object that could own them.
var binary = &registry{points: map[string]*Point{}}

// On reports whether Arm was called: a child process is then started with the
// flag, too.
func On() bool { return binary.on.Load() }

var wellFormed = regexp.MustCompile(`^[a-z]+(\.[a-z]+(-[a-z]+)*)+$`)

// New makes a point. A name that is taken or ill-formed is a mistake in the code.
func New(name string) *Point { return binary.add(name) }

func (r *registry) add(name string) *Point {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !wellFormed.MatchString(name) || r.points[name] != nil {
		panic("failpoint: " + strconv.Quote(name) + " is taken or no name")
	}
	p := &Point{name: name}
	r.points[name] = p
	return p
}

// Names are all points of this binary, sorted.
func Names() []string { return binary.names() }

func (r *registry) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := make([]string, 0, len(r.points))
	for n := range r.points {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Hit is called where the process may die. It is true only for a point that was
// armed with Drop.
func (p *Point) Hit() bool {
	a := p.armed.Load()
	return a != nil && p.reached(a)
}

func (p *Point) reached(a *plan) bool {
	if a.left.Add(-1) != 0 {
		return false
	}
	if a.delay > 0 {
		time.AfterFunc(a.delay, func() { p.do(a) })
		return false
	}
	return p.do(a)
}

func (p *Point) do(a *plan) bool {
	if a.log != "" {
		if err := note(a.log, p.name); err != nil { // the test would wait for it in vain
			fmt.Fprintf(os.Stderr, "failpoint %s: %v\n", p.name, err)
		}
	}
	switch a.act {
	case Kill:
		end()
	case Stop:
		pause()
	}
	return a.act == Drop
}

// note appends a line; what is written is there also after a SIGKILL.
func note(file, name string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s %d\n", name, os.Getpid())
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

var entry = regexp.MustCompile(`^([^=]+)=(kill|stop|drop)(?:@([0-9]{1,6}))?(?:\+([0-9]{1,5})ms)?$`)

// Arm reads "name=kill@3,other=stop+5ms": the action happens at the third hit of
// name, and 5 ms after the first hit of other. What happens is noted in log, one
// line "name pid" each; empty: nowhere.
func Arm(spec, log string) error { return binary.arm(spec, log) }

func (r *registry) arm(spec, log string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.on.Store(true)
	for e := range strings.SplitSeq(spec, ",") {
		if e == "" {
			continue
		}
		m := entry.FindStringSubmatch(e)
		if m == nil {
			return fmt.Errorf("failpoint %q: want name=kill, name=stop or name=drop, then optionally @hit and +milliseconds as in @3+5ms", e)
		}
		p := r.points[m[1]]
		if p == nil {
			return fmt.Errorf("failpoint %q: there is no point of that name", m[1])
		}
		a := &plan{act: m[2], log: log}
		hit, _ := strconv.Atoi(m[3])
		ms, _ := strconv.Atoi(m[4])
		a.left.Store(int64(max(hit, 1)))
		a.delay = time.Duration(ms) * time.Millisecond
		p.armed.Store(a)
	}
	return nil
}
