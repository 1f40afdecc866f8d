package house_test

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// quietRooms hold the algorithms; time and randomness come in as arguments.
var quietRooms = []string{"targeting", "audience", "auction", "prediction", "pacing"}

// clockRooms are not quiet but learn the time only from an injected clock, so
// that a test can move it.
var clockRooms = []string{"campaign", "ledger", "events", "serving", "reporting", "audience/store", "internal/sqldb"}

// fixedPointRooms compute what must repeat bit for bit on every CPU (I8): no
// float there, because a compiler may fuse x*y+z on one and not on another.
var fixedPointRooms = []string{"auction", "pacing", "prediction", "targeting"}

func isQuiet(dir string) bool {
	return slices.Contains(quietRooms, room(dir)) && dir != "audience/store" && !strings.HasSuffix(dir, "/sqlstore")
}

func within(dir string, rooms []string) bool {
	for _, r := range rooms {
		if dir == r || strings.HasPrefix(dir, r+"/") {
			return true
		}
	}
	return false
}

var quietImports = []string{
	"os", "net", "log", "syscall", "io/fs", "os/exec", "os/signal", "net/http", "log/slog", "crypto/rand",
	"database/sql", "context", "unsafe", "math/rand", module + "/internal/clock",
}

var clockCalls = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

var seededRand = []string{"New", "NewPCG", "NewChaCha8", "NewZipf", "NewSource", "Rand", "PCG", "ChaCha8", "Zipf", "Source"}

func checkQuiet(files []*source) (bad []string) {
	for _, s := range files {
		if s.isTest() || !isQuiet(s.Dir) {
			continue
		}
		s.eachImport(func(p, where string) {
			if slices.Contains(quietImports, p) || strings.HasPrefix(p, "net/") {
				bad = append(bad, fmt.Sprintf("%s: quiet room %s imports %s", where, s.Dir, p))
			}
		})
		s.eachUse(func(p, name, where string) {
			switch {
			case p == "time" && slices.Contains(clockCalls, name):
				bad = append(bad, fmt.Sprintf("%s: quiet room %s calls time.%s: take the time as an argument", where, s.Dir, name))
			case p == "math/rand/v2" && !slices.Contains(seededRand, name):
				bad = append(bad, fmt.Sprintf("%s: quiet room %s calls rand.%s: take a seed as an argument", where, s.Dir, name))
			case p == "fmt" && strings.HasPrefix(name, "Print"):
				bad = append(bad, fmt.Sprintf("%s: quiet room %s prints", where, s.Dir))
			}
		})
		ast.Inspect(s.AST, func(n ast.Node) bool {
			if g, ok := n.(*ast.GoStmt); ok {
				bad = append(bad, fmt.Sprintf("%s: quiet room %s starts a goroutine", s.at(g.Pos()), s.Dir))
			}
			return true
		})
	}
	return bad
}

// clockExceptions are the places outside the quiet rooms that may read the machine's clock.
var clockExceptions = map[string]string{
	"reporting/embedded/supervisor.go": "measures how long a real child process lived; nothing it decides is stored",
}

func checkClock(files []*source, exceptions map[string]string) (bad []string) {
	for _, s := range files {
		if s.isTest() || !within(s.Dir, clockRooms) || exceptions[s.Path] != "" {
			continue
		}
		s.eachUse(func(p, name, where string) {
			if p == "time" && (name == "Now" || name == "Since" || name == "Until" || name == "Sleep") {
				bad = append(bad, fmt.Sprintf("%s: time.%s: take an internal/clock.Clock", where, name))
			}
			if p == "fmt" && strings.HasPrefix(name, "Print") {
				bad = append(bad, fmt.Sprintf("%s: fmt.%s: only cmd and bench print", where, name))
			}
		})
	}
	return bad
}

