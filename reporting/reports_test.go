package reporting_test

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"mazad/events"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/reporting"
	"mazad/targeting"

	"pgregory.net/rapid"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// cell is a row of the oracle.
type cell struct {
	imp, personal, clk, view, conv int64
	spend, value                   money.Sum
	users                          map[uint32]bool
	verdicts                       map[reporting.Metric]int64
}

// judged counts the verdict, and tells whether the record counts besides.
func (c *cell) judged(r *events.Record) bool {
	note := func(m reporting.Metric, when bool) {
		if when {
			c.verdicts[m]++
		}
	}
	refused := r.Verdict == events.VerdictRefused
	note(reporting.RefusedEvents, refused)
	note(reporting.RefusedRepeat, refused && r.Reason == events.ReasonRepeat)
	note(reporting.RefusedExpired, refused && (r.Reason == events.ReasonExpired || r.Reason == events.ReasonLate))
	note(reporting.BilledEvents, r.Verdict == events.VerdictBilled && r.Kind != events.KindConversion)
	free := r.Verdict == events.VerdictFree && r.Reason != events.ReasonNotBillable && r.Kind != events.KindConversion
	note(reporting.FreeEvents, free)
	note(reporting.FreeOverBudget, free && r.Reason == events.ReasonOverLimit)
	note(reporting.FreeLeaseEnded, free && (r.Reason == events.ReasonPreviousLife || r.Reason == events.ReasonAdopted))
	return !refused
}

func (c *cell) add(r *events.Record) {
	if !c.judged(r) {
		return
	}
	c.spend = c.spend.AddNanos(r.BilledNanos)
	switch r.Kind {
	case events.KindImpression:
		c.imp++
		if r.Personal.State != events.PrivacyNone {
			c.personal++
			c.users[r.Personal.Ord] = true
		}
	case events.KindClick:
		c.clk++
	case events.KindView:
		c.view++
	case events.KindConversion:
		c.conv++
		if r.Conversion.Currency == r.Currency {
			c.value = c.value.AddNanos(r.Conversion.ValueNanos)
		}
	}
}

// metric computes with rationals what the room computes with integers.
func (c *cell) metric(m reporting.Metric) string {
	units := func(s money.Sum) string {
		whole, frac, _ := strings.Cut(s.String(), ".")
		for len(frac) > 2 && frac[len(frac)-1] == '0' {
			frac = frac[:len(frac)-1]
		}
		return whole + "." + frac
	}
	div := func(num *big.Rat, den int64, places int) string {
		if den == 0 {
			return new(big.Rat).FloatString(places)
		}
		return num.Quo(num, new(big.Rat).SetInt64(den)).FloatString(places)
	}
	spend, _ := new(big.Rat).SetString(c.spend.String())
	switch m {
	case reporting.Spend:
		return units(c.spend)
	case reporting.ConversionValue:
		return units(c.value)
	case reporting.Impressions:
		return fmt.Sprint(c.imp)
	case reporting.Clicks:
		return fmt.Sprint(c.clk)
	case reporting.Views:
		return fmt.Sprint(c.view)
	case reporting.Conversions:
		return fmt.Sprint(c.conv)
	case reporting.Reach:
		return fmt.Sprint(len(c.users))
	case reporting.Frequency:
		return div(new(big.Rat).SetInt64(c.personal), int64(len(c.users)), 4)
	case reporting.CTR:
		return div(new(big.Rat).SetInt64(100*c.clk), c.imp, 4)
	case reporting.CPC:
		return div(spend, c.clk, 6)
	case reporting.CPM:
		return div(spend.Mul(spend, new(big.Rat).SetInt64(1000)), c.imp, 6)
	case reporting.CostPerConversion:
		return div(spend, c.conv, 6)
	}
	return fmt.Sprint(c.verdicts[m])
}

