package serving

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mazad/campaign/campaigntest"
	"mazad/events"
	"mazad/events/diary"
)

// stuckLog is a disk that hangs: it takes records and answers when it is told.
type stuckLog struct {
	mu      sync.Mutex // guards the rest
	records []events.Record
	answers []func(error)
	freed   bool
	forget  bool // keep no records: for benchmarks
}

func (l *stuckLog) Enqueue(rs ...*events.Record) (diary.Ticket, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ticket, answer := diary.Promise()
	for _, r := range rs {
		if r.Verdict == events.VerdictRefused || l.forget {
			continue
		}
		c := *r
		c.Features, c.Body = nil, append([]byte(nil), r.Body...)
		c.Conversion.Name, c.Conversion.EventID = append([]byte(nil), r.Conversion.Name...), append([]byte(nil), r.Conversion.EventID...)
		l.records = append(l.records, c)
	}
	if l.freed {
		answer(nil)
	} else {
		l.answers = append(l.answers, answer)
	}
	return ticket, nil
}

// come lets the disk come back: everything is on it.
func (l *stuckLog) come() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, answer := range l.answers {
		answer(nil)
	}
	l.answers, l.freed = nil, true
}

// lose ends everything that waits as the diary does: first the verdict is taken
// back, then the ticket fails.
func (l *stuckLog) lose(undo func(*events.Record)) {
	l.mu.Lock()
	records, answers := l.records, l.answers
	l.records, l.answers, l.freed = nil, nil, true
	l.mu.Unlock()
	for i := range records {
		undo(&records[i])
	}
	for _, answer := range answers {
		answer(diary.ErrFull)
	}
}

func (l *stuckLog) kinds() map[events.Kind]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := map[events.Kind]int{}
	for _, r := range l.records {
		n[r.Kind]++
	}
	return n
}

// brief is a sender's patience in a test that wants it to run out.
func brief(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// TestI4ARepeatIsNotAcknowledgedBeforeTheFirst: while the first is not on disk,
// nobody is told that the event is; when it is, all are.
func TestI4ARepeatIsNotAcknowledgedBeforeTheFirst(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 500, Seed: 31, CPMOnly: true}, 1_000_000_000)
	disk := &stuckLog{}
	tr := s.trackInto(t, disk)
	p, token := s.serveOne(t, "CPM", DoorFeed)
	b := Beacon{Signal: SignalImpression, Token: token}
	sale := Conversion{Advertiser: p.Creative.Advertiser, Name: "INSTALL", EventID: "i-1", TimeMS: s.clock.Now().UnixMilli()}
	for i := range 3 {
		if r := tr.Confirm(brief(t), &b); r.Status != BeaconOverload {
			t.Errorf("impression, attempt %d: %s while nothing is on disk", i, r.Status)
		}
		if r := tr.Convert(brief(t), &sale); r.Status != BeaconOverload {
			t.Errorf("conversion, attempt %d: %s while nothing is on disk", i, r.Status)
		}
	}
	var all sync.WaitGroup
	var acknowledged atomic.Int64
	for range 20 {
		all.Go(func() {
			if r := tr.Confirm(context.Background(), &b); r.Status == BeaconRepeat {
				acknowledged.Add(1)
			}
			if r := tr.Convert(context.Background(), &sale); r.Status == BeaconRepeat {
				acknowledged.Add(1)
			}
		})
	}
	disk.come()
	all.Wait()
	if got := disk.kinds(); acknowledged.Load() != 40 || got[events.KindImpression] != 1 || got[events.KindConversion] != 1 {
		t.Errorf("%d repeats acknowledged, want 40; records %v", acknowledged.Load(), got)
	}
	if tr.Sweep(); tr.Stats().InFlight.Load() != 0 {
		t.Errorf("%d are still held to be on their way", tr.Stats().InFlight.Load())
	}
}

