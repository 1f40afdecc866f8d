package reporting_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mazad/internal/id"
	"mazad/reporting"
)

func TestStartOfDay(t *testing.T) {
	f := func(name, day, want string) {
		t.Helper()
		d, err := reporting.ParseDate(day)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Start(zone(t, name)).Format("2006-01-02T15:04"); got != want {
			t.Errorf("%s in %s starts at %s, want %s", day, name, got, want)
		}
	}
	f("UTC", "2026-11-01", "2026-11-01T00:00")
	f("Asia/Kathmandu", "2026-11-01", "2026-10-31T18:15")
	f("America/New_York", "2026-11-01", "2026-11-01T04:00")
	f("America/New_York", "2026-11-02", "2026-11-02T05:00")
	f("Africa/Cairo", "2026-04-24", "2026-04-23T22:00") // 00:00 does not exist, the day starts at 01:00
	f("Asia/Beirut", "2026-03-29", "2026-03-28T22:00")
	f("Pacific/Apia", "2011-12-30", "2011-12-30T10:00") // the day does not exist
	f("Pacific/Kiritimati", "2026-01-01", "2025-12-31T10:00")
	f("Etc/GMT+12", "2026-01-01", "2026-01-01T12:00")
	f("UTC", "2026-03-01", "2026-03-01T00:00")
	if next := (reporting.Date{Year: 2028, Month: 2, Day: 28}).Next(); next.String() != "2028-02-29" {
		t.Error(next)
	}
	for _, s := range []string{"", "2026-02-30", "2026-1-1", "yesterday"} {
		if d, err := reporting.ParseDate(s); err == nil {
			t.Errorf("%q was read as %s", s, d)
		}
	}
}

