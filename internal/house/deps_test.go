package house_test

import (
	"regexp"
	"strings"
	"testing"
)

// approved are the direct dependencies, each with the reason why it is not a
// few lines of our own. Adding one is a decision: docs/decisions/0002.
var approved = map[string]string{
	"github.com/ClickHouse/ch-go":                  "column encodings of the Native format, which the embedded engine's gateway re-encodes",
	"github.com/ClickHouse/clickhouse-go/v2":       "the one client for reports, embedded and distributed",
	"github.com/HdrHistogram/hdrhistogram-go":      "latency percentiles of the load generator without keeping every sample",
	"github.com/RoaringBitmap/roaring/v2":          "compressed bitmaps for segments, sparse index rows and used tokens",
	"github.com/dgraph-io/ristretto/v2":            "a bounded cache with admission, for what is costly to parse again",
	"github.com/ebitengine/purego":                 "loads libchdb without cgo",
	"github.com/getkin/kin-openapi":                "validates answers of the marketing API against its specification",
	"github.com/jackc/pgx/v5":                      "the PostgreSQL driver, under database/sql like the other one",
	"github.com/klauspost/compress":                "zstd for archive files, a tenth of their size; the diary's server brings it already",
	"github.com/nats-io/nats-server/v2":            "the diary's engine inside the process",
	"github.com/nats-io/nats.go":                   "the one client of the diary, embedded and distributed",
	"github.com/oapi-codegen/runtime":              "parameter binding used by the generated marketing API server",
	"github.com/pressly/goose/v3":                  "numbered SQL migrations, one set for SQLite and PostgreSQL",
	"github.com/prometheus/client_golang":          "metrics in the format operators already collect",
	"github.com/spf13/cobra":                       "modes, flags, help and shell completion of the binary",
	"github.com/uptrace/bun":                       "one query builder for two SQL dialects",
	"github.com/uptrace/bun/dialect/pgdialect":     "bun's PostgreSQL dialect",
	"github.com/uptrace/bun/dialect/sqlitedialect": "bun's SQLite dialect",
	"github.com/valyala/fasthttp":                  "the door for machines in a hurry: no allocation per request",
	"github.com/valyala/fastjson":                  "JSON parsing into reused memory on the request path",
	"go.yaml.in/yaml/v3":                           "strict configuration files with line numbers in errors",
	"modernc.org/sqlite":                           "SQLite without cgo",
	"pgregory.net/rapid":                           "property tests with shrinking",
}

var requireLine = regexp.MustCompile(`^\s*(?:require\s+)?([a-z0-9.]+\.[a-z]+/\S+)\s+v\S+\s*$`)

// directDependencies reads the requirements of a go.mod that are not marked indirect.
func directDependencies(gomod string) (deps []string) {
	for _, line := range strings.Split(gomod, "\n") {
		if m := requireLine.FindStringSubmatch(line); m != nil {
			deps = append(deps, m[1])
		}
	}
	return deps
}

func checkDependencies(deps []string, files []*source, approved map[string]string) (bad []string) {
	used := map[string]bool{}
	for _, s := range files {
		s.eachImport(func(p, _ string) {
			best := ""
			for _, d := range deps {
				if has(p, d) && len(d) > len(best) {
					best = d
				}
			}
			used[best] = true
		})
	}
	seen := map[string]bool{}
	for _, d := range deps {
		seen[d] = true
		if approved[d] == "" {
			bad = append(bad, "go.mod: "+d+" is not on the approved list: write a decision, or do without")
		}
		if !used[d] {
			bad = append(bad, "go.mod: "+d+" is a direct dependency that nothing imports")
		}
	}
	for d := range approved {
		if !seen[d] {
			bad = append(bad, "internal/house: "+d+" is approved but not required by go.mod")
		}
	}
	return bad
}

func TestDependenciesAreApproved(t *testing.T) {
	r := repo(t)
	report(t, checkDependencies(directDependencies(r.read(t, "go.mod")), r.Sources, approved))
}

func TestDependencyRuleCanFail(t *testing.T) {
	deps := directDependencies("module m\ngo 1.26.0\nrequire (\n\texample.com/a/v2 v2.0.0\n\texample.com/b v1.0.0 // indirect\n)\n")
	if len(deps) != 1 || deps[0] != "example.com/a/v2" {
		t.Fatalf("direct dependencies: %q", deps)
	}
	use := []*source{sample(t, "auction/a.go", "package auction\nimport _ \"example.com/a/v2/x\"\n")}
	wantComplaint(t, checkDependencies(deps, use, nil), "not on the approved list")
	wantComplaint(t, checkDependencies(deps, nil, map[string]string{"example.com/a/v2": "why"}), "nothing imports")
	wantComplaint(t, checkDependencies(deps, use, map[string]string{"example.com/c": "why"}), "not required")
	wantNone(t, checkDependencies(deps, use, map[string]string{"example.com/a/v2": "why"}))
}
