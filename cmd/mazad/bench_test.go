package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// benchFigures runs a suite on this very binary as the node.
func benchFigures(t *testing.T, args ...string) (map[string]float64, string) {
	t.Helper()
	lib := engines(t)
	var out, remarks bytes.Buffer
	if err := run(t.Context(), append([]string{"bench", "--json", "--quick", "--seed", "3", "--library", lib}, args...), &out, &remarks); err != nil {
		t.Fatalf("%v\n%s", err, &remarks)
	}
	values := map[string]float64{}
	for _, l := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		var f struct {
			Name  string
			Value *float64
		}
		if err := json.Unmarshal([]byte(l), &f); err != nil || f.Value == nil {
			t.Fatalf("%v: %s", err, l)
		}
		values[f.Name] = *f.Value
	}
	return values, remarks.String()
}

// TestBenchIngestLosesNothing runs the suite in its smallest form, with the kill
// -9 in the middle of it: every acknowledged event is in ClickHouse, once.
func TestBenchIngestLosesNothing(t *testing.T) {
	got, remarks := benchFigures(t, "ingest", "--round", "150ms", "--ad-groups", "1500")
	for _, name := range []string{"acked_per_s", "acked_per_s@100", "beacon_ratio_bare", "ack_p99_ms_half_load", "ratio_raw_insert", "visible_s"} {
		if v, ok := got[name]; !ok || v <= 0 {
			t.Errorf("%s is %g, printed %v", name, v, ok)
		}
	}
	for _, name := range []string{"lost", "doubled"} {
		if v, ok := got[name]; !ok || v != 0 {
			t.Errorf("%s is %g, printed %v\n%s", name, v, ok, remarks)
		}
	}
	for _, want := range []string{"killed after", "diary = ClickHouse = ledger"} {
		if !strings.Contains(remarks, want) {
			t.Errorf("no %q in %s", want, remarks)
		}
	}
}

// TestBenchOverloadRefusesNoBeacon runs the suite in its smallest form: how fast
// is for a quiet machine to say.
func TestBenchOverloadRefusesNoBeacon(t *testing.T) {
	got, remarks := benchFigures(t, "overload", "--round", "400ms", "--ad-groups", "1500")
	for _, name := range []string{"capacity_rps", "goodput_ratio@2x", "p99_ratio@2x", "rss_mb"} {
		if v, ok := got[name]; !ok || v <= 0 {
			t.Errorf("%s is %g, printed %v\n%s", name, v, ok, remarks)
		}
	}
	if v, ok := got["refusal_p99_ms@2x"]; !ok || v < 0 {
		t.Errorf("refusal_p99_ms@2x is %g, printed %v", v, ok)
	}
	if v, ok := got["beacon_refused@2x"]; !ok || v != 0 {
		t.Errorf("%g beacons were refused, printed %v", v, ok)
	}
}