func dimensionOf(r *events.Record, d reporting.Dimension, z *time.Location) string {
	at := time.UnixMilli(r.ReportMS()).In(z)
	switch d {
	case reporting.ByAdvertiser:
		return r.Advertiser.String()
	case reporting.ByCampaign:
		return r.Campaign.String()
	case reporting.ByAdGroup:
		return r.AdGroup.String()
	case reporting.ByAd:
		return r.Ad.String()
	case reporting.ByDay:
		return at.Format(time.DateOnly)
	case reporting.ByHour:
		return at.Format("2006-01-02 15:00:00")
	case reporting.ByCountry:
		return strings.Trim(string(r.Country[:]), "\x00")
	case reporting.ByAge:
		return targeting.Band(r.Age).String()
	case reporting.ByGender:
		return targeting.Gender(r.Gender).String()
	case reporting.ByPlatform:
		return targeting.OS(r.OS).String()
	case reporting.ByPlacement:
		return targeting.Placement(r.Placement).String()
	}
	return "?"
}

// asksForVerdicts: then refusals make rows too.
func asksForVerdicts(q reporting.Query) bool {
	return slices.ContainsFunc(q.Metrics, func(m reporting.Metric) bool {
		return strings.HasPrefix(string(m), "free_") || strings.HasPrefix(string(m), "refused_") || m == reporting.BilledEvents
	})
}

// oracle answers a query from the fold, without ClickHouse.
func oracle(counted []*events.Record, q reporting.Query) map[string]*cell {
	rows := map[string]*cell{}
	from, to := q.From.String(), q.To.String()
next:
	for _, r := range counted {
		day := dimensionOf(r, reporting.ByDay, q.Zone)
		if r.Verdict == events.VerdictRefused && !asksForVerdicts(q) {
			continue
		}
		if !slices.Contains(q.Advertisers, r.Advertiser) || day < from || day > to {
			continue
		}
		for _, f := range q.Filters {
			if !slices.Contains(f.Values, dimensionOf(r, f.Field, q.Zone)) {
				continue next
			}
		}
		key := string(r.Currency[:])
		for _, d := range q.Dimensions {
			key += "|" + dimensionOf(r, d, q.Zone)
		}
		if rows[key] == nil {
			rows[key] = &cell{users: map[uint32]bool{}, verdicts: map[reporting.Metric]int64{}}
		}
		rows[key].add(r)
	}
	return rows
}

// randomQuery is a query that Schema allows.
func randomQuery(rt *rapid.T, zones []*time.Location) reporting.Query {
	schema := reporting.Schema()
	q := reporting.Query{Advertisers: rapid.SliceOfNDistinct(rapid.Map(rapid.IntRange(1, 5), func(i int) id.Advertiser { return id.Advertiser(i) }), 1, 4, rapid.ID).Draw(rt, "advertisers"),
		Zone: rapid.SampledFrom(zones).Draw(rt, "zone"), PageSize: rapid.SampledFrom([]int{97, 400, 1000}).Draw(rt, "page size")}
	banned := map[string]bool{}
	for _, f := range rapid.Permutation(schema.Dimensions).Draw(rt, "dimensions")[:rapid.IntRange(0, 4).Draw(rt, "number of dimensions")] {
		if !banned[f.Name] {
			q.Dimensions = append(q.Dimensions, reporting.Dimension(f.Name))
			for _, x := range f.Excludes {
				banned[x] = true
			}
		}
	}
	for _, f := range rapid.Permutation(schema.Metrics).Draw(rt, "metrics")[:rapid.IntRange(1, 12).Draw(rt, "number of metrics")] {
		if !banned[f.Name] {
			q.Metrics = append(q.Metrics, reporting.Metric(f.Name))
			for _, x := range f.Excludes {
				banned[x] = true
			}
		}
	}
	if len(q.Metrics) == 0 {
		q.Metrics = []reporting.Metric{reporting.Spend}
	}
	if rapid.Bool().Draw(rt, "filter") {
		q.Filters = append(q.Filters, reporting.Filter{Field: reporting.ByAge, Values: []string{"AGE_18_24", "AGE_UNKNOWN"}},
			reporting.Filter{Field: reporting.ByCampaign, Values: []string{"10", "11", "20", "31"}})
	}
	if rapid.Bool().Draw(rt, "filter country") {
		q.Filters = append(q.Filters, reporting.Filter{Field: reporting.ByCountry, Values: []string{"DE", "EG"}})
	}
	if rapid.Bool().Draw(rt, "order") {
		q.Order = reporting.Order{Field: string(rapid.SampledFrom(q.Metrics).Draw(rt, "by")), Desc: rapid.Bool().Draw(rt, "desc")}
	}
	start := rapid.SampledFrom([]time.Time{time.Date(2026, 3, 6, 0, 0, 0, 0, time.UTC), time.Date(2026, 10, 30, 0, 0, 0, 0, time.UTC)}).Draw(rt, "season").
		AddDate(0, 0, rapid.IntRange(0, 4).Draw(rt, "first day"))
	q.From, q.To = reporting.DateOf(start), reporting.DateOf(start.AddDate(0, 0, rapid.IntRange(0, 5).Draw(rt, "days")))
	return q
}

