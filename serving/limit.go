package serving

import (
	"time"

	"mazad/internal/money"
	"mazad/ledger"
	"mazad/pacing"
)

// limitKey names a limit without its day.
type limitKey struct {
	kind  ledger.LimitKind
	owner int64
}

// limit is one limit of the Book with what Tick knows of it. It belongs to the
// Treasurer's mutex.
type limit struct {
	key     limitKey
	id      pacing.LimitID
	ceiling money.Sum // zero for a wallet until the store has said
	zone    *zoneDays
	least   money.Nanos // a slice covers a few of the dearest events under it
	days    []*limitDay // few
	based   bool        // the spend of earlier lives was read
	seen    int64       // edit in which an ad group had it
	goneMS  int64       // steady time when no ad group had it any more, 0: some has

	// pacing
	paced   bool // some ad group under it wants its budget to last
	moving  bool // in Treasurer.pacing
	movedMS int64
	budget  money.Sum // what a day is planned to spend: the ceiling, or less where days may differ
	week    *limit    // of a budget whose days may differ
	pacer   pacing.Controller
	period  period
	pace    money.PPB
	groups  []*groupState // that it paces
}

// limitDay is a day or week of a limit, or the lifetime (day 0). It outlives its
// cell in the Book for some days, because the account goes on when a clock that
// jumped opens the day again.
type limitDay struct {
	account
	day       int32
	looked    uint64    // the tick that looked at it last
	left      money.Sum // what the store may still grant, by its last answer
	known     bool      // left is an answer of the store
	others    money.Sum // posted by other nodes and earlier lives, by the store's last answer
	retired   money.Sum // billed in cells of the Book that are closed
	billed    money.Sum // at the last look, for the rate
	perSecond money.Nanos
	lookedMS  int64 // steady
	askAfter  int64 // steady ms
	hungry    bool  // in Treasurer.hungry
	readMS    int64 // steady time when others was read
}

// account is what the store has granted to one life, as far as we have taken it
// into the Book and not out again.
type account struct {
	leased money.Sum
	queued bool // in Treasurer.back
	closed bool // we are done with it
}

// on is the day, as the store names it, for which a limit counts an auction of a
// local date.
func (l *limit) on(date int32) int32 {
	switch {
	case l.key.kind.Daily():
		return date
	case l.key.kind.Weekly():
		return ledger.WeekOf(date)
	}
	return 0
}

func (l *limit) at(day int32) *limitDay {
	for _, d := range l.days {
		if d.day == day {
			return d
		}
	}
	d := &limitDay{day: day}
	l.days = append(l.days, d)
	return d
}

func (l *limit) limit(day int32) ledger.Limit {
	return ledger.Limit{Kind: l.key.kind, Owner: l.key.owner, Day: day}
}

// zoneDays is the local date of everybody in one zone, read once a tick.
type zoneDays struct {
	loc    *time.Location
	today  int32
	next   int32    // tomorrow, once it is armed ahead; else today
	limits []*limit // that begin anew in this zone
	arming []arming
}

// arming is a day for which the limits of a zone are being armed, a page a tick.
type arming struct {
	day int32
	at  int // of zoneDays.limits
}

// read notes the date, and what is to be armed.
func (z *zoneDays) read(now time.Time) {
	was := [2]int32{z.today, z.next}
	z.today, z.next = pacing.DayKey(now, z.loc), pacing.DayKey(now.Add(armAhead), z.loc)
	for i, day := range [2]int32{z.today, z.next} {
		if was[0] != 0 && day != was[0] && day != was[1] && (i == 0 || day != z.today) {
			z.arming = append(z.arming, arming{day: day})
		}
	}
}
