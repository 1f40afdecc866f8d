package events_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"mazad/events"

	"pgregory.net/rapid"
)

const hour = int64(3600 * 1000)

func TestUsedEqualsAMap(t *testing.T) {
	type mark struct {
		token events.TokenID
		use   events.Use
	}
	rapid.Check(t, func(t *rapid.T) {
		u, model := events.NewUsed(), map[mark]bool{}
		for range rapid.IntRange(0, 300).Draw(t, "steps") {
			m := mark{events.TokenID{
				Partition: rapid.Uint16Range(0, 1).Draw(t, "p"), Generation: rapid.Uint32Range(0, 1).Draw(t, "g"),
				Serial: rapid.SampledFrom([]uint64{0, 1, 63, 64, 65, 1 << 20, 1<<38 - 1, 1 << 38, 1<<38 + 64, events.MaxSerial}).Draw(t, "s"),
			}, events.Use(rapid.IntRange(0, 2).Draw(t, "use"))}
			at := 1000 * hour // the token decides its auction's time
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				u.Unmark(m.token, m.use, at)
				delete(model, m)
			case 1:
				b, err := u.AppendCheckpoint(nil, 5)
				if err != nil {
					t.Fatal(err)
				}
				var pos uint64
				if u, pos, err = events.LoadUsed(b); err != nil || pos != 5 {
					t.Fatalf("load: %v, position %d", err, pos)
				}
			default:
				if u.IsUsed(m.token, m.use, at) != model[m] {
					t.Fatalf("%v used: want %v", m, model[m])
				}
				if first := u.MarkOnce(m.token, m.use, at); first == model[m] {
					t.Fatalf("%v: first is %v, model has %v", m, first, model[m])
				}
				model[m] = true
			}
		}
	})
}

func TestUsedHasOneWinnerAmongMany(t *testing.T) {
	u := events.NewUsed()
	var wins atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for s := range uint64(5000) {
				if u.MarkOnce(events.TokenID{Serial: s}, events.UseClick, 0) {
					wins.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if wins.Load() != 5000 {
		t.Errorf("%d first uses of 5000 tokens", wins.Load())
	}
	if st := u.Stats(); st.Marked != 5000 || st.Repeated != 7*5000 {
		t.Errorf("stats are %+v", st)
	}
}

func TestUsedForgetsOnlyWhatExpired(t *testing.T) {
	u := events.NewUsed()
	mark := func(use events.Use, at int64, want bool) {
		t.Helper()
		if got := u.MarkOnce(events.TokenID{Serial: uint64(at / hour)}, use, at); got != want {
			t.Errorf("%s of hour %d: %v, want %v", use, at/hour, got, want)
		}
	}
	for h := range int64(50) {
		mark(events.UseImpression, h*hour, true)
		mark(events.UseClick, h*hour, true)
	}
	u.Expire(50 * hour)
	for h := range int64(50) {
		mark(events.UseImpression, h*hour, false) // gone or marked: never a second time
		mark(events.UseClick, h*hour, false)
	}
	if st := u.Stats(); st.Sets != 1+24 || st.Late != 49+26 {
		t.Errorf("%d sets are held (%d late), want the last 1 hour of impressions and 24 of clicks", st.Sets, st.Late)
	}
	u.Expire(10 * hour) // the clock jumped back
	mark(events.UseClick, 12*hour, false)
	b, err := u.AppendCheckpoint(nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if u, _, err = events.LoadUsed(b); err != nil {
		t.Fatal(err)
	}
	mark(events.UseClick, 12*hour, false) // the floor survives a restart
}

func TestUsedAppliesRecords(t *testing.T) {
	u := events.NewUsed()
	r := events.Record{Kind: events.KindClick, Verdict: events.VerdictRefused, Token: events.TokenID{Serial: 4}, AuctionMS: hour}
	if !u.Apply(&r) || u.IsUsed(r.Token, events.UseClick, hour) {
		t.Error("a refused click used up its token")
	}
	r.Verdict = events.VerdictFree
	if !u.Apply(&r) || u.Apply(&r) {
		t.Error("a free click must use up its token once")
	}
}

func TestCheckpointFindsEveryFlippedBit(t *testing.T) {
	u := events.NewUsed()
	for s := range uint64(40) {
		u.MarkOnce(events.TokenID{Partition: 1, Generation: 2, Serial: s * 7}, events.UseView, hour*int64(s%3))
	}
	b, err := u.AppendCheckpoint(nil, 9)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		for bit := range 8 {
			b[i] ^= 1 << bit
			if _, _, err := events.LoadUsed(b); !errors.Is(err, events.ErrDamaged) && !errors.Is(err, events.ErrVersion) {
				t.Fatalf("bit %d of byte %d flipped: %v", bit, i, err)
			}
			b[i] ^= 1 << bit
		}
	}
	for n := range b {
		if _, _, err := events.LoadUsed(b[:n]); err == nil {
			t.Fatalf("a checkpoint cut to %d bytes was read", n)
		}
	}
}