// TestI4ARepeatTakesThePlaceOfALostFirst: the first was never written; one of
// those who waited for it is billed in its place, and only one.
func TestI4ARepeatTakesThePlaceOfALostFirst(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 500, Seed: 32, CPMOnly: true}, 1_000_000_000)
	disk := &stuckLog{}
	tr := s.trackInto(t, disk)
	p, token := s.serveOne(t, "CPM", DoorFeed)
	b := Beacon{Signal: SignalImpression, Token: token}
	sale := Conversion{Advertiser: p.Creative.Advertiser, Name: "INSTALL", EventID: "i-1", TimeMS: s.clock.Now().UnixMilli()}
	tr.Confirm(brief(t), &b)
	tr.Convert(brief(t), &sale)
	var by [StatusCount]atomic.Int64
	var converted [StatusCount]atomic.Int64
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { by[tr.Confirm(context.Background(), &b).Status].Add(1) })
		all.Go(func() { converted[tr.Convert(context.Background(), &sale).Status].Add(1) })
	}
	disk.lose(tr.Undo)
	all.Wait()
	if by[BeaconBilled].Load() != 1 || by[BeaconRepeat].Load() != 49 {
		t.Errorf("%d billed and %d repeats after the first was lost, want 1 and 49", by[BeaconBilled].Load(), by[BeaconRepeat].Load())
	}
	if converted[BeaconFree].Load() != 1 || converted[BeaconRepeat].Load() != 49 {
		t.Errorf("conversions: %d recorded and %d repeats, want 1 and 49", converted[BeaconFree].Load(), converted[BeaconRepeat].Load())
	}
	if got := disk.kinds(); got[events.KindImpression] != 1 || got[events.KindConversion] != 1 {
		t.Errorf("records %v, want one of each", got)
	}
}

// TestAnUnknownFateIsNoAcknowledgement: a diary that is closed with the record
// under way says neither yes nor no; the next life will know.
func TestAnUnknownFateIsNoAcknowledgement(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 500, Seed: 33, CPMOnly: true}, 1_000_000_000)
	disk := &stuckLog{}
	tr := s.trackInto(t, disk)
	_, token := s.serveOne(t, "CPM", DoorFeed)
	b := Beacon{Signal: SignalImpression, Token: token}
	tr.Confirm(brief(t), &b)
	disk.answers[0](diary.ErrClosed)
	for range 3 {
		if r := tr.Confirm(context.Background(), &b); r.Status != BeaconOverload {
			t.Errorf("status %s for a record whose fate nobody knows", r.Status)
		}
	}
}

// TestAClickNeverWaitsForAHangingDisk: the redirect goes out in time, while an
// impression is not acknowledged; when the disk comes back, both are there once.
func TestAClickNeverWaitsForAHangingDisk(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 2000, Seed: 34}, 1_000_000_000)
	disk := &stuckLog{}
	tr := s.trackInto(t, disk)
	_, token := s.serveOne(t, "CPC", DoorFeed)
	shown := make(chan Receipt, 1)
	patience, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		shown <- tr.Confirm(patience, &Beacon{Signal: SignalImpression, Token: token})
	}()
	for range 5 { // the later ones wait for the first, no longer than it
		start := time.Now()
		r := tr.ClickRedirect(context.Background(), token)
		// The disk never answers: without the limit this would not return at all.
		if took := time.Since(start); r.Redirect == "" || r.Status != BeaconOverload || took > 20*clickWait {
			t.Errorf("redirect %q, status %s after %s; want a redirect, not acknowledged, after %s", r.Redirect, r.Status, took, clickWait)
		}
	}
	select {
	case r := <-shown:
		t.Errorf("an impression was answered (%s) while the disk hangs", r.Status)
	default:
	}
	disk.come()
	if r := <-shown; r.Status != BeaconFree {
		t.Errorf("the impression of a CPC ad: %s", r.Status)
	}
	if r := tr.ClickRedirect(context.Background(), token); r.Status != BeaconRepeat {
		t.Errorf("the click after the disk came back: %s, want a repeat of what is there", r.Status)
	}
	if got := disk.kinds(); got[events.KindClick] != 1 || got[events.KindImpression] != 1 {
		t.Errorf("records %v, want one click and one impression", got)
	}
	if n := tr.Stats().Beacons[SignalClick][BeaconOverload].Load(); n != 5 {
		t.Errorf("%d clicks counted as not acknowledged, want 5", n)
	}
}

