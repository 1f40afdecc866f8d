package targeting_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"mazad/targeting"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata")

// TestScripts runs testdata/*.txt: lines "adgroup NAME constraint..." and
// "request value..." (or "contextual value..."), each request followed by the
// answers: "---- match A C" and, for every other ad group, why not.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		var sc script
		for n, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
			if strings.HasPrefix(line, "----") {
				continue
			}
			fmt.Fprintln(&out, line)
			answer, err := sc.line(strings.Fields(line))
			if err != nil {
				t.Fatalf("%s:%d: %v", path, n+1, err)
			}
			out.WriteString(answer)
		}
		if *update {
			if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if out.String() != string(data) {
			t.Errorf("%s: got\n%s", path, out.String())
		}
	}
}

type script struct {
	names []string
	rules []targeting.Rule
}

func (sc *script) line(words []string) (answer string, err error) {
	if len(words) == 0 || words[0] == "#" {
		return "", nil
	}
	switch words[0] {
	case "adgroup":
		r, err := readRule(words[2:])
		sc.names, sc.rules = append(sc.names, words[1]), append(sc.rules, r)
		return "", err
	case "request", "contextual":
		q, err := readQuery(words[1:])
		if err != nil {
			return "", err
		}
		return sc.answer(&q, words[0] == "contextual"), nil
	}
	return "", fmt.Errorf("unknown word %q", words[0])
}

func (sc *script) answer(q *targeting.Personal, contextual bool) string {
	ix, s := targeting.Build(sc.rules), &targeting.Scratch{}
	var found []targeting.Ord
	if contextual {
		found = ix.MatchContextual(&q.Contextual, s)
	} else {
		found = ix.MatchPersonal(q, s)
	}
	var match, refused strings.Builder
	for _, ord := range found {
		match.WriteString(" " + sc.names[ord])
	}
	for ord, name := range sc.names {
		d := ix.Why(targeting.Ord(ord), q)
		if contextual {
			d = ix.WhyContextual(targeting.Ord(ord), &q.Contextual)
		}
		if d != targeting.DimensionNone {
			fmt.Fprintf(&refused, "---- %s: %s\n", name, d)
		}
	}
	return "---- match" + match.String() + "\n" + refused.String()
}

// split takes "key=a,b" apart.
func split(word string) (key string, values []string) {
	key, list, _ := strings.Cut(word, "=")
	return key, strings.Split(list, ",")
}

func number(s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		panic(err)
	}
	return uint32(n)
}

// must keeps the script reader short: a script is ours.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var days = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// hours reads "mon:18-22".
func hours(s string) (day, from, to int) {
	name, span, _ := strings.Cut(s, ":")
	a, b, _ := strings.Cut(span, "-")
	for i, d := range days {
		if d == name {
			day = i
		}
	}
	return day, int(number(a)), int(number(b))
}

func readRule(words []string) (r targeting.Rule, err error) {
	for _, w := range words {
		key, values := split(w)
		var clause []targeting.Segment
		for _, v := range values {
			switch key {
			case "geo", "!geo":
				readPlace(&r, v, key == "!geo")
			case "age":
				r.Ages |= targeting.AgesOf(must(targeting.ParseBand("AGE_" + v)))
			case "gender":
				r.Gender = must(targeting.ParseGender("GENDER_" + strings.ToUpper(v)))
			case "lang":
				r.Languages = append(r.Languages, must(targeting.ParseLanguage(v)))
			case "os":
				r.OS |= targeting.OSOf(must(targeting.ParseOS(strings.ToUpper(v))))
			case "android":
				r.MinAndroid = must(targeting.ParseVersion(v))
			case "ios":
				r.MinIOS = must(targeting.ParseVersion(v))
			case "placement":
				r.Placements |= targeting.PlacementsOf(must(targeting.ParsePlacement("PLACEMENT_" + strings.ToUpper(v))))
			case "interest":
				r.Interests = append(r.Interests, targeting.Interest(number(v)))
			case "tag":
				r.Tags = append(r.Tags, targeting.TagOf([]byte(v)))
			case "segment":
				clause = append(clause, targeting.Segment(number(v)))
			case "!segment":
				r.ExcludeSegments = append(r.ExcludeSegments, targeting.Segment(number(v)))
			case "open":
				day, from, to := hours(v)
				for h := 2 * from; h < 2*to; h++ {
					r.Dayparting[day] |= 1 << h
				}
			default:
				return r, fmt.Errorf("unknown constraint %q", w)
			}
		}
		if clause != nil {
			r.Segments = append(r.Segments, clause)
		}
	}
	return r, r.Validate()
}

// readPlace takes a city number, a region or a country.
func readPlace(r *targeting.Rule, v string, exclude bool) {
	switch {
	case v[0] <= '9' && exclude:
		r.ExcludeCities = append(r.ExcludeCities, targeting.City(number(v)))
	case v[0] <= '9':
		r.Cities = append(r.Cities, targeting.City(number(v)))
	case len(v) > 2 && exclude:
		r.ExcludeRegions = append(r.ExcludeRegions, must(targeting.ParseRegion(v)))
	case len(v) > 2:
		r.Regions = append(r.Regions, must(targeting.ParseRegion(v)))
	case exclude:
		r.ExcludeCountries = append(r.ExcludeCountries, must(targeting.ParseCountry(v)))
	default:
		r.Countries = append(r.Countries, must(targeting.ParseCountry(v)))
	}
}

func readQuery(words []string) (q targeting.Personal, err error) {
	for _, w := range words {
		key, values := split(w)
		v := values[0]
		switch key {
		case "geo": // any of country, region, city
			var r targeting.Rule
			for _, v := range values {
				readPlace(&r, v, false)
			}
			q.Country, q.Region, q.City = first(r.Countries), first(r.Regions), first(r.Cities)
		case "age":
			q.Age = must(targeting.ParseBand("AGE_" + v))
		case "gender":
			q.Gender = must(targeting.ParseGender("GENDER_" + strings.ToUpper(v)))
		case "lang":
			q.Language = must(targeting.ParseLanguage(v))
		case "android", "ios":
			q.OS = must(targeting.ParseOS(strings.ToUpper(key)))
			if v != "" {
				q.OSVersion = must(targeting.ParseVersion(v))
			}
		case "os":
			q.OS = must(targeting.ParseOS(strings.ToUpper(v)))
		case "placement":
			q.Placement = must(targeting.ParsePlacement("PLACEMENT_" + strings.ToUpper(v)))
		case "at":
			day, hour, _ := hours(v + "-0")
			q.HalfHour = []uint16{uint16(day*targeting.HalfHoursPerDay + 2*hour)}
		case "interest", "segment", "tag":
			for _, v := range values {
				switch key {
				case "interest":
					q.Interests = append(q.Interests, targeting.Interest(number(v)))
				case "segment":
					q.Segments = append(q.Segments, targeting.Segment(number(v)))
				default:
					q.Tags = append(q.Tags, targeting.TagOf([]byte(v)))
				}
			}
		default:
			return q, fmt.Errorf("unknown value %q", w)
		}
	}
	return q, nil
}

func first[T any](list []T) (v T) {
	if len(list) > 0 {
		v = list[0]
	}
	return v
}
