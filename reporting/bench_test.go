package reporting_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"mazad/events"
	"mazad/internal/clock"
	"mazad/internal/id"
	"mazad/reporting"
)

// loaded is a house with n records in ClickHouse over a month of auctions.
func loaded(b *testing.B, n int) (h *house, took time.Duration) {
	b.Helper()
	h = newHouse(b)
	story := newStory(9, november, 0)
	const batch = 500
	for i := range n / batch {
		list := make([]events.Record, batch)
		for k := range list {
			list[k] = story.next()
		}
		h.tape.append(story.now, list...)
		story.now = november.Add(time.Duration(i) * 30 * 24 * time.Hour / time.Duration(n/batch))
	}
	if err := h.client.Migrate(context.Background()); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	s, stop := h.run(func(c *reporting.SinkConfig) { c.Clock, c.After = clock.System{}, time.After })
	for last, _ := h.tape.Last(b.Context()); s.Status().Seq < last; {
		<-time.After(time.Millisecond)
	}
	took = time.Since(began)
	if err := stop(); err != nil {
		b.Fatal(err)
	}
	return h, took
}

// BenchmarkSink copies 400,000 records, intents and fsync included.
func BenchmarkSink(b *testing.B) {
	const n = 400_000
	for b.Loop() {
		_, took := loaded(b, n)
		b.ReportMetric(n/took.Seconds(), "rows/s")
	}
}

// BenchmarkReport reads one campaign's month three ways, uncached.
func BenchmarkReport(b *testing.B) {
	h, _ := loaded(b, 400_000)
	var now int64
	reports, err := reporting.NewReports(reporting.ReportsConfig{Client: h.client, Through: func() time.Time { now++; return time.UnixMilli(now) }})
	if err != nil {
		b.Fatal(err)
	}
	defer reports.Close()
	f := func(name string, q reporting.Query) {
		b.Run(name, func(b *testing.B) {
			q.Advertisers, q.From, q.To = []id.Advertiser{1}, reporting.DateOf(november), reporting.DateOf(november.AddDate(0, 0, 29))
			for b.Loop() {
				if _, err := reports.Report(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	f("totals", reporting.Query{Metrics: []reporting.Metric{reporting.Spend, reporting.Impressions, reporting.CTR}})
	f("days", reporting.Query{Metrics: []reporting.Metric{reporting.Spend, reporting.Clicks}, Dimensions: []reporting.Dimension{reporting.ByDay}, PageSize: 100})
	f("ads_reach", reporting.Query{Metrics: []reporting.Metric{reporting.Spend, reporting.Reach}, Dimensions: []reporting.Dimension{reporting.ByAd, reporting.ByDay}, PageSize: 100})
}

// BenchmarkVisible is the time from an acknowledged event to a report that has it.
func BenchmarkVisible(b *testing.B) {
	h := newHouse(b)
	j, err := reporting.OpenJournal(filepath.Join(h.dir, "sink.journal"))
	if err != nil {
		b.Fatal(err)
	}
	s, err := reporting.NewSink(reporting.SinkConfig{Client: h.client, Source: h.tape, Intents: j})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	story := newStory(10, time.Now(), 0)
	for b.Loop() {
		h.tape.append(time.Now(), story.next())
		want, _ := h.tape.Last(ctx)
		for s.Status().Seq < want {
			<-time.After(time.Millisecond)
		}
	}
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}
