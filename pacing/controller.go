package pacing

import "mazad/internal/money"

// Pace is how an ad group wants its budget spent.
type Pace uint8

// The paces.
const (
	Smooth Pace = iota // over the whole period, as the traffic comes
	Fast               // as soon as possible
)

// Fixed-point formats: the logarithm of the multiplier has 32 fractional bits,
// a share of the budget 40.
const (
	logOne   = 1 << 32
	shareOne = 1 << 40

	// lowestLog is ln(1e-6): a bid a million times too high still finds its way.
	lowestLog = -(13815511 * logOne / 1_000_000)
	// stepLog bounds one tick's change of the logarithm, so that a burst of
	// events confirmed at once cannot throw the bid away.
	stepLog = logOne / 2
	// gain: spending 1 % of the budget more or less than planned moves the bid
	// e-fold. Chosen by simulation (TestControllerOverADay): at 50 a cold start a
	// hundred times off is no longer smooth, at 400 the bid begins to swing when
	// spend is seen two minutes late.
	gain = 100
)

// Controller finds the multiplier of an ad group's bid with which its budget
// lasts exactly as long as its period: the dual update of budget pacing,
// multiplier <- multiplier x exp(gain x (planned - spent)), where the plan for a
// tick is always the rest of the budget in proportion to the rest of the
// traffic. So errors and budget edits spread over what remains. It is a value
// with one owner; the same ticks give the same multipliers bit for bit.
type Controller struct {
	Pace    Pace
	log     int64 // ln(multiplier), <= 0
	spent   money.Sum
	elapsed money.PPB
	started bool
}

// NewController starts at a multiplier, for instance that of a similar ad group.
func NewController(pace Pace, start money.PPB) Controller {
	return Controller{Pace: pace, log: max(logPPB(min(start, money.One)), lowestLog)}
}

// Tick is what the controller learns: totals of the current period.
type Tick struct {
	Budget  money.Sum
	Spent   money.Sum // billed + held, so that confirmations that lag are no surprise
	Elapsed money.PPB // share of the period's traffic that has passed, Curve.Elapsed
}

// Tick moves the multiplier and returns it: 0 once the budget is spent.
func (c *Controller) Tick(t *Tick) money.PPB {
	if t.Budget.Sign() <= 0 || t.Spent.Cmp(t.Budget) >= 0 {
		c.remember(t)
		return 0
	}
	if c.Pace == Fast {
		c.remember(t)
		return money.One
	}
	if c.started && t.Elapsed > c.elapsed && c.elapsed < money.One {
		before := share(c.spent, t.Budget)
		planned := mulDiv(uint64(max(shareOne-before, 0)), uint64(t.Elapsed-c.elapsed), uint64(money.One-c.elapsed))
		off := int64(planned) - (share(t.Spent, t.Budget) - before)
		step := off * gain * (logOne >> 20) >> 20
		c.log = min(max(c.log+min(max(step, -stepLog), stepLog), lowestLog), 0)
		c.remember(t)
	} else if !c.started || t.Elapsed < c.elapsed {
		c.remember(t) // the first tick, or the plan was changed: measure from here
	}
	return c.Multiplier()
}

func (c *Controller) remember(t *Tick) {
	c.spent, c.elapsed, c.started = t.Spent, t.Elapsed, true
}

// Roll begins a new period: nothing is spent, the multiplier stays.
func (c *Controller) Roll() { c.spent, c.elapsed, c.started = money.Sum{}, 0, true }

// Multiplier is the present one, without looking at the budget.
func (c *Controller) Multiplier() money.PPB {
	if c.Pace == Fast {
		return money.One
	}
	return expPPB(c.log)
}

// share is part/whole with 40 fractional bits, for non-negative amounts,
// at most 2.
func share(part, whole money.Sum) int64 {
	if part.Sign() <= 0 {
		return 0
	}
	for whole.Hi != 0 || whole.Lo >= 1<<62 {
		part, whole = half(part), half(whole)
	}
	if part.Hi != 0 || part.Lo >= 2*whole.Lo {
		return 2 * shareOne
	}
	return int64(mulDiv(part.Lo, shareOne, whole.Lo))
}

func half(s money.Sum) money.Sum {
	return money.Sum{Hi: s.Hi >> 1, Lo: s.Lo>>1 | uint64(s.Hi)<<63}
}
