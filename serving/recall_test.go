package serving

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"mazad/campaign/campaigntest"
	"mazad/events"
	"mazad/events/diary"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/prediction"
)

// keeper is a bookkeeper with a learner, and what it recovered.
type keeper struct {
	*Bookkeeper
	learner *prediction.Learner
	used    *events.Used
	memory  *events.Attribution
	pending Pending
}

func (s *stage) keeper(t testing.TB, d *diary.Diary, books Books) *keeper {
	t.Helper()
	k := &keeper{used: events.NewUsed(), memory: events.NewAttribution(events.AttributionConfig{})}
	var err error
	k.learner, err = prediction.NewLearner(prediction.Config{})
	must(t, err)
	k.Bookkeeper, err = NewBookkeeper(context.Background(), BookkeeperConfig{Clock: s.clock, Stream: d, Books: books, Learner: k.learner})
	must(t, err)
	return k
}

// recover starts from point, or from the beginning.
func (k *keeper) recover(t testing.TB, point *Checkpoint) (batches int) {
	t.Helper()
	if point != nil {
		got, err := k.Resume(context.Background(), point, events.AttributionConfig{})
		must(t, err)
		k.used, k.memory, k.pending = got.Used, got.Attribution, got.Pending
	}
	batches, err := k.Recover(context.Background(), func(r *events.Record) {
		k.used.Apply(r)
		k.memory.Apply(r)
		k.pending.Apply(r)
	})
	must(t, err)
	return batches
}

// traffic sends n ads with their beacons and a conversion each.
func (s *stage) traffic(t testing.TB, tr *Tracker, from, n int) {
	t.Helper()
	var req Request
	var resp Response
	for i := from; i < from+n; i++ {
		s.request(i, 3, &req)
		s.engine.Decide(&req, &resp)
		for _, p := range resp.Ads {
			token := bytes.Clone(p.Token)
			tr.Confirm(context.Background(), &Beacon{Signal: SignalImpression, Token: token})
			if i%3 == 0 {
				tr.Confirm(context.Background(), &Beacon{Signal: SignalClick, Token: token})
				tr.Convert(context.Background(), &Conversion{Advertiser: p.Creative.Advertiser, Name: "BUY", EventID: fmt.Sprint(i), ClickToken: token, TimeMS: s.clock.Now().UnixMilli()})
			}
		}
	}
}

// same checks that two memories know the same of every record of the stream.
func (k *keeper) same(t testing.TB, want *keeper, all []events.Record) {
	t.Helper()
	for i := range all {
		r := &all[i]
		if use, ok := r.TokenUse(); ok && (!k.used.IsUsed(r.Token, use, r.AuctionMS) || !k.Bookkeeper.used.IsUsed(r.Token, use, r.AuctionMS)) {
			t.Fatalf("%s of token %s is forgotten", use, r.Token)
		}
		if r.Kind == events.KindConversion {
			s := events.Sale{Advertiser: r.Advertiser, Name: r.Conversion.Name, EventID: r.Conversion.EventID, TimeMS: r.TimeMS, ReceivedMS: r.TimeMS}
			if !k.memory.Credit(&s).Duplicate {
				t.Fatalf("conversion %s of %s is forgotten", r.Conversion.EventID, r.Advertiser)
			}
		}
	}
	if got, whole := k.learner.AppendCounts(nil), want.learner.AppendCounts(nil); !bytes.Equal(got, whole) {
		t.Errorf("learnt %+v, want %+v", k.learner.Stats(), want.learner.Stats())
	}
	if got, whole := k.memory.Stats(), want.memory.Stats(); got.ClicksHeld != whole.ClicksHeld || got.ConversionsHeld != whole.ConversionsHeld {
		t.Errorf("%d clicks and %d conversions are remembered, want %d and %d", got.ClicksHeld, got.ConversionsHeld, whole.ClicksHeld, whole.ConversionsHeld)
	}
	if got, whole := k.pending.Clicks(), want.pending.Clicks(); len(got) != len(whole) {
		t.Errorf("%d clicks wait, want %d", len(got), len(whole))
	}
}

