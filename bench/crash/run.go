package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Options of a run.
type Options struct {
	Binary  string // mazad
	Library string // libchdb
	Dir     string // empty; a folder is made in it for each data directory
	Seed    uint64
	Kills   int // that must have happened
	PerDir  int // of them in one data directory; 0 = 25
	Clients int // that send at a time; 0 = 4
	// Part of Parts: runs side by side share the systematic shots.
	Part, Parts int
	Log         func(format string, args ...any)
}

// Result is what a run found.
type Result struct {
	Points   []string       // of the binary
	Reached  map[string]int // points where something was killed
	ByVictim map[string]int // kills
	Total    int            // kills
	Lives    int            // processes started
	Records  uint64         // in the diaries
	Repeats  uint64         // records on disk that count for nobody
	Facts    int            // that were sent
	Acked    int            // and acknowledged
	StartMS  []int          // of each life that came to serve, until it did
	Problems []string
}

// Unreached are the points where nothing was killed.
func (r *Result) Unreached() (names []string) {
	for _, p := range r.Points {
		if r.Reached[p] == 0 {
			names = append(names, p)
		}
	}
	return names
}

// run is the state of a Run.
type run struct {
	Options
	Result
	rng    *rand.Rand
	fresh  []shot // for new directories
	steady []shot
	tries  map[shot]int
}

// Run kills until enough was killed. The error is one of the harness; what the
// house did wrong is in Problems.
func Run(ctx context.Context, o Options) (*Result, error) {
	if o.PerDir == 0 {
		o.PerDir = 25
	}
	if o.Clients == 0 {
		o.Clients = 4
	}
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	r := &run{Options: o, rng: rand.New(rand.NewPCG(o.Seed, uint64(o.Part))), tries: map[shot]int{}}
	r.Reached, r.ByVictim = map[string]int{}, map[string]int{}
	var err error
	if r.Points, err = pointsOf(o.Binary); err != nil {
		return nil, err
	}
	fresh, steady := systematic(r.Points)
	r.fresh, r.steady = share(fresh, o.Part, o.Parts), shuffled(r.rng, share(steady, o.Part, o.Parts))
	for n := 1; r.Total < o.Kills && len(r.Problems) == 0; n++ {
		if err := r.directory(ctx, filepath.Join(o.Dir, fmt.Sprintf("%d-%d", o.Part, n))); err != nil {
			return &r.Result, err
		}
	}
	return &r.Result, nil
}

// share deals shots out; an opener goes with the shot that follows it.
func share(list []shot, part, parts int) (mine []shot) {
	n := 0
	for i, s := range list {
		if parts < 2 || n%parts == part {
			mine = append(mine, s)
		}
		if i+1 >= len(list) || s != opener || !needsIntent(list[i+1].point) {
			n++
		}
	}
	return mine
}

// directory uses one data directory up.
func (r *run) directory(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	h, err := newHouse(r.Binary, r.Library, dir)
	if err != nil {
		return err
	}
	defer func() {
		if h.running() {
			kill(h.child(), syscall.SIGKILL)
			h.killProcess()
		}
	}()
	w, err := r.found(ctx, h)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, h.tail())
	}
	t := newTraffic(h, w)
	sending, stop := context.WithCancel(ctx)
	defer stop()
	over := make(chan struct{})
	go func() {
		defer close(over)
		t.run(sending, r.Clients, r.rng.Uint64())
	}()
	for end := r.Total + r.PerDir; r.Total < min(end, r.Kills) && ctx.Err() == nil; {
		if err := r.life(ctx, h, r.next(h)); err != nil {
			return fmt.Errorf("%w\n%s", err, h.tail())
		}
	}
	if err := r.rest(ctx, h, t, func() { stop(); <-over }); err != nil {
		return fmt.Errorf("%w\n%s", err, h.tail())
	}
	if len(r.Problems) == 0 {
		return os.RemoveAll(dir)
	}
	r.Problems = append(r.Problems, h.tail())
	return nil
}

// found makes the world in a first life without reports; lives before it may die
// in their first moments.
func (r *run) found(ctx context.Context, h *house) (*world, error) {
	for early := r.rng.IntN(3); early > 0; early-- {
		s := shot{hit: 1, ms: r.rng.IntN(250), who: process}
		if i := slices.IndexFunc(r.fresh, func(s shot) bool { return strings.HasPrefix(s.point, "secret.") }); i >= 0 {
			s = r.fresh[i]
			r.fresh = slices.Delete(r.fresh, i, i+1)
		}
		if err := r.shoot(ctx, h, "first.yaml", s); err != nil {
			return nil, err
		}
	}
	if err := h.start("first.yaml", ""); err != nil {
		return nil, err
	}
	r.Lives++
	if !h.ready(ctx, startLimit) {
		return nil, errors.New("the first life did not serve")
	}
	w, err := makeWorld(ctx, h)
	if err != nil {
		return nil, err
	}
	return w, h.stop(stopLimit)
}

// next picks the following shot.
func (r *run) next(h *house) shot {
	list := &r.steady
	if _, err := os.Stat(filepath.Join(h.data(), "clickhouse", "store")); err != nil && len(r.fresh) > 0 {
		list = &r.fresh
	}
	if len(*list) == 0 {
		return random(r.rng, r.Points)
	}
	s := (*list)[0]
	*list = (*list)[1:]
	return s
}

