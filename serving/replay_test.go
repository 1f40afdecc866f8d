package serving

import (
	"bytes"
	"slices"
	"testing"

	"mazad/audience"
	"mazad/campaign"
	"mazad/events"
	"mazad/internal/id"
	"mazad/internal/money"
)

// TestI8ReplayRepeatsBitForBit: over a season with edits, new models, midnights,
// refused holds, caps and both universes, every auction is decided again exactly.
func TestI8ReplayRepeatsBitForBit(t *testing.T) {
	s, log := newSeason(t, 11), &kept{}
	s.engine.cfg.Replays, s.engine.cfg.Sample, s.engine.cfg.Build = log, money.One, "test"
	auctions := 4000
	if testing.Short() {
		auctions = 800
	}
	met := map[string]int{}
	for i := range auctions {
		s.step(i)
		if i%7 == 0 { // somebody asks
			var tr Trace
			s.engine.Explain(&s.req, &s.resp, &tr)
			met["explained"]++
		}
	}
	days, size := map[int32]bool{}, 0
	for i, body := range log.bodies {
		rec, err := ParseRecording(body)
		must(t, err)
		size += len(body)
		if i%10 != 0 && (len(rec.Auctions) == 0 || len(rec.Auctions[0].Refused) == 0) {
			continue // the others would take a minute
		}
		met["replayed"]++
		tree := s.trees[rec.Revision]
		got, err := Replay(rec, &tree)
		must(t, err)
		if diff := rec.Differences(got); len(diff) > 0 {
			t.Fatalf("auction %s of revision %d: %q", rec.Auction, rec.Revision, diff)
		}
		for _, a := range rec.Ads {
			days[a.Day] = true
		}
		count(rec, met)
	}
	t.Logf("%d recordings of %d bytes on average; met %v, %d budget days", len(log.bodies), size/len(log.bodies), met, len(days))
	for _, what := range []string{"explained", "refused", "dry", "paced", "capped", "contextual", "personal", "exchange", "several auctions", "rates", "empty"} {
		if met[what] < 10 {
			t.Errorf("%q was met %d times: the test proves little", what, met[what])
		}
	}
	if len(s.trees) < auctions/100 || len(days) < 2 && !testing.Short() {
		t.Errorf("%d revisions, budget days %v", len(s.trees), days)
	}
}

// count notes which parts of a decision a recording has.
func count(rec *Recording, met map[string]int) {
	met[rec.Universe.String()]++
	if rec.Request.Door == DoorOpenRTB {
		met["exchange"]++
	}
	if len(rec.Auctions) > 1 {
		met["several auctions"]++
	}
	if len(rec.Ads) == 0 {
		met["empty"]++
	}
	for _, g := range rec.Groups {
		if len(g.Rates) > 0 {
			met["rates"]++
		}
	}
	for _, a := range rec.Auctions {
		met["refused"] += len(a.Refused)
		for i, f := range a.Fates {
			switch {
			case f.Competed && f.Pace != money.One:
				met["paced"]++
			case !f.Competed && f.Reason == ReasonBudget && rec.Groups[i].Need > 0:
				met["dry"]++
			case f.Reason == ReasonFrequency && rec.Groups[i].Seen > 0:
				met["capped"]++
			}
		}
	}
}

// TestReplayShowsDifferences: an engine, a tree or a recording that is not the one
// that decided is named by what came out otherwise.
func TestReplayShowsDifferences(t *testing.T) {
	s, log := newSeason(t, 12), &kept{}
	s.engine.cfg.Replays, s.engine.cfg.Sample = log, money.One
	var rec *Recording
	for i := 0; rec == nil; i++ {
		s.step(i)
		r, err := ParseRecording(log.bodies[len(log.bodies)-1])
		must(t, err)
		if len(r.Ads) > 0 && r.Universe == audience.Personal {
			rec = r
		}
	}
	tree := s.trees[rec.Revision]
	again := func(change func(*Recording, *campaign.Tree)) []string {
		r, err := ParseRecording(rec.Append(nil))
		must(t, err)
		other := tree
		other.AdGroups = slices.Clone(tree.AdGroups)
		change(r, &other)
		got, err := Replay(r, &other)
		must(t, err)
		return rec.Differences(got)
	}
	winner := rec.Ads[0].AdGroup
	at := slices.IndexFunc(rec.Groups, func(g RecordedGroup) bool { return g.ID == winner })
	for name, change := range map[string]func(*Recording, *campaign.Tree){
		"bid": func(_ *Recording, t *campaign.Tree) {
			t.AdGroups[slices.IndexFunc(t.AdGroups, func(g campaign.AdGroup) bool { return g.ID == winner })].BidPrice /= 3
		},
		"ad group gone": func(_ *Recording, t *campaign.Tree) {
			t.AdGroups = slices.DeleteFunc(t.AdGroups, func(g campaign.AdGroup) bool { return g.ID == winner })
		},
		"multiplier": func(r *Recording, _ *campaign.Tree) { r.Auctions[0].Fates[at].Pace /= 2 },
		"refused hold": func(r *Recording, _ *campaign.Tree) {
			r.Auctions[0].Refused = append(r.Auctions[0].Refused, RefusedHold{Group: at, Reason: ReasonBudget})
		},
		"floor":   func(r *Recording, _ *campaign.Tree) { r.Market.Floor = 1 << 50 },
		"consent": func(r *Recording, _ *campaign.Tree) { r.Request.Signals.Consent = audience.ConsentDenied },
	} {
		if diff := again(change); len(diff) == 0 {
			t.Errorf("%s: no difference is shown", name)
		} else {
			t.Logf("%s: %q", name, diff[0])
		}
	}
	if diff := again(func(r *Recording, _ *campaign.Tree) { r.Engine, r.Build = 99, "another build" }); len(diff) > 0 {
		t.Errorf("another engine that decides the same: %q", diff)
	}
}

