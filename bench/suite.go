package bench

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"time"

	"mazad/bench/line"
)

// Options shape a run. The zero value is the long form with seed 0.
type Options struct {
	Quick   bool
	Seed    uint64
	Sizes   []int         // ad groups; empty: the suite's own
	Round   time.Duration // how long one round of http lasts; 0: by Quick
	Samples int           // requests timed per size; 0: the suite's own
	Users   int           // with a profile; 0: 200,000, with Quick 20,000
	Server  []string      // the command that ends in target.Serve; http and ingest
	Binary  string        // mazad itself, for the suites that run serve
	Library string        // path of libchdb; empty: it is looked for under Roots
	Roots   []string
	Phases  []string // of ingest; empty: all
	Profile string   // directory for CPU profiles; empty: none
}

type suite struct {
	name string
	run  func(context.Context, *Options, *line.Printer) error
}

func suites() []suite {
	return []suite{{"match", match}, {"decide", decide}, {"http", overHTTP}, {"ingest", overIngest}, {"overload", overLoad}}
}

// Suites lists the suites.
func Suites() (names []string) {
	for _, s := range suites() {
		names = append(names, s.name)
	}
	return names
}

// Run runs one suite and prints its figures.
func Run(ctx context.Context, name string, o Options, p *line.Printer) error {
	if err := Known(name); err != nil {
		return err
	}
	if o.Users == 0 {
		if o.Users = 200_000; o.Quick {
			o.Users = 20_000
		}
	}
	if o.Profile != "" {
		if err := os.MkdirAll(o.Profile, 0o755); err != nil {
			return fmt.Errorf("make the directory for profiles: %w", err)
		}
	}
	for _, s := range suites() {
		if s.name == name {
			if err := s.run(ctx, &o, p); err != nil {
				return fmt.Errorf("suite %s: %w", name, err)
			}
		}
	}
	if n := p.Missed(); n > 0 {
		p.Remark("%d of the figures missed their target", n)
	}
	return p.Err()
}

// Known is nil for a suite that exists.
func Known(name string) error {
	if !slices.Contains(Suites(), name) {
		return fmt.Errorf("suite %q does not exist: there are %s", name, strings.Join(Suites(), ", "))
	}
	return nil
}

// sizes are those of the options, or 10k, 100k and, given time, 1m.
func (o *Options) sizes() []int {
	switch {
	case len(o.Sizes) > 0:
		return o.Sizes
	case o.Quick:
		return []int{10_000, 100_000}
	}
	return []int{10_000, 100_000, 1_000_000}
}

// at is a figure's name for a size: "p50_us@10k".
func at(name string, adGroups int) string {
	switch {
	case adGroups%1_000_000 == 0:
		return name + "@" + strconv.Itoa(adGroups/1_000_000) + "m"
	case adGroups%1000 == 0:
		return name + "@" + strconv.Itoa(adGroups/1000) + "k"
	}
	return name + "@" + strconv.Itoa(adGroups)
}

// profile writes a CPU profile of what happens until the returned function is
// called.
func (o *Options) profile(name string) (stop func(), err error) {
	if o.Profile == "" {
		return func() {}, nil
	}
	f, err := os.Create(filepath.Join(o.Profile, name+".pprof"))
	if err != nil {
		return nil, fmt.Errorf("create a profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("start a profile: %w", err)
	}
	return func() { pprof.StopCPUProfile(); f.Close() }, nil
}

// median is the upper one of an even count. It sorts list.
func median[T cmp.Ordered](list []T) T { return quantile(list, 50) }

// quantile sorts list and returns its element at q per cent.
func quantile[T cmp.Ordered](list []T, q int) T {
	if len(list) == 0 {
		return *new(T)
	}
	slices.Sort(list)
	return list[min(len(list)*q/100, len(list)-1)]
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// allocations counts what ask allocates per call, rounded down as
// testing.AllocsPerRun does: a map or pool that grows once is not a cost per
// call. Nothing else may run.
func allocations(calls int, ask func(i int)) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range calls {
		ask(i)
	}
	runtime.ReadMemStats(&after)
	return float64((after.Mallocs - before.Mallocs) / uint64(calls))
}

// heap is what is live after a collection.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers of the first freed
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
