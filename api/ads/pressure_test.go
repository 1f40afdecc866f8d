package ads

import (
	"testing"
	"time"
)

func newPressure() *pressure {
	l := Limits{}.withDefaults()
	p := &pressure{}
	p.init(&l)
	return p
}

// queueing is a queue in front of one processor, on an injected clock: requests
// come evenly, a decision costs `work` and a refusal `turn`.
type queueing struct {
	p          *pressure
	work, turn time.Duration
	now        time.Duration // of the processor
	served     int
	refused    int
	waits      time.Duration // the longest of a served one
	slowNo     time.Duration // the longest of a refused one
}

// run sends n requests with the given gap from `from` on, first come first served.
func (q *queueing) run(from, gap time.Duration, n int) {
	q.served, q.refused, q.waits, q.slowNo = 0, 0, 0, 0
	for i := range n {
		came := from + time.Duration(i)*gap
		q.now = max(q.now, came)
		wait := q.now - came
		if q.p.admit(int64(q.now), wait) {
			q.served, q.waits, q.now = q.served+1, max(q.waits, wait), q.now+q.work
		} else {
			q.refused, q.slowNo, q.now = q.refused+1, max(q.slowNo, wait), q.now+q.turn
		}
	}
}

// TestPressureShedsWhatCannotBeServedInTime drives a queue at 80 %, at twice and
// at 80 % of what it can carry.
func TestPressureShedsWhatCannotBeServedInTime(t *testing.T) {
	q := &queueing{p: newPressure(), work: 200 * time.Microsecond, turn: 10 * time.Microsecond}
	const capacity = 5000
	q.run(0, time.Second*10/8/capacity, 4000)
	if q.refused != 0 {
		t.Errorf("%d refused at 80 %%", q.refused)
	}
	begin := time.Second
	q.run(begin, time.Second/2/capacity, 2000) // the first intervals find out
	q.run(begin+200*time.Millisecond, time.Second/2/capacity, 20_000)
	if q.waits > time.Millisecond || q.slowNo > 1500*time.Microsecond {
		t.Errorf("at twice: served after %s, refused after %s", q.waits, q.slowNo)
	}
	if goodput := float64(q.served) / (2 * capacity); goodput < 0.9 {
		t.Errorf("at twice: goodput %.2f of what can be carried", goodput)
	}
	after := begin + 200*time.Millisecond + 2*time.Second
	q.run(after, time.Second*10/8/capacity, 400)
	q.run(after+100*time.Millisecond, time.Second*10/8/capacity, 4000)
	if q.refused != 0 || q.p.high.Load() {
		t.Errorf("afterwards %d are refused", q.refused)
	}
}

// TestPressureForgivesAPause: the machine stood still for 40 ms. Nobody is
// refused: the queue empties by itself.
func TestPressureForgivesAPause(t *testing.T) {
	q := &queueing{p: newPressure(), work: 50 * time.Microsecond, turn: time.Microsecond}
	q.run(0, 200*time.Microsecond, 1000)
	q.now += 40 * time.Millisecond
	q.run(200*time.Millisecond, 200*time.Microsecond, 5000)
	if q.refused != 0 {
		t.Errorf("%d refused after a pause", q.refused)
	}
}

func TestPressureHasAnEnd(t *testing.T) {
	p := newPressure()
	if !p.admit(0, p.wait(p.patience)) || p.admit(0, p.wait(p.patience+1)) {
		t.Error("without overload, patience is not the limit")
	}
	p = newPressure()
	for i := range int64(leastSeen - 1) { // too few to say anything
		p.admit(1+i, p.wait(p.target+1))
	}
	p.admit(p.interval+2, p.wait(p.target+1))
	if p.high.Load() {
		t.Error("seven late requests are no overload")
	}
	now := 2*p.interval + 3
	p.admit(now, 0)
	for i := range int64(100) {
		p.admit(now+i, p.wait(p.target+1))
	}
	if p.admit(now+p.interval, p.wait(p.target+1)) || !p.admit(now+p.interval, p.wait(p.target)) {
		t.Error("in overload, target is not the limit")
	}
	if !p.admit(now+10*p.interval, p.wait(p.patience)) {
		t.Error("overload outlives a silence")
	}
}

func (p *pressure) wait(ns int64) time.Duration { return time.Duration(ns) }

func TestPressureAllocatesNothing(t *testing.T) {
	p, now := newPressure(), int64(0)
	if n := testing.AllocsPerRun(1000, func() { now += 1e6; p.admit(now, time.Duration(now%3e6)) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
