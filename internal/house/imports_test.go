package house_test

import (
	"fmt"
	"path"
	"strings"
	"testing"
)

// tiers is the import table of DESIGN.md section 1: a package imports packages
// of lower tiers and of its own room. The longest prefix counts.
var tiers = map[string]int{
	"internal": 0, "internal/house": 0,
	"targeting": 1, "audience": 1, "auction": 1, "prediction": 1, "pacing": 1,
	"audience/store": 2,
	"campaign":       2, "ledger": 2, "commerce": 2, "events": 2,
	"serving": 3, "reporting": 3, "console": 3,
	"api":   4,
	"bench": 5, // only cmd stands above it, so only cmd imports it
	"cmd":   6,
}

// engines says which package may speak to which engine. Keys ending in / are prefixes.
var engines = []struct {
	importPath string
	owners     []string // path patterns as path.Match reads them, or prefixes ending in /
	why        string
}{
	{"github.com/valyala/fasthttp", []string{"api/ads"}, "fasthttp belongs to api/ads"},
	{"github.com/ClickHouse/", []string{"reporting", "reporting/"}, "ClickHouse belongs to reporting"},
	{"github.com/ebitengine/purego", []string{"reporting/"}, "only the embedded ClickHouse loads a library"},
	{"github.com/nats-io/", []string{"events", "events/"}, "NATS belongs to events"},
	{"database/sql", sqlOwners, "SQL belongs to the sqlstore packages"},
	{"github.com/uptrace/bun", sqlOwners, "SQL belongs to the sqlstore packages"},
	{"github.com/pressly/goose", sqlOwners, "SQL belongs to the sqlstore packages"},
	{"github.com/jackc/pgx", sqlOwners, "SQL belongs to the sqlstore packages"},
	{"modernc.org/sqlite", sqlOwners, "SQL belongs to the sqlstore packages"},
	{module + "/internal/sqldb", append([]string{"cmd/"}, sqlOwners...), "only sqlstore packages use the database handle; cmd opens it"},
	{"github.com/prometheus/", []string{"cmd/", "api/"}, "rooms expose Stats; cmd and api register them"},
	{"github.com/spf13/cobra", []string{"cmd/"}, "flags belong to cmd"},
}

var sqlOwners = []string{"*/sqlstore", "*/*/sqlstore", "internal/sqldb", "internal/sqldb/"}

