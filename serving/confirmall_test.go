package serving

import (
	"context"
	"slices"
	"sync"
	"testing"

	"mazad/campaign/campaigntest"
	"mazad/events"
)

// TestABatchIsJudgedLikeSingleBeacons sends one sender's list together: each is
// judged for itself, a token twice in one list is billed once, and what is
// acknowledged is in the diary.
func TestABatchIsJudgedLikeSingleBeacons(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 500, Seed: 12, CPMOnly: true}, 1_000_000_000)
	tr, d := s.track(t)
	_, a := s.serveOne(t, "CPM", DoorFeed)
	_, b := s.serveOne(t, "CPM", DoorFeed)
	list := []Beacon{
		{Signal: SignalImpression, Token: a}, {Signal: SignalImpression, Token: []byte("forged")}, {Signal: SignalView, Token: a},
		{Signal: SignalImpression, Token: a}, {Signal: SignalImpression, Token: b}, {Signal: SignalClick, Token: b},
	}
	receipts := make([]Receipt, len(list))
	tr.ConfirmAll(context.Background(), list, receipts)
	var got []BeaconStatus
	for _, r := range receipts {
		got = append(got, r.Status)
	}
	want := []BeaconStatus{BeaconBilled, BeaconForged, BeaconFree, BeaconRepeat, BeaconBilled, BeaconFree}
	if !slices.Equal(got, want) {
		t.Errorf("statuses %v, want %v", got, want)
	}
	there := map[string]bool{}
	for _, r := range records(t, d) {
		there[r.ID.String()] = true
	}
	for i, r := range receipts {
		if (r.Status == BeaconBilled || r.Status == BeaconFree) && !there[r.EventID.String()] {
			t.Errorf("item %d was acknowledged and is not in the diary", i)
		}
	}
	if n := tr.Stats().Beacons[SignalImpression][BeaconRepeat].Load(); len(there) != 5 || n != 1 {
		t.Errorf("%d records, %d repeats counted", len(there), n)
	}
	tr.ConfirmAll(context.Background(), nil, nil)
}

// TestABatchThatTheDiaryRefusesIsNoVerdict: every item is told so, and may come
// again.
func TestABatchThatTheDiaryRefusesIsNoVerdict(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 500, Seed: 13, CPMOnly: true}, 1_000_000_000)
	_, d := s.track(t)
	log := &brokenLog{}
	tr := s.trackInto(t, log)
	_, a := s.serveOne(t, "CPM", DoorFeed)
	list := []Beacon{{Signal: SignalImpression, Token: a}, {Signal: SignalView, Token: a}}
	receipts := make([]Receipt, len(list))
	tr.ConfirmAll(context.Background(), list, receipts)
	if receipts[0].Status != BeaconOverload || receipts[1].Status != BeaconOverload {
		t.Fatalf("%v", receipts)
	}
	log.real = d
	tr.ConfirmAll(context.Background(), list, receipts)
	if receipts[0].Status != BeaconBilled || receipts[1].Status != BeaconFree || len(records(t, d)) != 2 {
		t.Errorf("the second time: %v", receipts)
	}
	if _, ok := (&events.Record{}).TokenUse(); ok {
		t.Error("an empty record uses a token")
	}
}

// meeting is a way to other nodes that answers nobody before all have come.
type meeting struct {
	all     sync.WaitGroup
	answers BeaconStatus
}

func (m *meeting) Beacon(context.Context, uint16, *Beacon) (Receipt, bool) {
	m.all.Done()
	m.all.Wait()
	return Receipt{Status: m.answers}, true
}

func (m *meeting) Conversion(context.Context, uint16, *Conversion) (Receipt, bool) {
	return Receipt{}, false
}

// TestABatchOfOtherNodesTravelsSideBySide would never end if one waited for
// another.
func TestABatchOfOtherNodesTravelsSideBySide(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 500, Seed: 14, CPMOnly: true}, 1_000_000_000)
	tr, d := s.track(t)
	tr.cfg.Partition = 7 // the stage's tokens are of partition 0
	away := &meeting{answers: BeaconBilled}
	away.all.Add(3)
	tr.cfg.Homes = away
	_, a := s.serveOne(t, "CPM", DoorFeed)
	_, b := s.serveOne(t, "CPM", DoorFeed)
	list := []Beacon{{Signal: SignalImpression, Token: a}, {Signal: SignalView, Token: a}, {Signal: SignalImpression, Token: b}}
	receipts := make([]Receipt, len(list))
	tr.ConfirmAll(context.Background(), list, receipts)
	for i, r := range receipts {
		if r.Status != BeaconBilled {
			t.Errorf("item %d: %s", i, r.Status)
		}
	}
	if n := tr.Stats().Beacons[SignalImpression][BeaconBilled].Load(); n != 2 || len(records(t, d)) != 0 {
		t.Errorf("%d impressions counted, %d records here", n, len(records(t, d)))
	}
}
