package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"mazad/bench"
	"mazad/bench/line"
	"mazad/bench/target"
)

// asServer makes this test binary the server under test.
const asServer = "MAZAD_BENCH_TEST_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(asServer) != "" {
		if err := target.Serve(context.Background(), os.Args[1:], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// tiny runs a suite with 1,000 ad groups and returns its figures and remarks.
func tiny(t *testing.T, suite string) ([]string, map[string]float64, string) {
	t.Helper()
	t.Setenv(asServer, "1")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out, remarks bytes.Buffer
	p := line.NewPrinter(line.Config{Out: &out, Remarks: &remarks, Suite: suite, Seed: 5, JSON: true})
	o := bench.Options{Quick: true, Seed: 5, Sizes: []int{1000}, Samples: 600, Users: 500, Round: 60 * time.Millisecond, Server: []string{self}}
	if err := bench.Run(t.Context(), suite, o, p); err != nil {
		t.Fatalf("%v\n%s", err, &remarks)
	}
	var names []string
	values := map[string]float64{}
	for _, l := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		var f struct {
			Suite, Name, Unit string
			Value             *float64
			N                 int64
			Seed              uint64
		}
		if err := json.Unmarshal([]byte(l), &f); err != nil {
			t.Fatalf("%v: %s", err, l)
		}
		if f.Suite != suite || f.Unit == "" || f.Value == nil || f.N <= 0 || f.Seed != 5 {
			t.Errorf("figure %s", l)
			continue
		}
		names, values[f.Name] = append(names, f.Name), *f.Value
	}
	return names, values, remarks.String()
}

func TestMatchPrintsItsFigures(t *testing.T) {
	names, values, remarks := tiny(t, "match")
	want := []string{"full_p50_us@1k", "full_p99_us@1k", "ratio_roaring@1k", "topk_p50_us@1k", "topk_p99_us@1k", "scored_share@1k", "bytes_per_ad_group@1k", "allocs"}
	if !slices.Equal(names, want) {
		t.Errorf("names %v, want %v", names, want)
	}
	if values["allocs"] != 0 || values["full_p99_us@1k"] < values["full_p50_us@1k"] || values["bytes_per_ad_group@1k"] < 10 {
		t.Errorf("values %v", values)
	}
	if !strings.Contains(remarks, "ratio_be_indexer is left out") {
		t.Errorf("nothing says which reference is missing: %s", remarks)
	}
}

func TestDecidePrintsItsFigures(t *testing.T) {
	names, values, remarks := tiny(t, "decide")
	if want := []string{"p50_us@1k", "p99_us@1k", "allocs"}; !slices.Equal(names, want) {
		t.Errorf("names %v, want %v", names, want)
	}
	if values["p99_us@1k"] < values["p50_us@1k"] || values["p50_us@1k"] <= 0 || values["allocs"] != 0 {
		t.Errorf("values %v", values)
	}
	if !strings.Contains(remarks, "dropped records 0") {
		t.Errorf("remarks: %s", remarks)
	}
}

func TestHTTPPrintsItsFigures(t *testing.T) {
	names, values, remarks := tiny(t, "http")
	var want []string
	for _, suffix := range []string{"@1k", "_feed@1k"} {
		for _, n := range []string{"cpu_us_over_bare", "cpu_us", "cpu_us_bare", "ratio_fasthttp", "rps", "rps_bare", "p99_ms_half_load"} {
			want = append(want, n+suffix)
		}
	}
	if !slices.Equal(names, want) {
		t.Errorf("names %v, want %v", names, want)
	}
	for name, v := range values {
		if v <= 0 && !strings.HasPrefix(name, "cpu_us_over_bare") {
			t.Errorf("%s is %g", name, v)
		}
	}
	if !strings.Contains(remarks, "of requests get an ad") {
		t.Errorf("remarks: %s", remarks)
	}
}

func TestAnUnknownSuiteIsRefused(t *testing.T) {
	err := bench.Run(t.Context(), "speed", bench.Options{}, line.NewPrinter(line.Config{}))
	if err == nil || !strings.Contains(err.Error(), `"speed"`) || !strings.Contains(err.Error(), "match, decide, http") {
		t.Errorf("%v", err)
	}
}
