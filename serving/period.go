package serving

import (
	"time"

	"mazad/campaign"
	"mazad/internal/money"
	"mazad/ledger"
	"mazad/pacing"
	"mazad/targeting"
)

// period is what a controller spreads a budget over.
type period struct {
	start, end time.Time
	hours      string        // dayparting of the ad group that gives the shape
	curve      *pacing.Curve // nil: even
}

// setPeriod says what the budget is to be spread over: the local day, or the
// schedule of a lifetime budget. One without an end is spread over 30 days from
// its start. The dayparting of the first smooth ad group under the limit is
// taken as the shape of the traffic.
func (l *limit) setPeriod(now time.Time, g *campaign.AdGroup, kind ledger.LimitKind) {
	p := period{start: g.ScheduleStart, end: g.ScheduleEnd}
	if kind.Recurs() {
		d := pacing.DayAt(now, l.zone.loc)
		p.start, p.end = d.Start, d.End
	} else if p.end.IsZero() || !p.end.After(p.start) {
		p.end = p.start.Add(30 * 24 * time.Hour)
	}
	if p.hours = g.Dayparting; p.start.Equal(l.period.start) && p.end.Equal(l.period.end) && p.hours == l.period.hours {
		return
	}
	p.shape(l.zone.loc)
	l.period = p
}

// shape makes the curve of the period.
func (p *period) shape(zone *time.Location) {
	p.curve = nil
	if schedule, err := targeting.ParseDayparting(p.hours); err == nil && !schedule.Always() {
		p.curve = openHours(*p, zone, schedule)
	}
}

// openHours makes a curve that is even over the open half-hours of a period.
func openHours(p period, zone *time.Location, schedule targeting.Dayparting) *pacing.Curve {
	const piece = 30 * time.Minute
	n := int(p.end.Sub(p.start) / piece)
	if n < 1 || n > 48*366 {
		return nil
	}
	weights := make([]uint32, n)
	for i := range weights {
		local := p.start.Add(time.Duration(i) * piece).In(zone)
		weekday := (int(local.Weekday()) + 6) % 7
		if schedule.Open(uint16(weekday*targeting.HalfHoursPerDay + local.Hour()*2 + local.Minute()/30)) {
			weights[i] = 1
		}
	}
	c, err := pacing.NewCurve(piece.Milliseconds(), weights)
	if err != nil {
		return nil
	}
	return c
}

// elapsed is the share of the period's traffic that has passed.
func (p *period) elapsed(now time.Time) money.PPB {
	ms := now.Sub(p.start).Milliseconds()
	if p.curve != nil {
		return p.curve.Elapsed(ms)
	}
	total := p.end.Sub(p.start).Milliseconds()
	switch {
	case ms <= 0 || total <= 0:
		return 0
	case ms >= total:
		return money.One
	}
	return money.PPB(uint64(ms) * uint64(money.One) / uint64(total))
}