func TestReportsEqualAnIndependentFold(t *testing.T) {
	h := newHouse(t)
	story := newStory(7, time.Date(2026, 3, 7, 0, 0, 0, 0, time.UTC), 2*time.Hour)
	story.fill(h.tape, 40, 120)
	story.now = time.Date(2026, 10, 31, 0, 0, 0, 0, time.UTC)
	story.fill(h.tape, 40, 120)
	s, stop := h.run(nil)
	h.drained(s)
	defer func() { _ = stop() }()
	var counted []*events.Record
	h.tape.fold(func(r *events.Record) { counted = append(counted, r) })
	for i := range h.tape.batches {
		for j := range h.tape.batches[i] {
			if r := &h.tape.batches[i][j]; r.Verdict == events.VerdictRefused {
				counted = append(counted, r) // in rows of verdicts only
			}
		}
	}
	if len(counted) < 2000 {
		t.Fatalf("only %d records count", len(counted))
	}
	reports, err := reporting.NewReports(reporting.ReportsConfig{Client: h.client, Through: s.Through})
	if err != nil {
		t.Fatal(err)
	}
	defer reports.Close()
	zones := []*time.Location{time.UTC, zone(t, "Asia/Kathmandu"), zone(t, "America/New_York"), zone(t, "Australia/Lord_Howe"), zone(t, "Africa/Cairo")}
	rapid.Check(t, func(rt *rapid.T) {
		q := randomQuery(rt, zones)
		want := oracle(counted, q)
		seen := map[string]bool{}
		for page, pages := 1, 1; page <= pages; page++ {
			q.Page = page
			res, err := reports.Report(t.Context(), q)
			if err != nil {
				rt.Fatal(err)
			}
			pages = res.PageInfo.TotalPages
			if res.PageInfo.TotalRows != len(want) {
				rt.Fatalf("%d rows, the fold has %d", res.PageInfo.TotalRows, len(want))
			}
			for _, row := range res.Rows {
				key := row.Currency
				for _, d := range q.Dimensions {
					key += "|" + row.Dimensions[d]
				}
				c := want[key]
				if c == nil || seen[key] {
					rt.Fatalf("row %s is not in the fold, or twice", key)
				}
				seen[key] = true
				for _, m := range q.Metrics {
					if row.Metrics[m] != c.metric(m) {
						rt.Fatalf("%s %s: report %s, fold %s", key, m, row.Metrics[m], c.metric(m))
					}
				}
			}
		}
		if len(seen) != len(want) {
			rt.Fatalf("the pages have %d rows, the fold %d", len(seen), len(want))
		}
		q.Dimensions, q.Order, q.Page = nil, reporting.Order{}, 1
		totals := oracle(counted, q)
		res, err := reports.Report(t.Context(), q)
		if err != nil || len(res.Totals) != len(totals) {
			rt.Fatalf("%d totals, the fold has %d (%v)", len(res.Totals), len(totals), err)
		}
		for _, row := range res.Totals {
			for _, m := range q.Metrics {
				if row.Metrics[m] != totals[row.Currency].metric(m) {
					rt.Fatalf("total %s %s: report %s, fold %s", row.Currency, m, row.Metrics[m], totals[row.Currency].metric(m))
				}
			}
		}
	})
}