// TestACheckpointAndTheTailAreTheWholeStream: a start from a checkpoint knows
// what a start from the beginning knows, and reads only the rest.
func TestACheckpointAndTheTailAreTheWholeStream(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 500, Seed: 51, CPMOnly: true}, 1_000_000_000)
	tr, d := s.track(t)
	tr.cfg.Homes = nowhere{}
	books := &fakeBooks{spent: map[id.AdGroup]money.Sum{}}
	first := s.keeper(t, d, books)
	first.recover(t, nil)
	s.traffic(t, tr, 0, 30)
	tr.cfg.Partition = 9 // the next click is another node's
	_, token := s.serveOne(t, "CPM", DoorFeed)
	if r := tr.Confirm(context.Background(), &Beacon{Signal: SignalClick, Token: token}); r.Status != BeaconPending {
		t.Fatalf("click of a node that is away: %s", r.Status)
	}
	tr.cfg.Partition = 0
	_, err := first.Pass(context.Background())
	must(t, err)
	raw, err := first.AppendCheckpoint(nil, tr)
	must(t, err)
	s.traffic(t, tr, 30, 10)
	all := records(t, d)

	whole := s.keeper(t, d, books)
	n := whole.recover(t, nil)
	point, err := ReadCheckpoint(raw)
	must(t, err)
	k := s.keeper(t, d, books)
	if tail := k.recover(t, point); tail >= n || tail == 0 {
		t.Errorf("%d batches were read after the checkpoint, %d without", tail, n)
	}
	k.same(t, whole, all)
	if again, err := k.AppendCheckpoint(nil, tr); err != nil || len(again) == 0 {
		t.Errorf("the next checkpoint: %d bytes, %v", len(again), err)
	}
}

// nowhere is a market whose other nodes are all away.
type nowhere struct{}

func (nowhere) Beacon(context.Context, uint16, *Beacon) (Receipt, bool) { return Receipt{}, false }
func (nowhere) Conversion(context.Context, uint16, *Conversion) (Receipt, bool) {
	return Receipt{}, false
}

// TestACheckpointThatDoesNotFitIsNotUsed: damaged anywhere, of another stream, or
// ahead of the ledger.
func TestACheckpointThatDoesNotFitIsNotUsed(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 500, Seed: 52, CPMOnly: true}, 1_000_000_000)
	tr, d := s.track(t)
	books := &fakeBooks{spent: map[id.AdGroup]money.Sum{}}
	first := s.keeper(t, d, books)
	first.recover(t, nil)
	if none, err := first.AppendCheckpoint(nil, tr); err != nil || len(none) > 0 {
		t.Errorf("a checkpoint of nothing: %d bytes, %v", len(none), err)
	}
	s.traffic(t, tr, 0, 3)
	_, err := first.Pass(context.Background())
	must(t, err)
	raw, err := first.AppendCheckpoint(nil, tr)
	must(t, err)
	for i := range raw {
		b := bytes.Clone(raw)
		b[i] ^= 1 << (i % 8)
		if _, err := ReadCheckpoint(b); !errors.Is(err, errNoCheckpoint) {
			t.Fatalf("byte %d flipped: %v", i, err)
		}
		if _, err := ReadCheckpoint(raw[:i]); err == nil {
			t.Fatalf("a checkpoint cut to %d bytes was read", i)
		}
	}
	point, err := ReadCheckpoint(raw)
	must(t, err)
	refused := func(name string, d *diary.Diary, books Books) {
		t.Helper()
		k := s.keeper(t, d, books)
		if _, err := k.Resume(context.Background(), point, events.AttributionConfig{}); err == nil {
			t.Errorf("%s: the checkpoint was taken", name)
		}
	}
	refused("a ledger that is an older copy", d, &fakeBooks{spent: map[id.AdGroup]money.Sum{}})
	s.clock.Advance(1) // lives differ by when they began
	other, err := diary.Open(context.Background(), diary.Config{Dir: t.TempDir(), Clock: s.clock})
	must(t, err)
	defer other.Close(context.Background())
	refused("an empty diary", other, books)
	tr2 := s.trackInto(t, other)
	s.traffic(t, tr2, 0, 20)
	refused("another diary", other, books)
}

// TestNoCheckpointOfWhatIsNotBooked: what was read and not posted would be taken
// for booked by the next life.
func TestNoCheckpointOfWhatIsNotBooked(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 500, Seed: 53, CPMOnly: true}, 1_000_000_000)
	tr, d := s.track(t)
	books := &fakeBooks{spent: map[id.AdGroup]money.Sum{}}
	k := s.keeper(t, d, books)
	k.recover(t, nil)
	s.traffic(t, tr, 0, 3)
	_, err := k.Pass(context.Background())
	must(t, err)
	books.fail = true
	s.traffic(t, tr, 3, 3)
	if _, err := k.Pass(context.Background()); err == nil {
		t.Fatal("posted into a ledger that is away")
	}
	if b, err := k.AppendCheckpoint(nil, tr); err != nil || len(b) > 0 {
		t.Errorf("a checkpoint of %d bytes, %v, while records are read and not booked", len(b), err)
	}
	books.fail = false
	_, err = k.Pass(context.Background())
	must(t, err)
	if b, err := k.AppendCheckpoint(nil, tr); err != nil || len(b) == 0 {
		t.Errorf("no checkpoint after the ledger came back: %v", err)
	}
}
