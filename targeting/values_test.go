package targeting_test

import (
	"strings"
	"testing"

	"mazad/targeting"
)

// read checks a parser on good input (want is String of the result) and on bad
// input (want is "", and the error must repeat the value).
func read[T interface{ String() string }](t *testing.T, parse func(string) (T, error), in, want string) {
	t.Helper()
	got, err := parse(in)
	switch {
	case want == "" && err == nil:
		t.Errorf("%q was read as %s", in, got)
	case want == "" && !strings.Contains(err.Error(), `"`):
		t.Errorf("%q: the error does not name the value: %v", in, err)
	case want != "" && (err != nil || got.String() != want):
		t.Errorf("%q: got %s, %v, want %s", in, got, err, want)
	}
}

func TestParseValues(t *testing.T) {
	read(t, targeting.ParseCountry, "DE", "DE")
	for _, bad := range []string{"", "D", "de", "DEU", "D1", strings.Repeat("X", 500)} {
		read(t, targeting.ParseCountry, bad, "")
	}
	read(t, targeting.ParseRegion, "DE-BE", "DE-BE")
	read(t, targeting.ParseRegion, "GB-ENG", "GB-ENG")
	read(t, targeting.ParseRegion, "FR-7", "FR-7")
	for _, bad := range []string{"", "DE", "DE-", "DEBE", "de-BE", "DE-be", "DE-ABCD", "D--X"} {
		read(t, targeting.ParseRegion, bad, "")
	}
	read(t, targeting.ParseLanguage, "ar", "ar")
	for _, bad := range []string{"", "a", "AR", "ara", "a1"} {
		read(t, targeting.ParseLanguage, bad, "")
	}
	read(t, targeting.ParseVersion, "13", "13.0")
	read(t, targeting.ParseVersion, "13.4", "13.4")
	read(t, targeting.ParseVersion, "13.4.1", "13.4.1")
	read(t, targeting.ParseVersion, "65535.255.255", "65535.255.255")
	for _, bad := range []string{"", ".", "13.", "13.256", "65536", "-1", "1.2.3.4", "13a"} {
		read(t, targeting.ParseVersion, bad, "")
	}
	for _, name := range []string{"AGE_13_17", "AGE_18_24", "AGE_25_34", "AGE_35_44", "AGE_45_54", "AGE_55_100"} {
		read(t, targeting.ParseBand, name, name)
	}
	read(t, targeting.ParseBand, "AGE_UNKNOWN", "")
	read(t, targeting.ParseGender, "GENDER_FEMALE", "GENDER_FEMALE")
	read(t, targeting.ParseGender, "FEMALE", "")
	read(t, targeting.ParseOS, "IOS", "IOS")
	read(t, targeting.ParseOS, "UNKNOWN", "")
	read(t, targeting.ParsePlacement, "PLACEMENT_LIVE", "PLACEMENT_LIVE")
	read(t, targeting.ParsePlacement, "PLACEMENT_UNKNOWN", "")
}

func TestUnknownValuesHaveNames(t *testing.T) {
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(targeting.Country(0).String(), "")
	f(targeting.Region(0).String(), "")
	f(targeting.Band(99).String(), "AGE_UNKNOWN")
	f(targeting.Gender(99).String(), "GENDER_UNLIMITED")
	f(targeting.OS(99).String(), "UNKNOWN")
	f(targeting.Placement(99).String(), "PLACEMENT_UNKNOWN")
	f(targeting.Dimension(99).String(), "unknown")
	f(targeting.DimensionSegmentExcluded.String(), "segment_excluded")
}

func TestRegionKnowsItsCountry(t *testing.T) {
	for _, code := range []string{"DE-BE", "GB-ENG", "FR-7"} {
		r, err := targeting.ParseRegion(code)
		if err != nil || r.Country().String() != code[:2] {
			t.Errorf("%s: country %s, %v", code, r.Country(), err)
		}
	}
	if targeting.Region(0).Country() != 0 {
		t.Error("an unknown region has a country")
	}
}

func TestBandOf(t *testing.T) {
	f := func(years uint8, want targeting.Band) {
		t.Helper()
		if got := targeting.BandOf(years); got != want {
			t.Errorf("%d years: %s, want %s", years, got, want)
		}
	}
	f(0, targeting.AgeUnknown)
	f(12, targeting.AgeUnknown)
	f(13, targeting.Age13_17)
	f(17, targeting.Age13_17)
	f(18, targeting.Age18_24)
	f(24, targeting.Age18_24)
	f(25, targeting.Age25_34)
	f(35, targeting.Age35_44)
	f(45, targeting.Age45_54)
	f(54, targeting.Age45_54)
	f(55, targeting.Age55_100)
	f(255, targeting.Age55_100)
}

// Tags are stored: these numbers may never change. The ASCII ones are FNV-1a as
// published.
func TestTagOfIsStable(t *testing.T) {
	f := func(text string, want targeting.Tag) {
		t.Helper()
		if got := targeting.TagOf([]byte(text)); got != want {
			t.Errorf("%q: %#x, want %#x", text, got, want)
		}
	}
	f("", 0xcbf29ce484222325)
	f("a", 0xaf63dc4c8601ec8c)
	f("foobar", 0x85944171f73967e8)
	f("FooBar", 0x85944171f73967e8)
	same := func(a, b string) {
		t.Helper()
		if targeting.TagOf([]byte(a)) != targeting.TagOf([]byte(b)) {
			t.Errorf("%q and %q differ", a, b)
		}
	}
	same("GRÜN", "grün")
	same("МОСКВА", "москва")
	same("\xff", "\uFFFD")
	text := []byte("Straßenfußball")
	if n := testing.AllocsPerRun(10, func() { targeting.TagOf(text) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestDayparting(t *testing.T) {
	closed := strings.Repeat("0", 336)
	week := func(open ...int) string {
		b := []byte(closed)
		for _, i := range open {
			b[i] = '1'
		}
		return string(b)
	}
	text := week(0, 47, 48, 335)
	d, err := targeting.ParseDayparting(text)
	if err != nil || d.String() != text || d.Always() {
		t.Fatalf("%v, %v", d, err)
	}
	for h := range uint16(400) {
		if want := h == 0 || h == 47 || h == 48 || h == 335; d.Open(h) != want {
			t.Errorf("half-hour %d: open %v", h, d.Open(h))
		}
	}
	for _, always := range []string{"", strings.Repeat("1", 336)} {
		d, err := targeting.ParseDayparting(always)
		if err != nil || !d.Always() || !d.Open(targeting.HalfHourUnknown) || d.String() != strings.Repeat("1", 336) {
			t.Errorf("%.5q is not always: %v", always, err)
		}
	}
	f := func(in, word string) {
		t.Helper()
		if _, err := targeting.ParseDayparting(in); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("error %v, want one that says %q", err, word)
		}
	}
	f("1", "1 characters: want 336")
	f(closed+"0", "337 characters: want 336")
	f(closed, "no half-hour is open")
	f(closed[:335]+"2", "character 336 is '2'")
}
