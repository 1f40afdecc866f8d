package serving

import (
	"sync/atomic"
	"testing"

	"mazad/campaign/campaigntest"
)

// fullDiary is a diary that can be full.
type fullDiary struct{ full atomic.Bool }

func (g *fullDiary) Accepting() bool { return !g.full.Load() }

// TestNothingIsServedWhileTheDiaryIsFull: an impression could be neither billed
// nor acknowledged, so no money is held for one, and nothing is allocated.
func TestNothingIsServedWhileTheDiaryIsFull(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 500, Seed: 21, CPMOnly: true}, 1_000_000_000)
	door := &fullDiary{}
	s.engine.cfg.Diary = door
	var req Request
	var resp Response
	placed := func() (n int) {
		for i := range 50 {
			s.request(i, 3, &req)
			s.engine.Decide(&req, &resp)
			n += len(resp.Ads)
		}
		return n
	}
	if placed() == 0 {
		t.Fatal("nothing is served by an open diary")
	}
	_, before := s.treasurer.Pacing()
	door.full.Store(true)
	if n := placed(); n != 0 || resp.Reason != ReasonDiaryFull || resp.AuctionID.IsZero() {
		t.Errorf("%d ads while the diary is full, reason %s", n, resp.Reason)
	}
	if _, after := s.treasurer.Pacing(); after.Held != before.Held {
		t.Errorf("%d holds, %d before", after.Held, before.Held)
	}
	if got := s.engine.Stats().Empty[ReasonDiaryFull].Load(); got != 50 {
		t.Errorf("%d counted, want 50", got)
	}
	if n := testing.AllocsPerRun(100, func() { s.engine.Decide(&req, &resp) }); n != 0 {
		t.Errorf("%v allocations for a refusal", n)
	}
	var tr Trace
	s.engine.Explain(&req, &resp, &tr)
	if got := string(tr.JSON()); len(got) == 0 || got[0] != '{' {
		t.Errorf("explained as %q", got)
	}
	door.full.Store(false)
	if placed() == 0 {
		t.Error("nothing is served after the diary has room again")
	}
}