const (
	startLimit = 30 * time.Second
	stopLimit  = 40 * time.Second
	// reachLimit is how long a life may take to come to its point.
	reachLimit = 8 * time.Second
	// after is how long a house whose ClickHouse died goes on before the process
	// dies, too, at a random time.
	after = 600 // ms
)

// life starts the house and shoots; when the process survives that it is shot a
// little later.
func (r *run) life(ctx context.Context, h *house, s shot) error {
	if err := r.shoot(ctx, h, "house.yaml", s); err != nil || !h.running() {
		return err
	}
	return r.shoot(ctx, h, "", shot{hit: 1, ms: r.rng.IntN(after), who: process})
}

// shoot does one shot, in a new life unless config is empty.
func (r *run) shoot(ctx context.Context, h *house, config string, s shot) error {
	if config != "" {
		if err := h.start(config, s.spec()); err != nil {
			return err
		}
		r.Lives++
		h.reached()
	}
	began := time.Now()
	hit := false
	if s.point == "" {
		h.until(ctx, max(time.Duration(s.ms)*time.Millisecond-time.Since(began), 0), func() bool { return false })
		if hit = h.running(); !hit {
			return fmt.Errorf("the process ended by itself: %w", h.status)
		}
	} else if s.soft {
		h.stopSoon(ctx)
	}
	if s.point != "" {
		hit = h.until(ctx, reachLimit, func() bool { return slices.Contains(h.reached(), s.point) })
	}
	if s.point != "" && !hit {
		r.again(s)
	}
	if hit {
		r.Reached[s.point]++
		r.ByVictim[string(s.who)]++
		r.Total++
		if err := r.end(h, s); err != nil {
			return err
		}
	} else if h.running() {
		kill(h.child(), syscall.SIGCONT)
		h.killProcess()
	}
	r.Log("%4d %-42s hit %t after %s", r.Total, s, hit, time.Since(began).Round(time.Millisecond))
	return nil
}

// again puts a shot that missed back, twice at most; then the point counts as
// unreached.
func (r *run) again(s shot) {
	if r.tries[s]++; r.tries[s] > 2 {
		return
	}
	if once(s.point) {
		r.fresh = append(r.fresh, s)
		return
	}
	if needsIntent(s.point) {
		r.steady = append(r.steady, opener)
	}
	r.steady = append(r.steady, s)
}

// end kills whom the shot is for. What kills itself is dead already.
func (r *run) end(h *house, s shot) error {
	child := h.child()
	if strings.Contains(s.spec(), "=stop@") { // a SIGCONT that came before its SIGSTOP would be lost
		pid := h.cmd.Process.Pid
		if inChild(s.point) {
			pid = child
		}
		h.until(context.Background(), time.Second, func() bool { return state(pid) == "T" })
	}
	switch s.who {
	case answer:
	case engine:
		kill(child, syscall.SIGKILL)
		kill(h.cmd.Process.Pid, syscall.SIGCONT)
	case both:
		if r.rng.IntN(2) == 0 {
			kill(child, syscall.SIGKILL)
			h.killProcess()
			return nil
		}
		h.killProcess()
		kill(child, syscall.SIGKILL)
	case process:
		if s.soft && s.point == "" {
			kill(h.cmd.Process.Pid, syscall.SIGTERM)
			h.until(context.Background(), time.Duration(r.rng.IntN(400))*time.Millisecond, func() bool { return false })
		}
		h.killProcess()
		kill(child, syscall.SIGCONT) // it ends by itself when its parent is gone
	}
	return nil
}

// rest lets a last life bring everything to an end and compares.
func (r *run) rest(ctx context.Context, h *house, t *traffic, quiet func()) error {
	if err := h.start("house.yaml", ""); err != nil {
		return err
	}
	r.Lives++
	if !h.ready(ctx, startLimit) {
		return errors.New("the last life did not serve")
	}
	h.until(ctx, 500*time.Millisecond, func() bool { return false }) // clients repeat what they had no answer to
	quiet()
	v, err := h.verify(ctx)
	if err != nil {
		return err
	}
	if err := h.stop(stopLimit); err != nil {
		return fmt.Errorf("the last life stopped badly: %w", err)
	}
	c, err := h.fold(ctx)
	if err != nil {
		return fmt.Errorf("read the diary: %w", err)
	}
	if err := h.books(ctx, c, t.w, &v); err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	sealer, err := h.sealer()
	if err != nil {
		return err
	}
	r.StartMS = append(r.StartMS, h.startTimes()...)
	acked := c.told(t, sealer)
	r.Records, r.Repeats, r.Facts, r.Acked = r.Records+c.records, r.Repeats+c.repeats, r.Facts+len(t.order), r.Acked+acked
	for _, p := range c.problems {
		r.Problems = append(r.Problems, h.dir+": "+p)
	}
	r.Log("%s: %d kills so far, %d ads, %d sent, %d acknowledged, %d records, %d repeats on disk, spend %s, %d problems",
		filepath.Base(h.dir), r.Total, t.ads, len(t.order), acked, c.records, c.repeats, v.Spend["USD"], len(c.problems))
	return nil
}