func TestBadQueriesNameTheField(t *testing.T) {
	c, err := reporting.NewClient(reporting.ClientConfig{Locate: func() (string, bool) { return "", false }})
	if err != nil {
		t.Fatal(err)
	}
	reports, err := reporting.NewReports(reporting.ReportsConfig{Client: c, Through: func() time.Time { return time.Time{} }})
	if err != nil {
		t.Fatal(err)
	}
	defer reports.Close()
	good := func() reporting.Query {
		return reporting.Query{Advertisers: []id.Advertiser{1}, Dimensions: []reporting.Dimension{reporting.ByAd}, Metrics: []reporting.Metric{reporting.Spend},
			From: reporting.Date{Year: 2026, Month: 11, Day: 1}, To: reporting.Date{Year: 2026, Month: 11, Day: 2}}
	}
	f := func(field, value string, change func(*reporting.Query)) {
		t.Helper()
		q := good()
		change(&q)
		_, err := reports.Report(t.Context(), q)
		var bad *reporting.QueryError
		if !errors.As(err, &bad) || bad.Field != field || !strings.Contains(bad.Error(), value) {
			t.Errorf("got %v, want field %s and %q", err, field, value)
		}
	}
	f("advertiser_ids", "at least one", func(q *reporting.Query) { q.Advertisers = nil })
	f("advertiser_ids", "-1", func(q *reporting.Query) { q.Advertisers = []id.Advertiser{1, -1} })
	f("advertiser_ids", "1001", func(q *reporting.Query) { q.Advertisers = make([]id.Advertiser, 1001) })
	f("dimensions", "color", func(q *reporting.Query) { q.Dimensions = []reporting.Dimension{"color"} })
	f("dimensions", "there twice", func(q *reporting.Query) { q.Dimensions = []reporting.Dimension{"ad_id", "ad_id"} })
	f("dimensions", "the limit is 4", func(q *reporting.Query) { q.Dimensions = make([]reporting.Dimension, 5) })
	f("dimensions", `"stat_time_hour" cannot be combined with stat_time_day`, func(q *reporting.Query) {
		q.Dimensions = []reporting.Dimension{reporting.ByDay, reporting.ByHour}
	})
	f("metrics", `"reach" cannot be combined with stat_time_hour`, func(q *reporting.Query) {
		q.Dimensions, q.Metrics = []reporting.Dimension{reporting.ByHour}, []reporting.Metric{reporting.Spend, reporting.Reach}
	})
	f("metrics", "at least one", func(q *reporting.Query) { q.Metrics = nil })
	f("metrics", "likes", func(q *reporting.Query) { q.Metrics = []reporting.Metric{"likes"} })
	f("data_level", "AUCTION_MOON", func(q *reporting.Query) { q.Level = "AUCTION_MOON" })
	f("dimensions", "needs data_level AUCTION_AD, not AUCTION_CAMPAIGN", func(q *reporting.Query) { q.Level = reporting.LevelCampaign })
	f("order_field", "clicks", func(q *reporting.Query) { q.Order.Field = "clicks" })
	f("page", "-1", func(q *reporting.Query) { q.Page = -1 })
	f("page_size", "1001", func(q *reporting.Query) { q.PageSize = 1001 })
	f("start_date", "required", func(q *reporting.Query) { q.From = reporting.Date{} })
	f("start_date", "2026-02-30", func(q *reporting.Query) { q.From = reporting.Date{Year: 2026, Month: 2, Day: 30} })
	f("end_date", "before start_date", func(q *reporting.Query) { q.To = reporting.Date{Year: 2026, Month: 10, Day: 1} })
	f("end_date", "the limit is 366", func(q *reporting.Query) { q.To = reporting.Date{Year: 2027, Month: 12, Day: 1} })
	f("end_date", "the limit is 31", func(q *reporting.Query) {
		q.Dimensions, q.To = []reporting.Dimension{reporting.ByHour}, reporting.Date{Year: 2026, Month: 12, Day: 2}
	})
	filter := func(field reporting.Dimension, values ...string) func(*reporting.Query) {
		return func(q *reporting.Query) { q.Filters = []reporting.Filter{{Field: field, Values: values}} }
	}
	f("filtering[0].field_name", "advertiser_id", filter(reporting.ByAdvertiser, "2"))
	f("filtering[0].field_name", "stat_time_day", filter(reporting.ByDay, "2026-11-01"))
	f("filtering[0].filter_value", "values, want 1", filter(reporting.ByAd))
	f("filtering[0].filter_value", "1) OR (1", filter(reporting.ByAd, "1) OR (1"))
	f("filtering[0].filter_value", "D'", filter(reporting.ByCountry, "D'"))
	f("filtering[0].filter_value", "AGE_1", filter(reporting.ByAge, "AGE_1"))
	if _, err := reports.Report(t.Context(), good()); !errors.Is(err, reporting.ErrAway) {
		t.Errorf("a good query without ClickHouse: %v", err)
	}
}

func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	open := func() *reporting.Journal {
		t.Helper()
		j, err := reporting.OpenJournal(path)
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	j := open()
	ctx := t.Context()
	if _, _, known, _ := j.State(ctx, "MONEY"); known {
		t.Error("an empty journal knows something")
	}
	i := reporting.Intent{Stream: "MONEY", First: 3, Last: 9, Rows: 5, Nanos: -7}
	for _, err := range []error{j.Put(ctx, reporting.Intent{Stream: "MONEY", First: 1, Last: 2}), j.Done(ctx, reporting.Intent{Stream: "MONEY", First: 1, Last: 2}), j.Put(ctx, i), j.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	whole, _ := os.ReadFile(path)
	for cut := 0; cut <= 3; cut++ { // a torn last line is the write that was under way
		if err := os.WriteFile(path, append(append([]byte{}, whole...), "0badc0de {\"what\":\"done\",\"last"[:9*cut]...), 0o600); err != nil {
			t.Fatal(err)
		}
		j = open()
		done, open, known, err := j.State(ctx, "MONEY")
		if err != nil || !known || done != 2 || open == nil || *open != i {
			t.Fatalf("cut %d: %d %+v %v %v", cut, done, open, known, err)
		}
		_ = j.Close()
	}
	for n := range len(whole) / 2 {
		damaged := append([]byte{}, whole...)
		damaged[n] ^= 0x10
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if j, err := reporting.OpenJournal(path); err == nil {
			t.Fatalf("byte %d is damaged and the journal opens", n)
		} else if !strings.Contains(err.Error(), path) {
			t.Fatal(err, j)
		}
	}
}
