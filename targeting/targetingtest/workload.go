package targetingtest

import (
	"math"
	"math/rand/v2"
	"sort"

	"mazad/targeting"
)

// Sizes of the world.
const (
	countries       = 200
	citiesPerNation = 50
	interests       = 500
	segments        = 10_000
	languages       = 40
)

// world draws values with the frequencies of the workload.
type world struct {
	rng      *rand.Rand
	country  zipf
	interest zipf
	segment  zipf
	city     zipf
}

func newWorld(seed uint64, stream uint64) *world {
	return &world{
		rng:      rand.New(rand.NewPCG(seed, stream)),
		country:  newZipf(countries, 1.1),
		interest: newZipf(interests, 0.8),
		segment:  newZipf(segments, 0.6),
		city:     newZipf(citiesPerNation, 1),
	}
}

// zipf is a cumulative table: value k has weight 1/(k+1)^s.
type zipf []float64

func newZipf(n int, s float64) zipf {
	z := make(zipf, n)
	sum := 0.0
	for k := range z {
		sum += 1 / math.Pow(float64(k+1), s)
		z[k] = sum
	}
	return z
}

func (z zipf) draw(rng *rand.Rand) int {
	x := rng.Float64() * z[len(z)-1]
	return min(sort.SearchFloat64s(z, x), len(z)-1)
}

func (w *world) chance(p float64) bool { return w.rng.Float64() < p }

// between draws from lo..hi.
func (w *world) between(lo, hi int) int { return lo + w.rng.IntN(hi-lo+1) }

func nation(k int) targeting.Country {
	return targeting.Country('A'+k/26)<<8 | targeting.Country('A'+k%26)
}

func (w *world) cityOf(country int) targeting.City {
	return targeting.City(1 + country*citiesPerNation + w.city.draw(w.rng))
}

// tongue is the language of most people of a country, or now and then another.
func (w *world) tongue(country int) targeting.Language {
	k := country % languages
	if w.chance(0.4) {
		k = w.rng.IntN(languages)
	}
	return targeting.Language('a'+k/26)<<8 | targeting.Language('a'+k%26)
}

func (w *world) version(os targeting.OS) targeting.Version {
	if os == targeting.IOS {
		return targeting.Version(w.between(13, 26) << 16)
	}
	return targeting.Version(w.between(7, 16) << 16)
}

// Rules draws n rules of the workload.
func Rules(n int, seed uint64) []targeting.Rule {
	w := newWorld(seed, 1)
	rules := make([]targeting.Rule, n)
	for i := range rules {
		w.rule(&rules[i])
	}
	return rules
}

func (w *world) rule(r *targeting.Rule) {
	home := w.country.draw(w.rng)
	w.places(r, home)
	if w.chance(0.6) {
		for range w.between(1, 4) {
			r.Ages |= targeting.AgesOf(targeting.Band(w.between(1, 6)))
		}
	}
	if w.chance(0.3) {
		r.Gender = targeting.Gender(w.between(1, 2))
	}
	if w.chance(0.4) {
		r.Languages = append(r.Languages, w.tongue(home))
		if w.chance(0.3) {
			r.Languages = append(r.Languages, w.tongue(home))
		}
	}
	if w.chance(0.5) {
		w.device(r)
	}
	if w.chance(0.6) {
		for range w.between(1, 5) {
			r.Interests = append(r.Interests, targeting.Interest(1+w.interest.draw(w.rng)))
		}
	}
	if w.chance(0.4) {
		var clause []targeting.Segment
		for range w.between(1, 3) {
			clause = append(clause, targeting.Segment(1+w.segment.draw(w.rng)))
		}
		r.Segments = [][]targeting.Segment{clause}
	}
	if w.chance(0.35) {
		for range w.between(1, 2) {
			r.ExcludeSegments = append(r.ExcludeSegments, targeting.Segment(1+w.segment.draw(w.rng)))
		}
	}
	if w.chance(0.5) {
		for range w.between(1, 3) {
			r.Placements |= targeting.PlacementsOf(targeting.Placement(w.between(1, 5)))
		}
	}
}

func (w *world) places(r *targeting.Rule, home int) {
	if !w.chance(0.9) {
		return
	}
	more := 0
	switch x := w.rng.Float64(); {
	case x < 0.7:
		if w.chance(0.3) {
			for range w.between(1, 10) {
				r.Cities = append(r.Cities, w.cityOf(home))
			}
			return
		}
	case x < 0.9:
		more = w.between(1, 4)
	default:
		more = w.between(5, 19)
	}
	r.Countries = append(r.Countries, nation(home))
	for range more {
		r.Countries = append(r.Countries, nation(w.country.draw(w.rng)))
	}
	if w.chance(0.05) {
		for range w.between(1, 10) {
			r.ExcludeCities = append(r.ExcludeCities, w.cityOf(home))
		}
	}
}

func (w *world) device(r *targeting.Rule) {
	switch w.rng.IntN(4) {
	case 0, 1:
		r.OS = targeting.OSOf(targeting.Android)
		if w.chance(0.4) {
			r.MinAndroid = w.version(targeting.Android)
		}
	case 2:
		r.OS = targeting.OSOf(targeting.IOS)
		if w.chance(0.4) {
			r.MinIOS = w.version(targeting.IOS)
		}
	default:
		r.OS = targeting.OSOf(targeting.Android, targeting.IOS)
	}
}

// Queries draws n requests of the workload.
func Queries(n int, seed uint64) []targeting.Personal {
	w := newWorld(seed, 2)
	queries := make([]targeting.Personal, n)
	for i := range queries {
		w.query(&queries[i])
	}
	return queries
}

func (w *world) query(q *targeting.Personal) {
	home := w.country.draw(w.rng)
	q.Country = nation(home)
	q.City = w.cityOf(home)
	q.Language = w.tongue(home)
	q.Placement = targeting.Placement(w.between(1, 5))
	switch x := w.rng.Float64(); {
	case x < 0.5:
		q.OS = targeting.Android
	case x < 0.8:
		q.OS = targeting.IOS
	default:
		q.OS = targeting.Other
	}
	q.OSVersion = w.version(q.OS)
	q.Age = targeting.Band(w.between(0, 6))
	q.Gender = targeting.Gender(w.between(1, 2))
	for range w.between(3, 15) {
		q.Interests = append(q.Interests, targeting.Interest(1+w.interest.draw(w.rng)))
	}
	for range w.between(20, 60) {
		q.Segments = append(q.Segments, targeting.Segment(1+w.segment.draw(w.rng)))
	}
}
