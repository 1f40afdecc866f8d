package world

import (
	"fmt"
	"slices"
	"strconv"

	"mazad/bench/body"
	"mazad/campaign"
	"mazad/targeting"
)

// ranks are the countries of targetingtest that the markets of the bodies take
// the place of, by how common they are. A market stands where its share of the
// requests puts it among the workload's countries (the first 24 % of requests come
// from the commonest, the last 3 % from one of the rarest), so that a body finds as
// many ad groups as a request of the workload does. Their languages differ.
var ranks = [...]int{0, 1, 4, 8, 15, 27, 45, 75, 106, 140, 185}

// atlas exchanges the made-up places of the workload with those of the bodies:
// a country, the language of most of its people and its largest city.
type atlas struct {
	names     map[string]string // countries and cities, both ways
	languages map[string]string
}

func newAtlas(markets []body.Market) *atlas {
	a := &atlas{names: map[string]string{}, languages: map[string]string{}}
	for i, m := range markets {
		if i == len(ranks) {
			break // what is left sells only to those who sell everywhere
		}
		country, language, city := place(ranks[i])
		both := func(x, y string) {
			if a.names[x] == "" && a.names[y] == "" {
				a.names[x], a.names[y] = y, x
			}
		}
		both(country.String(), m.Country)
		both(strconv.FormatUint(uint64(city), 10), strconv.FormatUint(uint64(m.City), 10))
		a.languages[language.String()] = m.Language
	}
	return a
}

// place is the k-th commonest country of targetingtest, the language of most of
// its people and its largest city. A test compares.
func place(k int) (targeting.Country, targeting.Language, targeting.City) {
	m := k % 40
	return targeting.Country('A'+k/26)<<8 | targeting.Country('A'+k%26), targeting.Language('a'+m/26)<<8 | targeting.Language('a'+m%26), targeting.City(1 + k*50)
}

func (a *atlas) list(names map[string]string, list []string) []string {
	for i, v := range list {
		if to, ok := names[v]; ok {
			list[i] = to
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (a *atlas) rename(tree *campaign.Tree) {
	for i := range tree.AdGroups {
		g := &tree.AdGroups[i]
		g.LocationIDs = a.list(a.names, g.LocationIDs)
		g.ExcludedLocationIDs = a.list(a.names, g.ExcludedLocationIDs)
		g.Languages = a.list(a.languages, g.Languages)
	}
}

func (a *atlas) renameQuery(q *targeting.Personal) {
	if to, ok := a.names[q.Country.String()]; ok {
		q.Country = targeting.Country(to[0])<<8 | targeting.Country(to[1])
	}
	if to, ok := a.languages[q.Language.String()]; ok {
		q.Language = targeting.Language(to[0])<<8 | targeting.Language(to[1])
	}
	if to, ok := a.names[fmt.Sprint(uint32(q.City))]; ok {
		city, _ := strconv.ParseUint(to, 10, 32) // written by newAtlas
		q.City = targeting.City(city)
	}
}
