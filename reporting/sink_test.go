package reporting_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mazad/events"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/reporting"
)

var november = time.Date(2026, 11, 1, 21, 0, 0, 0, time.UTC)

func TestDiaryEqualsClickHouse(t *testing.T) {
	h := newHouse(t)
	story := newStory(1, november, time.Hour)
	story.fill(h.tape, 20, 100)
	s, stop := h.run(nil)
	h.drained(s)
	story.fill(h.tape, 20, 100)
	h.drained(s)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	v := h.verify(nil)
	if !v.OK() || v.Records == 0 || v.InReports == 0 {
		t.Fatalf("%+v\n%s", v, strings.Join(v.Differences, "\n"))
	}
	if st := s.Status(); st.Doubles == 0 {
		t.Error("the story repeats records, the sink saw none")
	}

	// A second run reads its position and inserts nothing again.
	s, stop = h.run(nil)
	h.drained(s)
	if st := s.Status(); st.Rows != 0 {
		t.Errorf("a second run inserted %d rows", st.Rows)
	}
	_ = stop()

	// Without a journal the newest batch is repeated; that is not seen either.
	if err := os.Remove(filepath.Join(h.dir, "sink.journal")); err != nil {
		t.Fatal(err)
	}
	s, stop = h.run(nil)
	h.drained(s)
	if st := s.Status(); st.Repeated != 1 {
		t.Errorf("%+v", st)
	}
	story.fill(h.tape, 3, 50)
	h.drained(s)
	_ = stop()
	if v := h.verify(nil); !v.OK() {
		t.Fatal(strings.Join(v.Differences, "\n"))
	}
}

// lossy is an intent store whose process dies after the insert, before Done.
type lossy struct {
	reporting.IntentStore
	dies atomic.Bool
	died chan struct{}
}

func (l *lossy) Done(ctx context.Context, i reporting.Intent) error {
	if l.dies.CompareAndSwap(true, false) {
		close(l.died)
		<-ctx.Done()
		return ctx.Err()
	}
	return l.IntentStore.Done(ctx, i)
}

func TestDeathBetweenInsertAndDone(t *testing.T) {
	h := newHouse(t)
	story := newStory(2, november, time.Hour)
	story.fill(h.tape, 5, 200)
	l := &lossy{died: make(chan struct{})}
	l.dies.Store(true)
	_, stop := h.run(func(c *reporting.SinkConfig) { l.IntentStore, c.Intents = c.Intents, l })
	<-l.died
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	story.fill(h.tape, 5, 200)
	s, stop := h.run(nil)
	h.drained(s)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if st := s.Status(); st.Repeated != 1 {
		t.Errorf("the open intent was not repeated: %+v", st)
	}
	if v := h.verify(nil); !v.OK() {
		t.Fatal(strings.Join(v.Differences, "\n"))
	}
}

// The first try reached the table and died before the view: the repeat must fill
// the view and leave the table alone.
func TestRepeatCompletesAViewThatMissedTheBatch(t *testing.T) {
	h := newHouse(t)
	newStory(3, november, time.Hour).fill(h.tape, 4, 200)
	ctx := t.Context()
	if err := h.client.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	if err := h.client.Exec(ctx, "DETACH TABLE {db}.report_15m_mv"); err != nil {
		t.Fatal(err)
	}
	l := &lossy{died: make(chan struct{})}
	l.dies.Store(true)
	_, stop := h.run(func(c *reporting.SinkConfig) { l.IntentStore, c.Intents = c.Intents, l })
	<-l.died
	_ = stop()
	if v := h.verify(nil); v.OK() {
		t.Fatal("verify does not see that the aggregates are empty")
	}
	if err := h.client.Exec(ctx, "ATTACH TABLE {db}.report_15m_mv"); err != nil {
		t.Fatal(err)
	}
	s, stop := h.run(nil)
	h.drained(s)
	_ = stop()
	if v := h.verify(nil); !v.OK() {
		t.Fatal(strings.Join(v.Differences, "\n"))
	}
}

// TestForgottenTokensDoubleNothing: a power cut leaves the rows of a batch and takes
// the tokens, which ClickHouse does not sync. Of the tables some may have it, some
// not.
func TestForgottenTokensDoubleNothing(t *testing.T) {
	for _, missed := range []string{"", "report_15m", "verdict_15m"} {
		t.Run("missed by "+missed, func(t *testing.T) {
			h := newHouse(t)
			newStory(5, november, time.Hour).fill(h.tape, 4, 200)
			ctx := t.Context()
			must := func(sql string) {
				t.Helper()
				if err := h.client.Exec(ctx, sql); err != nil {
					t.Fatal(err)
				}
			}
			if err := h.client.Migrate(ctx); err != nil {
				t.Fatal(err)
			}
			if missed != "" {
				must("DETACH TABLE {db}." + missed + "_mv")
			}
			l := &lossy{died: make(chan struct{})}
			l.dies.Store(true)
			_, stop := h.run(func(c *reporting.SinkConfig) { l.IntentStore, c.Intents = c.Intents, l })
			<-l.died
			_ = stop()
			if missed != "" {
				must("ATTACH TABLE {db}." + missed + "_mv")
			}
			for _, table := range []string{"events", "report_15m", "verdict_15m"} {
				must("ALTER TABLE {db}." + table + " MODIFY SETTING non_replicated_deduplication_window = 0")
				must("ALTER TABLE {db}." + table + " MODIFY SETTING non_replicated_deduplication_window = 10000")
			}
			s, stop := h.run(nil)
			h.drained(s)
			_ = stop()
			if v := h.verify(nil); !v.OK() {
				t.Fatal(strings.Join(v.Differences, "\n"))
			}
			must(`SELECT throwIf((SELECT countIf((counted = 1 AND kind IN (1, 2, 3, 4) AND verdict IN (1, 2) AND reason != 1) OR verdict = 3) FROM {db}.events)
				!= (SELECT sum(billed_events) + sum(free_events) + sum(refused_events) FROM {db}.verdict_15m), 'verdict_15m differs from events')`)
		})
	}
}