// room is the part of a path inside which imports are free.
func room(dir string) string {
	parts := strings.Split(dir, "/")
	if parts[0] == "api" && len(parts) > 1 {
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}

func tierOf(dir string) (int, bool) {
	for d := dir; d != "."; d = path.Dir(d) {
		if n, ok := tiers[d]; ok {
			return n, true
		}
	}
	return 0, false
}

func owned(dir string, owners []string) bool {
	for _, o := range owners {
		if ok, _ := path.Match(o, dir); ok || strings.HasSuffix(o, "/") && strings.HasPrefix(dir, o) {
			return true
		}
	}
	return false
}

func has(importPath, rule string) bool {
	return importPath == rule || strings.HasPrefix(importPath, strings.TrimSuffix(rule, "/")+"/")
}

func checkTiers(files []*source) (bad []string) {
	for _, s := range files {
		from, known := tierOf(s.Dir)
		if !known {
			bad = append(bad, s.Path+": this folder is not in the table of rooms: a new top-level room needs a noun that no room owns")
			continue
		}
		s.eachImport(func(p, where string) {
			dir, ours := strings.CutPrefix(p, module+"/")
			if !ours || room(dir) == room(s.Dir) {
				return
			}
			switch to, known := tierOf(dir); {
			case !known:
				bad = append(bad, fmt.Sprintf("%s: imports %s, which is not in the table of rooms", where, p))
			case to == from:
				bad = append(bad, fmt.Sprintf("%s: %s imports %s: rooms of one tier do not know each other, the higher room translates", where, s.Dir, dir))
			case to > from:
				bad = append(bad, fmt.Sprintf("%s: %s imports %s: imports go down only", where, s.Dir, dir))
			}
		})
	}
	return bad
}

func checkEngines(files []*source) (bad []string) {
	for _, s := range files {
		if s.isTest() || room(s.Dir) == "bench" {
			continue
		}
		s.eachImport(func(p, where string) {
			for _, e := range engines {
				if has(p, e.importPath) && !owned(s.Dir, e.owners) {
					bad = append(bad, fmt.Sprintf("%s: imports %s: %s", where, p, e.why))
				}
			}
		})
	}
	return bad
}

// checkTestPackages keeps the testing package, and the conformance suites
// (storetest and the like) that bring it along, out of what is shipped. A
// package of made-up objects without it (campaigntest) may be used by a demo.
func checkTestPackages(files []*source) (bad []string) {
	suites := map[string]bool{"testing": true, "pgregory.net/rapid": true}
	for _, s := range files {
		s.eachImport(func(p, _ string) {
			if isSuite(s.Dir) && !strings.HasSuffix(s.Path, "_test.go") && (p == "testing" || p == "pgregory.net/rapid") {
				suites[module+"/"+s.Dir] = true
			}
		})
	}
	for _, s := range files {
		if s.isTest() {
			continue
		}
		s.eachImport(func(p, where string) {
			if suites[p] {
				bad = append(bad, fmt.Sprintf("%s: imports %s: test code is imported by tests only", where, p))
			}
		})
	}
	return bad
}

func TestRoomsImportOnlyDownwards(t *testing.T) { report(t, checkTiers(repo(t).Sources)) }
func TestEnginesHaveOneRoomEach(t *testing.T)   { report(t, checkEngines(repo(t).Sources)) }
func TestTestCodeStaysInTests(t *testing.T)     { report(t, checkTestPackages(repo(t).Sources)) }

func TestImportRulesCanFail(t *testing.T) {
	one := func(file, imported string) []*source {
		return []*source{sample(t, file, "package p\nimport _ \""+imported+"\"\n")}
	}
	wantComplaint(t, checkTiers(one("auction/a.go", "mazad/pacing")), "auction/a.go:2", "one tier")
	wantComplaint(t, checkTiers(one("auction/a_test.go", "mazad/serving")), "down only")
	wantComplaint(t, checkTiers(one("campaign/sqlstore/a.go", "mazad/ledger/sqlstore")), "one tier")
	wantComplaint(t, checkTiers(one("audience/a.go", "mazad/bench/load")), "down only")
	wantComplaint(t, checkTiers(one("api/ads/a.go", "mazad/api/manage")), "one tier")
	wantComplaint(t, checkTiers(one("shared/a.go", "fmt")), "table of rooms")
	wantNone(t, checkTiers(one("serving/a.go", "mazad/pacing")))
	wantNone(t, checkTiers(one("cmd/mazad/a.go", "mazad/bench/load")))

	wantComplaint(t, checkEngines(one("serving/a.go", "github.com/valyala/fasthttp")), "api/ads")
	wantComplaint(t, checkEngines(one("campaign/a.go", "database/sql")), "sqlstore")
	wantComplaint(t, checkEngines(one("serving/a.go", "github.com/nats-io/nats.go/jetstream")), "events")
	wantComplaint(t, checkEngines(one("api/manage/a.go", "github.com/ClickHouse/clickhouse-go/v2")), "reporting")
	wantNone(t, checkEngines(one("campaign/sqlstore/a.go", "github.com/uptrace/bun")))
	wantNone(t, checkEngines(one("bench/line/a.go", "github.com/valyala/fasthttp")))
	wantNone(t, checkEngines(one("serving/a_test.go", "github.com/valyala/fasthttp")))

	suite := one("campaign/storetest/a.go", "testing")
	wantComplaint(t, checkTestPackages(append(suite, one("campaign/a.go", "mazad/campaign/storetest")...)), "tests only")
	wantComplaint(t, checkTestPackages(one("campaign/a.go", "testing")), "tests only")
	wantNone(t, checkTestPackages(append(suite, one("campaign/a_test.go", "mazad/campaign/storetest")...)))
	wantNone(t, checkTestPackages(one("campaign/storetest/a.go", "testing")))
}
