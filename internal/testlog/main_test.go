package main

import (
	"bytes"
	"strings"
	"testing"
)

func run(t *testing.T, require bool, lines ...string) (string, bool) {
	t.Helper()
	var out bytes.Buffer
	ok := (&tally{out: &out, requireEngines: require, output: map[string]*strings.Builder{}}).read(strings.NewReader(strings.Join(lines, "\n")))
	return out.String(), ok
}

func TestTally(t *testing.T) {
	pass := []string{
		`{"Action":"pass","Package":"mazad/a","Test":"TestOne","Elapsed":0}`,
		`{"Action":"pass","Package":"mazad/a","Elapsed":0.5}`,
	}
	skip := []string{
		`{"Action":"output","Package":"mazad/r","Test":"TestTwo","Output":"    x_test.go:1: ENGINE MISSING: libchdb\n"}`,
		`{"Action":"skip","Package":"mazad/r","Test":"TestTwo","Elapsed":0}`,
	}
	fail := []string{
		`{"Action":"output","Package":"mazad/b","Test":"TestThree","Output":"    y_test.go:1: wrong\n"}`,
		`{"Action":"fail","Package":"mazad/b","Test":"TestThree","Elapsed":0}`,
	}
	f := func(want string, wantOK, require bool, lines ...string) {
		t.Helper()
		got, ok := run(t, require, lines...)
		if ok != wantOK || !strings.Contains(got, want) {
			t.Errorf("ok = %v, want %v; output %q, want %q in it", ok, wantOK, got, want)
		}
	}
	f("1 packages, 1 tests passed, 0 skipped, 0 failures", true, true, pass...)
	f("y_test.go:1: wrong", false, false, append(fail, pass...)...)
	f("SKIPPED mazad/r.TestTwo: x_test.go:1: ENGINE MISSING", true, false, append(skip, pass...)...)
	f("every engine is required", false, true, append(skip, pass...)...)
	f("0 packages", false, false)
	f("not json", false, false, "not json")
	f("undefined: x", false, false,
		`{"ImportPath":"mazad/c","Action":"build-output","Output":"c.go:1: undefined: x\n"}`,
		`{"ImportPath":"mazad/c","Action":"build-fail"}`)
}
