package id_test

import (
	"testing"

	"mazad/internal/id"

	"pgregory.net/rapid"
)

func TestEventRoundTripAndOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(0, 1<<48-1).Draw(t, "ms")
		part := rapid.Uint16().Draw(t, "partition")
		region := rapid.Uint8().Draw(t, "region")
		serial := rapid.Uint64Range(0, 1<<56-1).Draw(t, "serial")
		e := id.MakeEvent(ms, region, part, serial)
		if e.Millis() != ms || e.Partition() != part || e.Region() != region || e.Serial() != serial {
			t.Fatalf("parts of %s differ", e)
		}
		back, err := id.ParseEvent(e.String())
		if err != nil || back != e {
			t.Fatalf("parse %s: %v, %v", e, back, err)
		}
		later := id.MakeEvent(ms+1, 0, 0, 0)
		if ms < 1<<48-1 && (e.Compare(later) != -1 || e.String() >= later.String()) {
			t.Fatalf("%s is not before %s", e, later)
		}
	})
}

func TestParseRefusesWhatIsNotAnID(t *testing.T) {
	for _, s := range []string{"", "0", "-1", "+1", "1.0", "abc", "9223372036854775808", "00000000000000000000001", " 1"} {
		if got, err := id.Parse[id.Ad](s); err == nil {
			t.Errorf("%q was read as %d", s, got)
		}
	}
	for _, s := range []string{"", "xyz", "0123", "g123456789abcdef0123456789abcdef"} {
		if got, err := id.ParseEvent(s); err == nil {
			t.Errorf("%q was read as %s", s, got)
		}
	}
}