// checkLogs keeps logging at the doors and in the adapters.
func checkLogs(files []*source) (bad []string) {
	silent := append([]string{"serving", "internal/money", "internal/id", "internal/clock"}, quietRooms...)
	for _, s := range files {
		domain := s.Dir == "campaign" || s.Dir == "ledger"
		if s.isTest() {
			continue
		}
		s.eachImport(func(p, where string) {
			switch {
			case p == "log" && room(s.Dir) != "bench":
				bad = append(bad, where+": imports log: use log/slog")
			case p == "log/slog" && (domain || within(s.Dir, silent) && s.Dir != "audience/store"):
				bad = append(bad, where+": imports log/slog: this room returns errors and counts in Stats; the door logs")
			}
		})
	}
	return bad
}

// floatExceptions are files of fixed-point rooms that may use floats, with the
// reason why their result need not repeat bit for bit.
var floatExceptions = map[string]string{}

func checkFixedPoint(files []*source, exceptions map[string]string) (bad []string) {
	for _, s := range files {
		if s.isTest() || !within(s.Dir, fixedPointRooms) || exceptions[s.Path] != "" {
			continue
		}
		ast.Inspect(s.AST, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && (id.Name == "float64" || id.Name == "float32") {
				bad = append(bad, fmt.Sprintf("%s: %s in %s: scores are fixed-point, they must repeat bit for bit", s.at(id.Pos()), id.Name, s.Dir))
			}
			return true
		})
	}
	return bad
}

func TestQuietRoomsAreQuiet(t *testing.T) { report(t, checkQuiet(repo(t).Sources)) }
func TestClocksAreInjected(t *testing.T)  { report(t, checkClock(repo(t).Sources, clockExceptions)) }
func TestOnlyTheDoorsLog(t *testing.T)    { report(t, checkLogs(repo(t).Sources)) }
func TestScoresAreFixedPoint(t *testing.T) {
	report(t, checkFixedPoint(repo(t).Sources, floatExceptions))
}
func TestExceptionsAreStillUsed(t *testing.T) {
	files := map[string]bool{}
	for _, s := range repo(t).Sources {
		files[s.Path] = true
	}
	for _, list := range []map[string]string{clockExceptions, floatExceptions, moneyExceptions, globalExceptions} {
		for name, why := range list {
			if !files[strings.Split(name, " ")[0]] || why == "" {
				t.Errorf("exception %q names no file or has no reason", name)
			}
		}
	}
}

func TestQuietRulesCanFail(t *testing.T) {
	one := func(file, imported, body string) []*source {
		return []*source{sample(t, file, "package p\nimport \""+imported+"\"\nfunc f() { "+body+" }\n")}
	}
	wantComplaint(t, checkQuiet(one("auction/a.go", "os", "os.Exit(1)")), "imports os")
	wantComplaint(t, checkQuiet(one("pacing/a.go", "time", "_ = time.Now()")), "time.Now")
	wantComplaint(t, checkQuiet(one("pacing/a.go", "math/rand/v2", "rand.IntN(3)")), "rand.IntN")
	wantComplaint(t, checkQuiet(one("audience/a.go", "fmt", "fmt.Println()")), "prints")
	wantComplaint(t, checkQuiet(one("audience/a.go", "fmt", "go fmt.Sprint()")), "goroutine")
	wantNone(t, checkQuiet(one("audience/store/a.go", "os", "os.Exit(1)")))
	wantNone(t, checkQuiet(one("auction/a_test.go", "time", "_ = time.Now()")))
	wantNone(t, checkQuiet(one("auction/a.go", "math/rand/v2", "rand.New(rand.NewPCG(1, 2))")))

	wantComplaint(t, checkClock(one("events/a.go", "time", "_ = time.Now()"), nil), "events/a.go:3", "Clock")
	wantNone(t, checkClock(one("events/a.go", "time", "_ = time.Now()"), map[string]string{"events/a.go": "why"}))
	wantComplaint(t, checkLogs(one("serving/a.go", "log/slog", "slog.Info(``)")), "the door logs")
	wantComplaint(t, checkLogs(one("api/ads/a.go", "log", "log.Println()")), "log/slog")
	wantNone(t, checkLogs(one("api/ads/a.go", "log/slog", "slog.Info(``)")))
	wantComplaint(t, checkFixedPoint(one("auction/a.go", "fmt", "_ = float64(1)"), nil), "float64")
}
