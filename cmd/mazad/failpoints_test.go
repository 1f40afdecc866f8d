package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// The environment alone arms nothing: only a process that was started with the
// flag looks at it.
func TestFailpointsNeedTheFlag(t *testing.T) {
	t.Setenv("MAZAD_FAILPOINTS", "no.such-point=kill")
	var out bytes.Buffer
	if err := run(t.Context(), []string{"failpoints"}, &out, io.Discard); err != nil || !strings.Contains(out.String(), "sink.after-intent\n") {
		t.Errorf("without the flag: %v, %q", err, out.String())
	}
	if err := run(t.Context(), []string{"failpoints", "--failpoints"}, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "no.such-point") {
		t.Errorf("with the flag: %v, want an error that names the point", err)
	}
	out.Reset()
	if err := run(t.Context(), []string{"--help"}, &out, io.Discard); err != nil || strings.Contains(out.String(), "failpoints") {
		t.Errorf("the flag is for tests and must not be offered: %v, %s", err, out.String())
	}
}
