package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mazad/bench/rtbkit"
)

// TestEveryRecordedAuctionIsAnswered plays the 14,000 recorded bid requests
// through /openrtb2/bid, with impressions and clicks back, and verifies.
func TestEveryRecordedAuctionIsAnswered(t *testing.T) {
	engines(t)
	file := rtbkit.File(os.Getenv("MAZAD_DATA"))
	if _, err := os.Stat(file); err != nil {
		t.Skipf("NO DATA: the recorded auctions are not there (set MAZAD_DATA): %v", err)
	}
	if testing.Short() {
		t.Skip("plays 14,000 requests")
	}
	t.Chdir(filepath.FromSlash("../..")) // where make engines put the library
	var out bytes.Buffer
	if err := runPlay(t.Context(), demoOptions{requests: file, adGroups: 1200, seed: 1, dataDir: t.TempDir()}, &out, io.Discard); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	got := out.String()
	for _, want := range []string{"played 14000 recorded bid requests", "refused 0, failed 0", "EQUAL"} {
		if !strings.Contains(got, want) {
			t.Errorf("the summary does not say %q:\n%s", want, got)
		}
	}
	t.Log(got)
}