// TestI10RecordingsKeepNoPerson: a recording names nobody, and one of the
// contextual universe has nothing that this universe may not use.
func TestI10RecordingsKeepNoPerson(t *testing.T) {
	s, log := newSeason(t, 13), &kept{}
	s.engine.cfg.Replays, s.engine.cfg.Sample = log, money.One
	for i := range 600 {
		s.draw()
		s.req.UserID, s.req.Session = append(s.req.UserID[:0], "MARK-user"...), append(s.req.Session[:0], "MARK-session"...)
		s.req.ID, s.req.UserAgent = []byte("MARK-request"), []byte("MARK-agent")
		s.users["MARK-user"] = s.users[userName(i%80)]
		s.engine.Decide(&s.req, &s.resp)
		body := log.bodies[len(log.bodies)-1]
		if bytes.Contains(body, []byte("MARK")) {
			t.Fatal("a recording names its user")
		}
		rec, err := ParseRecording(body)
		must(t, err)
		if rec.Universe == audience.Personal {
			if log.last.Personal.State != events.PrivacyOpen || log.last.Personal.Ord != uint32(s.users["MARK-user"].Ord) {
				t.Fatal("a personal recording is not sealed for its user")
			}
			continue
		}
		q, p := &rec.Request, &rec.Profile
		if log.last.Personal.State != events.PrivacyNone || q.City != 0 || q.OSVersion != 0 || q.Gender != 0 || p.Gender != 0 || len(p.Interests)+len(p.Segments) > 0 ||
			!slices.Contains(bandYears[:], q.Signals.Age) {
			t.Fatalf("a contextual recording holds %+v, %+v", q, p)
		}
	}
}

// TestI7WhatIsNotKeptCostsNothing: with a sample, a request outside it allocates
// nothing, and the share of those inside is right.
func TestI7WhatIsNotKeptCostsNothing(t *testing.T) {
	const draws = 200_000
	n := 0
	for i := range uint64(draws) {
		if Sampled(id.MakeEvent(1_760_000_000_000+int64(i), 0, 1, i), money.One/100, 5) {
			n++
		}
	}
	if n < draws/100*9/10 || n > draws/100*11/10 {
		t.Errorf("%d of %d auctions are in a sample of 1 %%", n, draws)
	}
	a := id.MakeEvent(1, 0, 1, 1)
	if Sampled(a, 0, 5) || !Sampled(a, money.One, 5) {
		t.Error("none or all is not none or all")
	}
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	s := newSeason(t, 14)
	s.engine.cfg.Replays, s.engine.cfg.Sample = &kept{}, 1
	s.draw()
	s.engine.Decide(&s.req, &s.resp)
	if n := testing.AllocsPerRun(500, func() { s.engine.Decide(&s.req, &s.resp) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestBrokenRecordingsAreRefused: bytes that are not a recording end in an error,
// and every prefix of one does.
func TestBrokenRecordingsAreRefused(t *testing.T) {
	s, log := newSeason(t, 15), &kept{}
	s.engine.cfg.Replays, s.engine.cfg.Sample = log, money.One
	for i := range 30 {
		s.step(i)
	}
	for _, body := range log.bodies {
		for n := range body {
			if _, err := ParseRecording(body[:n]); err == nil {
				t.Fatalf("%d of %d bytes are read", n, len(body))
			}
		}
	}
	later := bytes.Clone(log.bodies[0])
	later[0] = 2 * (recordingFormat + 1)
	if _, err := ParseRecording(later); err == nil || err.Error() != "recording format v2, this build reads v1" {
		t.Errorf("a later format: %v", err)
	}
	log.full = true
	before := s.engine.Stats().NotKept.Load()
	s.step(1)
	if s.engine.Stats().NotKept.Load() != before+1 {
		t.Error("a dropped recording is not counted")
	}
}