// TestRefusalsCannotFillTheDisk: of a flood of repeats only a share is written;
// the counters have all.
func TestRefusalsCannotFillTheDisk(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 500, Seed: 35, CPMOnly: true}, 1_000_000_000)
	tr, d := s.track(t)
	_, token := s.serveOne(t, "CPM", DoorFeed)
	const flood = 10_000
	for range flood + 1 {
		tr.Confirm(context.Background(), &Beacon{Signal: SignalImpression, Token: token})
	}
	want := uint64(allowanceMost / refusalCost)
	st := tr.Stats()
	if n := st.Verdicts[SignalImpression][events.VerdictRefused][events.ReasonRepeat].Load(); n != flood {
		t.Errorf("%d repeats counted, want %d", n, flood)
	}
	if n := d.Stats().Accepted; n < want || n > want+2*refusalsEvery+1 || st.RefusedUnwritten.Load()+n != flood+1 {
		t.Errorf("%d records written, %d not; want about %d", n, st.RefusedUnwritten.Load(), want)
	}
	s.clock.Advance(time.Second) // and some more with every second
	before := d.Stats().Accepted
	for range 100 {
		tr.Confirm(context.Background(), &Beacon{Signal: SignalImpression, Token: token})
	}
	if n := d.Stats().Accepted - before; n != refusalsEvery {
		t.Errorf("%d refusals written in the next second, want %d", n, refusalsEvery)
	}
	if r := tr.Confirm(context.Background(), &Beacon{Signal: SignalBill, Token: token}); r.Status != BeaconForged {
		t.Errorf("a token of the feed presented as an exchange's notice: %s", r.Status)
	}
}

// TestConversionsNameTheirClick: a click id that is not ours is refused; an
// expired or absent one is a conversion without a click; one alone says whose
// conversion it is.
func TestConversionsNameTheirClick(t *testing.T) {
	s := newStage(t, campaigntest.Options{AdGroups: 2000, Seed: 36}, 1_000_000_000)
	tr, d := s.track(t)
	p, token := s.serveOne(t, "CPC", DoorFeed)
	n := 0
	f := func(click string, advertiser bool, want BeaconStatus, match events.Match) {
		t.Helper()
		c := Conversion{Name: "INSTALL", EventID: string(rune('a' + n)), ClickToken: []byte(click), TimeMS: s.clock.Now().UnixMilli()}
		n++
		if advertiser {
			c.Advertiser = p.Creative.Advertiser
		}
		before := len(records(t, d))
		r := tr.Convert(context.Background(), &c)
		got := records(t, d)[before:]
		if r.Status != want || (want == BeaconForged) != (len(got) == 0) {
			t.Fatalf("click id %.8q: %s, %d records; want %s", click, r.Status, len(got), want)
		}
		if len(got) > 0 && (got[0].Conversion.Match != match || got[0].Advertiser != p.Creative.Advertiser) {
			t.Errorf("click id %.8q: match %s of advertiser %s", click, got[0].Conversion.Match, got[0].Advertiser)
		}
	}
	f(string(token), true, BeaconFree, events.MatchToken)
	f(string(token), false, BeaconFree, events.MatchToken)
	f("", true, BeaconFree, events.MatchNone)
	f(flip(token, len(token)/2), true, BeaconForged, 0)
	f("no token at all", true, BeaconForged, 0)
	s.clock.Advance(8 * 24 * time.Hour)
	f(string(token), true, BeaconFree, events.MatchNone)
}

// TestTicketsOfNoDiary: what stands in for a hanging disk keeps to the rules of
// a real ticket.
func TestTicketsOfNoDiary(t *testing.T) {
	ticket, answer := diary.Promise()
	if known, _ := ticket.Done(); known {
		t.Error("known before it was answered")
	}
	if err := ticket.Wait(brief(t)); !errors.Is(err, diary.ErrTimeout) {
		t.Errorf("a wait that ended: %v", err)
	}
	answer(diary.ErrFull)
	if known, err := ticket.Done(); !known || !errors.Is(err, diary.ErrFull) {
		t.Errorf("known %t, %v", known, err)
	}
}
