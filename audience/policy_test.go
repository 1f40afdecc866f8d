package audience_test

import (
	"testing"

	"mazad/audience"

	"pgregory.net/rapid"
)

func TestPolicyDecide(t *testing.T) {
	us, err := audience.CountriesOf("US", "JP")
	if err != nil {
		t.Fatal(err)
	}
	strict, adults := audience.Policy{}, audience.Policy{AgeUnknownIsAdult: true, OptOut: us}
	f := func(p audience.Policy, s audience.Signals, pr *audience.Profile, want audience.Reason) {
		t.Helper()
		u, got := p.Decide(s, pr)
		if got != want || (u == audience.Personal) != (want == audience.ReasonPermitted) {
			t.Errorf("%+v %+v: %s because %s, want %s", s, pr, u, got, want)
		}
	}
	type sig = audience.Signals
	yes, no := audience.ConsentGranted, audience.ConsentDenied
	US, DE := [2]byte{'U', 'S'}, [2]byte{'D', 'E'}

	f(strict, sig{}, nil, audience.ReasonAgeUnknown)
	f(strict, sig{Age: 30}, nil, audience.ReasonNoPermission)
	f(strict, sig{Age: 30, Consent: yes}, nil, audience.ReasonPermitted)
	f(strict, sig{Age: 18, Consent: yes}, nil, audience.ReasonPermitted)
	f(strict, sig{Age: 17, Consent: yes}, nil, audience.ReasonMinor)
	f(strict, sig{Age: 12, Consent: yes}, nil, audience.ReasonChild)
	f(strict, sig{COPPA: true, Age: 30, Consent: yes}, nil, audience.ReasonCOPPA)
	f(strict, sig{Consent: yes}, &audience.Profile{Age: 40}, audience.ReasonPermitted)
	f(strict, sig{Age: 40, Consent: yes}, &audience.Profile{Age: 15}, audience.ReasonMinor)
	f(strict, sig{Age: 15, Consent: yes}, &audience.Profile{Age: 40}, audience.ReasonMinor)
	f(strict, sig{Age: 40}, &audience.Profile{Consent: yes}, audience.ReasonPermitted)
	f(strict, sig{Age: 40, Consent: no}, &audience.Profile{Consent: yes}, audience.ReasonDenied)
	f(strict, sig{Age: 40, Consent: yes}, &audience.Profile{Consent: no}, audience.ReasonDenied)
	f(strict, sig{Age: 40, Consent: yes, GPC: true}, nil, audience.ReasonGPC)
	f(strict, sig{Age: 40, Consent: yes, LMT: true}, nil, audience.ReasonLMT)
	f(strict, sig{Age: 40, Country: US}, nil, audience.ReasonNoPermission)

	f(adults, sig{Country: US}, nil, audience.ReasonPermitted)
	f(adults, sig{Country: DE}, nil, audience.ReasonNoPermission)
	f(adults, sig{}, nil, audience.ReasonNoPermission)
	f(adults, sig{Country: US, GDPR: true}, nil, audience.ReasonNoPermission)
	f(adults, sig{Country: US, GDPR: true, Consent: yes}, nil, audience.ReasonPermitted)
	f(adults, sig{Country: US, Consent: no}, nil, audience.ReasonDenied)
	f(adults, sig{Country: US, GPC: true}, nil, audience.ReasonGPC)
	f(adults, sig{Country: US, Age: 16}, nil, audience.ReasonMinor)
	f(adults, sig{Country: [2]byte{'u', 's'}}, nil, audience.ReasonNoPermission)
}

// I10: whatever else is said, a minor is never personal, and one more
// restrictive signal never opens the personal universe.
func TestI10MostRestrictiveSignalWins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := audience.Policy{AgeUnknownIsAdult: rapid.Bool().Draw(t, "adult")}
		if rapid.Bool().Draw(t, "opt_out") {
			p.OptOut, _ = audience.CountriesOf("US")
		}
		age := rapid.SampledFrom([]uint8{0, 5, 12, 13, 17, 18, 60})
		consent := rapid.SampledFrom([]audience.Consent{audience.ConsentUnknown, audience.ConsentGranted, audience.ConsentDenied})
		s := audience.Signals{
			Age: age.Draw(t, "age"), COPPA: rapid.Bool().Draw(t, "coppa"), LMT: rapid.Bool().Draw(t, "lmt"),
			GPC: rapid.Bool().Draw(t, "gpc"), GDPR: rapid.Bool().Draw(t, "gdpr"), Consent: consent.Draw(t, "consent"),
			Country: rapid.SampledFrom([][2]byte{{}, {'U', 'S'}, {'D', 'E'}}).Draw(t, "country"),
		}
		pr := audience.Profile{Age: age.Draw(t, "profile age"), Consent: consent.Draw(t, "profile consent")}
		u, why := p.Decide(s, &pr)
		minor := s.COPPA || s.Age != 0 && s.Age < 18 || pr.Age != 0 && pr.Age < 18
		child := s.COPPA || s.Age != 0 && s.Age < 13 || pr.Age != 0 && pr.Age < 13
		if minor && u == audience.Personal {
			t.Fatalf("%+v %+v: a minor is personal", s, pr)
		}
		if child != why.Child() {
			t.Fatalf("%+v %+v: child %v, reason %s", s, pr, child, why)
		}
		tighter := []audience.Signals{s, s, s, s, s, s}
		tighter[0].COPPA, tighter[1].LMT, tighter[2].GPC, tighter[3].GDPR = true, true, true, true
		tighter[4].Consent, tighter[5].Age = audience.ConsentDenied, 14
		for _, more := range tighter {
			if v, _ := p.Decide(more, &pr); u == audience.Contextual && v == audience.Personal {
				t.Fatalf("%+v is contextual, but %+v is personal", s, more)
			}
		}
	})
}

func TestCountriesOfRefusesWhatIsNoCountry(t *testing.T) {
	for _, c := range []string{"", "D", "DEU", "de", "D1"} {
		if _, err := audience.CountriesOf(c); err == nil {
			t.Errorf("%q was taken for a country", c)
		}
	}
}
