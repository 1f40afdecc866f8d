package diary_test

import (
	"bytes"
	"runtime"
	"testing"
	"time"

	"mazad/events"
	"mazad/events/diary"
	"mazad/internal/id"
)

// userKeys are the keys of users that are not forgotten.
type userKeys map[uint32][32]byte

func (k userKeys) Key(ord uint32) ([32]byte, bool) { key, ok := k[ord]; return key, ok }

func replayOf(at time.Time, n uint64, ord uint32, size int) *events.Record {
	auction := id.MakeEvent(at.UnixMilli(), 0, 1, n)
	r := &events.Record{ID: auction, AuctionID: auction, Kind: events.KindReplay, TimeMS: at.UnixMilli(), Body: bytes.Repeat([]byte{byte(n)}, size)}
	if ord != 0 {
		r.Personal = events.Personal{State: events.PrivacyOpen, Ord: ord}
	}
	return r
}

// A replay is found by its auction after a restart, wherever a clock that jumped
// has put it, and what is sealed opens while the user's key exists.
func TestReplaysAreFound(t *testing.T) {
	keys := userKeys{7: {1}, 8: {2}}
	cfg := diary.Config{Dir: t.TempDir(), Keys: keys}
	d := open(t, cfg)
	now := time.Now()
	jumped := map[uint64]time.Duration{100: -time.Hour, 200: time.Hour}
	offer := func(r *events.Record) {
		for !d.OfferReplay(r) { // its ring is small: the test is faster than the writer
			runtime.Gosched()
		}
	}
	var all []*events.Record
	for n := uint64(1); n <= 300; n++ {
		r := replayOf(now.Add(jumped[n]), n, uint32(7+n%2), 100+int(n))
		if n%10 == 0 {
			r.Personal = events.Personal{}
		}
		all = append(all, r)
		offer(r)
	}
	closeNow(t, d)
	if st := d.Stats(); st.Replays != 300 || st.ReplaysLost != 0 {
		t.Fatalf("%d replays written, %d lost", st.Replays, st.ReplaysLost)
	}
	delete(keys, 8)
	d = open(t, cfg)
	for _, want := range all {
		got, err := d.Find(patient(t), diary.Replays, want.ID)
		switch {
		case err != nil || got == nil || got.ID != want.ID:
			t.Fatalf("replay %s: %v, %v", want.ID, got, err)
		case want.Personal.Ord == 8 && (len(got.Body) != 0 || got.Personal.State != events.PrivacyForgotten):
			t.Fatalf("replay %s of a forgotten user has a body of %d bytes", want.ID, len(got.Body))
		case want.Personal.Ord != 8 && !bytes.Equal(got.Body, want.Body):
			t.Fatalf("replay %s: another body", want.ID)
		}
	}
	if got, err := d.Find(patient(t), diary.Replays, id.MakeEvent(now.UnixMilli(), 0, 1, 301)); got != nil || err != nil {
		t.Fatalf("an auction that was not kept: %v, %v", got, err)
	}
	if got, err := d.Find(patient(t), diary.Decisions, all[0].ID); got != nil || err != nil {
		t.Fatalf("in an empty stream: %v, %v", got, err)
	}
}

// The budget of replays is their own: the oldest make room, decisions stay, and a
// full ring drops and counts.
func TestReplaysMakeRoom(t *testing.T) {
	d := open(t, diary.Config{Dir: t.TempDir(), ReplayBytes: events.MaxBatch})
	decision := record(1, 1)
	decision.Kind, decision.Verdict, decision.BilledNanos = events.KindDecision, events.VerdictNone, 0
	d.Offer(decision)
	now, dropped := time.Now(), uint64(0)
	for n := uint64(1); n <= 200; n++ {
		for !d.OfferReplay(replayOf(now, n, 0, 100<<10)) {
			dropped++
			runtime.Gosched()
		}
	}
	last := id.MakeEvent(now.UnixMilli(), 0, 1, 200)
	for {
		got, err := d.Find(patient(t), diary.Replays, last)
		if err != nil {
			t.Fatal(err)
		}
		if got != nil {
			break
		}
	}
	if got, err := d.Find(patient(t), diary.Replays, id.MakeEvent(now.UnixMilli(), 0, 1, 1)); got != nil || err != nil {
		t.Errorf("20 MB of replays are kept in a budget of half a MiB: %v", err)
	}
	if got, err := d.Find(patient(t), diary.Decisions, decision.ID); got == nil || err != nil {
		t.Errorf("the decision went: %v", err)
	}
	closeNow(t, d)
	if st := d.Stats(); dropped == 0 || st.ReplaysDropped != dropped || st.Replays+st.ReplaysLost != 200 {
		t.Errorf("%d dropped, counted %d; %d written", dropped, st.ReplaysDropped, st.Replays)
	}
}
