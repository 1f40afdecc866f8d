package reporting_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestAJournalThatLostItsEndDoublesNothing: the last lines are gone, as after a
// flipped bit in the newest one or when an older copy was put back. ClickHouse
// knows better, and is believed.
func TestAJournalThatLostItsEndDoublesNothing(t *testing.T) {
	h := newHouse(t)
	story := newStory(12, november, time.Hour)
	path := filepath.Join(h.dir, "sink.journal")
	var copies [][]byte
	for range 3 {
		story.fill(h.tape, 4, 50)
		s, stop := h.run(nil)
		h.drained(s)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		copies = append(copies, raw)
	}
	flipped := slices.Clone(copies[2])
	flipped[len(flipped)-5] ^= 1
	for what, journal := range map[string][]byte{"an older copy": copies[0], "a flipped bit at the end": flipped, "nothing": nil} {
		if err := os.WriteFile(path, journal, 0o600); err != nil {
			t.Fatal(err)
		}
		story.fill(h.tape, 2, 50)
		s, stop := h.run(nil)
		h.drained(s)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if v := h.verify(nil); !v.OK() {
			t.Fatalf("%s: %s", what, strings.Join(v.Differences, "\n"))
		}
	}
}
