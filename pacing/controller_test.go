package pacing_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"mazad/internal/money"
	"mazad/pacing"
)

// day is a synthetic budget day: traffic that swings by the hour and is noisy,
// competitors' prices that are log-normal and drift through the day, a
// second-price slot, one bidder. Money goes through a Book as in production.
type synthetic struct {
	requests int
	hours    int
	ratio    float64   // budget / what an unpaced day would cost
	start    money.PPB // multiplier at midnight
	lagTicks int       // ticks until a hold is confirmed or lost
	tickMS   int64
	wrong    float64 // error of the traffic forecast, +-
	blind    bool    // the controller sees what is billed only, not what is held
}

// result names what the science page names. ratio is impressions won over the
// most that the budget could have bought, knowing every price.
type result struct{ budgetError, overspend, smoothness, ratio float64 }

const synBid = money.Nanos(20_000_000)

// traffic is the share of requests by half-hour.
func (d *synthetic) traffic() []uint32 {
	w := make([]uint32, d.hours*2)
	for i := range w {
		w[i] = uint32(1000 + 900*math.Sin(float64(i)/float64(len(w))*2*math.Pi-2) + 80*math.Sin(float64(i)))
	}
	return w
}

func (d *synthetic) price(r *rand.Rand, at float64) money.Nanos {
	return money.Nanos(float64(synBid) * .4 * math.Exp(.7*r.NormFloat64()+.4*math.Sin(at*5)))
}

func (d *synthetic) unpaced(r *rand.Rand) (cost money.Nanos) {
	for i := range d.requests {
		if p := d.price(r, float64(i)/float64(d.requests)); p < synBid {
			cost += p
		}
	}
	return cost
}

func (d *synthetic) run(seed uint64) result {
	r := rand.New(rand.NewPCG(seed, 77))
	budget := money.Nanos(float64(d.unpaced(r)) * d.ratio)
	b := must(pacing.NewBook(pacing.BookConfig{MaxCells: 10}))
	id := must(b.AddDaily())
	b.Arm(id, today)
	b.Grant(id, today, budget)
	chain := pacing.Chain{pacing.AdGroupDay: id}

	w := d.traffic()
	real := must(pacing.NewCurve(1_800_000, w))
	forecast := append([]uint32(nil), w...)
	for i := range forecast {
		forecast[i] = uint32(float64(w[i]) * (1 + d.wrong*math.Sin(float64(i)*1.7)))
	}
	plan := must(pacing.NewCurve(1_800_000, forecast))

	c := pacing.NewController(pacing.Smooth, d.start)
	multiplier, seen, smooth := d.start, 0.0, 0.0
	var prices []money.Nanos
	won := 0
	outstanding := make([][]money.Nanos, d.lagTicks+1)
	end := int64(d.hours) * 3_600_000
	for now := int64(0); now < end; now += d.tickMS {
		tick := int(now / d.tickMS)
		s, _ := b.Snapshot(id, today)
		if d.blind {
			s.Held = 0
		}
		multiplier = c.Tick(&pacing.Tick{Budget: money.SumOf(budget), Spent: s.Billed.AddNanos(s.Held), Elapsed: plan.Elapsed(now)})
		for _, held := range outstanding[tick%len(outstanding)] {
			b.Commit(&chain, today, held, held)
		}
		outstanding[tick%len(outstanding)] = outstanding[tick%len(outstanding)][:0]
		due := float64(real.Elapsed(now+d.tickMS)) / 1e9 * float64(d.requests)
		for ; seen < due; seen++ {
			if r.IntN(10) == 0 {
				continue // traffic is noisy
			}
			price := d.price(r, seen/float64(d.requests))
			prices = append(prices, price)
			if price >= synBid.MulPPB(multiplier) {
				continue
			}
			if ok, _ := b.Hold(&chain, today, price); ok {
				won++
				slot := (tick + d.lagTicks) % len(outstanding)
				outstanding[slot] = append(outstanding[slot], price)
			}
		}
		s, _ = b.Snapshot(id, today)
		spent, _ := s.Billed.AddNanos(s.Held).Nanos()
		smooth = max(smooth, math.Abs(float64(spent)/float64(budget)-float64(plan.Elapsed(now+d.tickMS))/1e9))
	}
	s, _ := b.Snapshot(id, today)
	spent, _ := s.Billed.AddNanos(s.Held).Nanos()
	share := float64(spent) / float64(budget)
	return result{math.Abs(share - 1), max(0, share-1), smooth, float64(won) / float64(hindsight(prices, budget))}
}

// hindsight is how many of the cheapest impressions the budget buys.
func hindsight(prices []money.Nanos, budget money.Nanos) (n int) {
	slices.Sort(prices)
	for ; n < len(prices) && prices[n] < synBid && budget >= prices[n]; n++ {
		budget -= prices[n]
	}
	return n
}

func TestControllerOverADay(t *testing.T) {
	f := func(name string, d synthetic) {
		t.Helper()
		d.requests = 100_000
		if d.hours == 0 {
			d.hours = 24
		}
		if d.tickMS == 0 {
			d.tickMS = 10_000
		}
		for seed := range uint64(2) {
			got := d.run(seed)
			t.Logf("%-36s budget error %.4f, overspend %.4f, smoothness %.4f, ratio %.4f", name, got.budgetError, got.overspend, got.smoothness, got.ratio)
			if got.budgetError > .02 || got.overspend > 0 || got.smoothness > .05 || got.ratio < .93 {
				t.Errorf("%s seed %d: %+v", name, seed, got)
			}
		}
	}
	for _, part := range []float64{2, 8, 32} {
		for _, start := range []money.PPB{money.One, money.One / 10, money.One / 100} {
			f(fmt.Sprintf("1/%.0f from %v", part, float64(start)/1e9), synthetic{ratio: 1 / part, start: start})
		}
	}
	f("23 hours", synthetic{ratio: .25, start: money.One / 2, hours: 23})
	f("25 hours", synthetic{ratio: .25, start: money.One / 2, hours: 25})
	f("a tick each second", synthetic{ratio: .25, start: money.One / 2, tickMS: 1000})
	f("a tick each minute", synthetic{ratio: .25, start: money.One / 2, tickMS: 60_000})
	f("confirmed 30 minutes later", synthetic{ratio: .25, start: money.One / 2, lagTicks: 180})
	f("charged later, seen after 2 minutes", synthetic{ratio: .25, start: money.One / 2, lagTicks: 12, blind: true})
	f("forecast wrong by 30 %", synthetic{ratio: .25, start: money.One / 2, wrong: .3})
}