func TestKilledEngineLosesAndDoublesNothing(t *testing.T) {
	h := newHouse(t)
	story := newStory(4, november, time.Hour)
	s, stop := h.run(func(c *reporting.SinkConfig) { c.MaxRows = 1000 })
	story.fill(h.tape, 5, 100)
	h.drained(s)
	for range 4 {
		st, changed := h.engine.Status()
		story.fill(h.tape, 20, 100)
		if err := syscall.Kill(st.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-changed
		story.fill(h.tape, 5, 100)
		if err := h.engine.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	h.drained(s)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if s.Status().Retries == 0 {
		t.Error("the engine was killed four times and no insert failed")
	}
	if v := h.verify(nil); !v.OK() {
		t.Fatal(strings.Join(v.Differences, "\n"))
	}
}

func TestWatermarkIsAPromise(t *testing.T) {
	h := newHouse(t)
	s, stop := h.run(nil)
	h.drained(s)
	before := h.clock.Now()
	r := newStory(5, november, time.Hour).next()
	r.Kind, r.Verdict, r.BilledNanos = events.KindImpression, events.VerdictBilled, 7
	h.tape.append(h.clock.Now(), r)
	acknowledged := h.clock.Now()
	for !s.Through().After(acknowledged) {
		if s.Through().After(before) && s.Status().State != reporting.SinkRunning {
			t.Fatal(s.Status())
		}
		<-time.After(time.Millisecond)
	}
	reports, err := reporting.NewReports(reporting.ReportsConfig{Client: h.client, Through: s.Through})
	if err != nil {
		t.Fatal(err)
	}
	defer reports.Close()
	res, err := reports.Report(t.Context(), reporting.Query{Advertisers: []id.Advertiser{r.Advertiser}, Metrics: []reporting.Metric{reporting.Spend},
		From: reporting.DateOf(november), To: reporting.DateOf(november)})
	if err != nil || len(res.Rows) != 1 || res.Rows[0].Metrics[reporting.Spend] != "0.000000007" {
		t.Fatalf("the watermark has passed the event, the report has not: %+v %v", res, err)
	}
	if !res.IsFinal || !res.DataThrough.After(acknowledged) {
		t.Errorf("a day three weeks ago is not final: %+v", res)
	}
	_ = stop()
}

type books map[id.AdGroup]money.Sum

func (b books) AdGroupSpend(context.Context) (map[id.AdGroup]money.Sum, uint64, error) {
	return b, 6, nil
}

func TestVerifyNamesADifferenceOfOneNano(t *testing.T) {
	h := newHouse(t)
	newStory(6, november, time.Hour).fill(h.tape, 6, 100)
	s, stop := h.run(nil)
	h.drained(s)
	_ = stop()
	b := books{}
	h.tape.fold(func(r *events.Record) { b[r.AdGroup] = b[r.AdGroup].AddNanos(r.BilledNanos) })
	if v := h.verify(b); !v.OK() {
		t.Fatal(strings.Join(v.Differences, "\n"))
	}
	for g := range b {
		b[g] = b[g].AddNanos(1)
		v := h.verify(b)
		if len(v.Differences) != 1 || !strings.Contains(v.Differences[0], "ad group "+g.String()) {
			t.Fatalf("%v", v.Differences)
		}
		break
	}
	if err := h.client.Exec(t.Context(), "ALTER TABLE {db}.events UPDATE billed_nanos = billed_nanos + 1 WHERE counted = 1 AND seq = 3 SETTINGS mutations_sync = 2"); err != nil {
		t.Fatal(err)
	}
	if v := h.verify(nil); v.OK() || !strings.Contains(v.Differences[0], "raw events") {
		t.Fatalf("%v", v.Differences)
	}
}

func TestClientAway(t *testing.T) {
	c, err := reporting.NewClient(reporting.ClientConfig{Locate: func() (string, bool) { return "", false }})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Ping(t.Context()); !errors.Is(err, reporting.ErrAway) {
		t.Errorf("got %v", err)
	}
	c, _ = reporting.NewClient(reporting.ClientConfig{Locate: reporting.At("http://127.0.0.1:1")})
	if err := c.Ping(t.Context()); !errors.Is(err, reporting.ErrAway) {
		t.Errorf("got %v", err)
	}
	if _, err := reporting.NewClient(reporting.ClientConfig{Locate: reporting.At("x"), Database: "a; b"}); err == nil {
		t.Error("a database name with a semicolon")
	}
}