// One impression in every quarter of an hour shows how long local days are.
func TestLocalDaysAndHours(t *testing.T) {
	h := newHouse(t)
	serial := uint64(0)
	for _, start := range []time.Time{time.Date(2026, 3, 6, 0, 0, 0, 0, time.UTC), time.Date(2026, 10, 30, 0, 0, 0, 0, time.UTC)} {
		var list []events.Record
		for at := start; at.Before(start.AddDate(0, 0, 5)); at = at.Add(15 * time.Minute) {
			serial++
			ms := at.UnixMilli()
			list = append(list, events.Record{Kind: events.KindImpression, Verdict: events.VerdictBilled, BilledNanos: 1, TimeMS: ms, AuctionMS: ms, Currency: [3]byte([]byte("USD")),
				Token: events.TokenID{Partition: 1, Serial: serial}, Advertiser: 1, Campaign: 2, AdGroup: 3, Ad: 4})
		}
		h.tape.append(start, list...)
	}
	s, stop := h.run(nil)
	h.drained(s)
	defer func() { _ = stop() }()
	reports, err := reporting.NewReports(reporting.ReportsConfig{Client: h.client})
	if err != nil {
		t.Fatal(err)
	}
	defer reports.Close()
	f := func(name string, day reporting.Date, quarters string, rows int, hour, inHour string) {
		t.Helper()
		q := reporting.Query{Advertisers: []id.Advertiser{1}, Metrics: []reporting.Metric{reporting.Impressions}, Dimensions: []reporting.Dimension{reporting.ByDay},
			From: day, To: day, Zone: zone(t, name), PageSize: 100}
		res, err := reports.Report(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Rows) != 1 || res.Rows[0].Metrics[reporting.Impressions] != quarters || res.Rows[0].Dimensions[reporting.ByDay] != day.String() {
			t.Errorf("%s %s: %+v, want %s quarters", name, day, res.Rows, quarters)
		}
		q.Dimensions = []reporting.Dimension{reporting.ByHour}
		if res, err = reports.Report(t.Context(), q); err != nil || len(res.Rows) != rows {
			t.Errorf("%s %s: %d hours, want %d (%v)", name, day, len(res.Rows), rows, err)
		}
		for _, r := range res.Rows {
			if got := r.Metrics[reporting.Impressions]; strings.HasSuffix(r.Dimensions[reporting.ByHour], hour) && got != inHour {
				t.Errorf("%s %v: %s quarters, want %s", name, r.Dimensions, got, inHour)
			}
		}
	}
	f("America/New_York", reporting.Date{Year: 2026, Month: 11, Day: 1}, "100", 24, " 01:00:00", "8")
	f("America/New_York", reporting.Date{Year: 2026, Month: 3, Day: 8}, "92", 23, " 03:00:00", "4")
	f("America/New_York", reporting.Date{Year: 2026, Month: 11, Day: 2}, "96", 24, " 01:00:00", "4")
	f("Asia/Kathmandu", reporting.Date{Year: 2026, Month: 11, Day: 1}, "96", 24, " 00:00:00", "4")
	f("UTC", reporting.Date{Year: 2026, Month: 11, Day: 1}, "96", 24, " 23:00:00", "4")
	if through, err := reports.Through(t.Context()); err != nil || through.Before(november.AddDate(0, 0, -3)) {
		t.Errorf("the watermark for other processes is %s, %v", through, err)
	}
}