func TestControllerCorners(t *testing.T) {
	sum := func(n int64) money.Sum { return money.SumOf(money.Nanos(n)) }
	fast := pacing.NewController(pacing.Fast, 1)
	if got := fast.Tick(&pacing.Tick{Budget: sum(10), Spent: sum(9)}); got != money.One {
		t.Errorf("fast: %d", got)
	}
	if got := fast.Tick(&pacing.Tick{Budget: sum(10), Spent: sum(10)}); got != 0 {
		t.Errorf("fast and spent: %d", got)
	}
	c := pacing.NewController(pacing.Smooth, money.One/2)
	f := func(name string, tick pacing.Tick, low, high money.PPB) {
		t.Helper()
		if got := c.Tick(&tick); got < low || got > high {
			t.Errorf("%s: %d, want %d to %d", name, got, low, high)
		}
	}
	half := money.One / 2
	f("first tick changes nothing", pacing.Tick{Budget: sum(1000), Elapsed: 100_000_000}, half-1, half+1)
	f("on plan", pacing.Tick{Budget: sum(1000), Spent: sum(500), Elapsed: 550_000_000}, half-1, half+1)
	f("no traffic expected", pacing.Tick{Budget: sum(1000), Spent: sum(500), Elapsed: 550_000_000}, half-1, half+1)
	f("behind, bounded per tick", pacing.Tick{Budget: sum(1000), Spent: sum(500), Elapsed: 900_000_000}, 824_000_000, 825_000_000)
	f("spent", pacing.Tick{Budget: sum(1000), Spent: sum(1000), Elapsed: 900_000_000}, 0, 0)
	f("budget raised", pacing.Tick{Budget: sum(4000), Spent: sum(1000), Elapsed: 910_000_000}, 900_000_000, money.One)
	f("no budget", pacing.Tick{Spent: sum(1000), Elapsed: 910_000_000}, 0, 0)
	f("the plan was changed", pacing.Tick{Budget: sum(4000), Spent: sum(1000), Elapsed: 1000}, 900_000_000, money.One)
	c.Roll()
	f("a new day", pacing.Tick{Budget: sum(4000), Elapsed: 1}, 900_000_000, money.One)
	for i := range 100 { // far ahead of the plan for long: it stops at the lowest multiplier, not at 0
		f("too fast", pacing.Tick{Budget: sum(1_000_000), Spent: sum(int64(i) * 9_000), Elapsed: money.PPB(i + 2)}, 1, money.One)
	}
	if m := c.Multiplier(); m < 990 || m > 1010 {
		t.Errorf("lowest multiplier is %d, want a millionth", m)
	}
	huge := money.SumOf(money.MaxNanos).Mul(1 << 20)
	c = pacing.NewController(pacing.Smooth, half)
	f("128-bit budget", pacing.Tick{Budget: huge}, half-1, half+1)
	f("128-bit spend", pacing.Tick{Budget: huge, Spent: money.SumOf(money.MaxNanos).Mul(1 << 19), Elapsed: half}, half-1, half+1)
}

func TestI8ControllerRepeatsBitForBit(t *testing.T) {
	d := synthetic{requests: 20_000, hours: 24, tickMS: 60_000, ratio: .2, start: money.One / 3}
	if a, b := d.run(5), d.run(5); a != b {
		t.Errorf("two runs differ: %+v %+v", a, b)
	}
}

func TestCurve(t *testing.T) {
	f := func(c *pacing.Curve, ms int64, want money.PPB) {
		t.Helper()
		if got := c.Elapsed(ms); got != want {
			t.Errorf("elapsed at %d is %d, want %d", ms, got, want)
		}
	}
	c := must(pacing.NewCurve(1000, []uint32{1, 0, 3}))
	f(c, -5, 0)
	f(c, 0, 0)
	f(c, 500, 125_000_000)
	f(c, 1000, 250_000_000)
	f(c, 1999, 250_000_000)
	f(c, 2500, 625_000_000)
	f(c, 3000, money.One)
	f(c, 1<<62, money.One)
	f(must(pacing.NewCurve(1000, []uint32{0, 0})), 500, 250_000_000)
	for _, n := range []int{0, 48*366 + 1} {
		if _, err := pacing.NewCurve(1, make([]uint32, n)); err == nil {
			t.Errorf("%d pieces were accepted", n)
		}
	}
	if _, err := pacing.NewCurve(0, []uint32{1}); err == nil {
		t.Error("a piece of 0 ms was accepted")
	}
	last := money.PPB(0)
	big := must(pacing.NewCurve(1_800_000, []uint32{1<<32 - 1, 7, 1<<32 - 1, 0, 1}))
	for ms := int64(0); ms <= 5*1_800_000; ms += 997 {
		got := big.Elapsed(ms)
		if got < last {
			t.Fatalf("elapsed falls at %d", ms)
		}
		last = got
	}
}
