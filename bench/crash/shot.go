package crash

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
)

// victim is what a shot ends.
type victim string

const (
	process victim = "process"
	engine  victim = "clickhouse"
	both    victim = "both"
	answer  victim = "answer" // nothing dies: ClickHouse did it, and its answer is lost
)

// shot is one kill: at the hit of a point, some milliseconds after it, or with no
// point that long after the start.
type shot struct {
	point string
	hit   int
	ms    int
	who   victim
	soft  bool // SIGTERM first: it dies while it stops
}

func (s shot) String() string {
	at := s.point
	if at == "" {
		at = "any"
	}
	return fmt.Sprintf("%s@%d+%dms/%s", at, s.hit, s.ms, s.who)
}

// inChild tells the points that are in the child's process.
func inChild(point string) bool { return strings.HasPrefix(point, "clickhouse.") }

// spec arms the point. A process that is to die alone, at once, kills itself;
// otherwise it stops there and we kill.
func (s shot) spec() string {
	if s.point == "" {
		return ""
	}
	act := "stop"
	switch {
	case s.who == answer:
		act = "drop"
	case s.who == process && !inChild(s.point), s.who == engine && inChild(s.point):
		act = "kill"
	}
	out := fmt.Sprintf("%s=%s@%d", s.point, act, s.hit)
	if s.ms > 0 {
		out += fmt.Sprintf("+%dms", s.ms)
	}
	return out
}

// pointsOf asks the binary for its points.
func pointsOf(binary string) ([]string, error) {
	b, err := exec.Command(binary, "failpoints").Output()
	if err != nil {
		return nil, fmt.Errorf("%s failpoints: %w", binary, err)
	}
	return strings.Fields(string(b)), nil
}

// once are points that are passed when a directory is new.
func once(point string) bool {
	return strings.HasPrefix(point, "secret.") || strings.HasPrefix(point, "schema.")
}

// needsIntent are points that are passed only where an insert was broken off.
func needsIntent(point string) bool { return point == "sink.after-compare" }

// atStop are points that a life of some seconds passes when it is asked to stop.
func atStop(point string) bool { return strings.HasPrefix(point, "checkpoint.") }

// opener leaves an open intent behind for the shot that follows it.
var opener = shot{point: "sink.after-intent", hit: 1, who: process}

// systematic is every point with every victim that makes sense there.
func systematic(points []string) (fresh, steady []shot) {
	for _, p := range points {
		victims := []victim{process, both}
		switch {
		case p == "clickhouse.after-insert":
			victims = []victim{engine, process, both, answer}
		case inChild(p), strings.HasPrefix(p, "sink."):
			victims = []victim{engine, process, both}
		case strings.HasPrefix(p, "secret."):
			victims = []victim{process}
		}
		for _, v := range victims {
			s := shot{point: p, hit: 1, who: v, soft: atStop(p)}
			switch {
			case once(p):
				fresh = append(fresh, s)
			case needsIntent(p):
				steady = append(steady, opener, s)
			default:
				steady = append(steady, s)
			}
		}
	}
	return fresh, steady
}

// random is a shot at any time or at any point of the steady life.
func random(rng *rand.Rand, points []string) shot {
	who := []victim{process, process, engine, both}[rng.IntN(4)]
	if rng.IntN(3) == 0 {
		return shot{ms: rng.IntN(1200), hit: 1, who: who, soft: who == process && rng.IntN(3) == 0}
	}
	for {
		p := points[rng.IntN(len(points))]
		if once(p) || needsIntent(p) {
			continue
		}
		s := shot{point: p, hit: 1, who: who, soft: atStop(p)}
		if s.soft {
			s.who = process // what goes on would end by itself
			return s
		}
		busy := !inChild(p) && !strings.HasPrefix(p, "sink.") && !strings.HasPrefix(p, "journal.")
		if busy {
			s.hit = 1 + rng.IntN(40)
		} else if inChild(p) && rng.IntN(2) == 0 {
			s.ms = 1 + rng.IntN(12) // in the middle of what follows
		}
		return s
	}
}

// shuffled mixes pairs that belong together as one.
func shuffled(rng *rand.Rand, list []shot) []shot {
	var groups [][]shot
	for i := 0; i < len(list); i++ {
		if i+1 < len(list) && list[i] == opener && needsIntent(list[i+1].point) {
			groups = append(groups, list[i:i+2])
			i++
			continue
		}
		groups = append(groups, list[i:i+1])
	}
	rng.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
	return slices.Concat(groups...)
}
