package prediction

import (
	"bytes"
	"testing"

	"mazad/internal/id"

	"pgregory.net/rapid"
)

// TestCountsComeBackAsTheyWere: a learner that was written down publishes the same
// model and goes on the same way.
func TestCountsComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{MaxAds: 20}
		live, err := NewLearner(cfg)
		if err != nil {
			t.Fatal(err)
		}
		see := func(ls ...*Learner) {
			n := rapid.IntRange(1, 40).Draw(t, "ad")
			k := Key{Ad: id.Ad(n), AdGroup: id.AdGroup(n / 3), Campaign: id.Campaign(n / 7)}
			e := Event(rapid.IntRange(0, int(events)-1).Draw(t, "event"))
			for _, l := range ls {
				l.Observe(&k, e)
			}
		}
		for range rapid.IntRange(0, 60).Draw(t, "before") {
			see(live)
		}
		b := live.AppendCounts(nil)
		back, _ := NewLearner(cfg)
		if err := back.LoadCounts(b); err != nil {
			t.Fatal(err)
		}
		for n := range b {
			if cut, _ := NewLearner(cfg); cut.LoadCounts(b[:n]) == nil {
				t.Fatalf("%d of %d bytes were read as all", n, len(b))
			}
		}
		for range rapid.IntRange(0, 20).Draw(t, "after") {
			see(live, back)
		}
		if !bytes.Equal(live.AppendCounts(nil), back.AppendCounts(nil)) || live.Stats() != back.Stats() {
			t.Fatalf("%+v, want %+v", back.Stats(), live.Stats())
		}
	})
}
