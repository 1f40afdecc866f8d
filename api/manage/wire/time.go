package wire

import (
	"encoding/json"
	"errors"
	"time"
)

// tiktokTime is the form that TikTok's SDK sends. It has no zone and is read as
// UTC, as the SDK's documents say.
const tiktokTime = "2006-01-02 15:04:05"

var errTime = errors.New("not a time: want RFC 3339 (2026-11-22T09:00:00+01:00) or YYYY-MM-DD HH:MM:SS, which is read as UTC")

// Time is an instant that is always written with its offset.
type Time struct{ time.Time }

// ParseTime reads RFC 3339 or TikTok's form.
func ParseTime(s string) (Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t, err = time.Parse(tiktokTime, s)
	}
	if err != nil || t.Year() < 2000 || t.Year() > 2199 {
		return Time{}, errTime
	}
	return Time{t}, nil
}

// TimeOf returns a pointer for optional fields; the zero time is absent.
func TimeOf(t time.Time) *Time {
	if t.IsZero() {
		return nil
	}
	return &Time{t.UTC()}
}

// MarshalJSON writes RFC 3339 in whole seconds.
func (t Time) MarshalJSON() ([]byte, error) {
	return json.Marshal(t.Time.Format(time.RFC3339))
}

// UnmarshalJSON reads either form.
func (t *Time) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return errTime
	}
	got, err := ParseTime(s)
	if err != nil {
		return err
	}
	*t = got
	return nil
}
