package ads

import (
	"sync/atomic"

	"mazad/serving"
)

// Stats counts what the door did. All fields are atomic; labels are bounded: no
// id, path or key ever becomes one.
type Stats struct {
	requests [routeCount][6]atomic.Uint64 // by class of status; 0 = 204
	empty    [2][serving.ReasonCount]atomic.Uint64
	unsold   [serving.ReasonCount]atomic.Uint64 // OpenRTB impressions
	beacons  [serving.SignalCount][serving.StatusCount]atomic.Uint64
	took     [len(tookMicros) + 1]atomic.Uint64 // ad requests
	tookSum  atomic.Uint64

	ads, unsent  atomic.Uint64 // ads answered; decided but without markup that fits
	badNotice    atomic.Uint64 // burl whose price was not a number in our currency
	shedAds      atomic.Uint64
	shedBeacons  atomic.Uint64
	noKey        atomic.Uint64
	usersIn      atomic.Uint64
	usersRefused atomic.Uint64
	panics       atomic.Uint64
	draining     atomic.Bool
}

// tookMicros are the upper bounds of the buckets of ad request durations.
var tookMicros = [...]uint64{25, 50, 75, 100, 150, 250, 500, 1000, 2500, 5000, 10000, 25000, 100000}

func (t *Stats) count(r Route, status int) {
	class := status / 100
	switch {
	case status == 204:
		class = 0
	case class < 1 || class > 5:
		class = 5
	}
	t.requests[r][class].Add(1)
}

func (t *Stats) noAd(door serving.Door, reason serving.Reason) {
	t.empty[door][reason].Add(1)
}

func (t *Stats) duration(micros int64) {
	n := uint64(max(micros, 0))
	i := 0
	for i < len(tookMicros) && n > tookMicros[i] {
		i++
	}
	t.took[i].Add(1)
	t.tookSum.Add(n)
}

// Sample is one figure of the counters.
type Sample struct {
	Name   string // in Prometheus style, without a prefix
	Help   string
	Labels []Label
	Value  uint64
}

// Label is a name and one of a bounded set of values.
type Label struct{ Name, Value string }

// Each calls f for every counter that has counted, in a fixed order.
func (t *Stats) Each(f func(Sample)) {
	emit := func(name, help string, n uint64, labels ...Label) {
		if n != 0 || len(labels) == 0 {
			f(Sample{Name: name, Help: help, Labels: labels, Value: n})
		}
	}
	classes := [...]string{"204", "1xx", "2xx", "3xx", "4xx", "5xx"}
	for r := range routeCount {
		for c := range classes {
			emit("requests_total", "HTTP requests", t.requests[r][c].Load(), Label{"route", r.String()}, Label{"status", classes[c]})
		}
	}
	for door, name := range [...]string{"feed", "openrtb"} {
		for i := range t.empty[door] {
			emit("no_ad_total", "Ad requests answered without an ad", t.empty[door][i].Load(), Label{"door", name}, Label{"reason", serving.Reason(i).String()})
		}
	}
	for i := range t.unsold {
		emit("unsold_impressions_total", "OpenRTB impressions that we do not sell", t.unsold[i].Load(), Label{"reason", serving.Reason(i).String()})
	}
	for sig := range t.beacons {
		for st := range t.beacons[sig] {
			emit("beacons_total", "Beacons by verdict", t.beacons[sig][st].Load(), Label{"signal", serving.Signal(sig).String()}, Label{"status", serving.BeaconStatus(st).String()})
		}
	}
	emit("ads_total", "Ads answered", t.ads.Load())
	emit("unsent_ads_total", "Ads decided that no markup of the impression could show", t.unsent.Load())
	emit("bad_notice_prices_total", "burl without a price in the market currency", t.badNotice.Load())
	emit("shed_ad_requests_total", "Ad requests turned away under overload", t.shedAds.Load())
	emit("shed_beacons_total", "Beacons turned away under overload", t.shedBeacons.Load())
	emit("unauthorized_total", "Requests without a permitted key", t.noKey.Load())
	emit("users_total", "Users stored", t.usersIn.Load())
	emit("users_refused_total", "Users refused", t.usersRefused.Load())
	emit("panics_total", "Requests that panicked", t.panics.Load())
}

// Durations gives the histogram of ad requests: upper bounds in seconds with
// cumulative counts, the number and the sum in seconds.
func (t *Stats) Durations() (buckets map[float64]uint64, count uint64, sumSeconds float64) {
	buckets = make(map[float64]uint64, len(tookMicros))
	for i := range t.took {
		count += t.took[i].Load()
		if i < len(tookMicros) {
			buckets[float64(tookMicros[i])/1e6] = count
		}
	}
	return buckets, count, float64(t.tookSum.Load()) / 1e6
}

// gate bounds how many requests of a kind are inside.
type gate struct {
	inside atomic.Int64
	limit  int64
}

func (g *gate) enter() bool {
	if g.inside.Add(1) > g.limit {
		g.inside.Add(-1)
		return false
	}
	return true
}

// crowded reports that more than half of the room is taken.
func (g *gate) crowded() bool { return g.inside.Load() > g.limit/2 }

func (g *gate) leave() { g.inside.Add(-1) }
