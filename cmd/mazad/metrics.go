package main

import (
	"mazad/api/ads"
	"mazad/audience"
	"mazad/events"
	"mazad/pacing"
	"mazad/serving"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// collector reads every room's counters when Prometheus asks. Labels are
// bounded: kinds, reasons and states, never an id.
type collector struct{ n *Node }

// Describe implements prometheus.Collector: the set of metrics is not fixed,
// because only reasons that occurred are shown.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// meter sends samples to Prometheus.
type meter struct{ ch chan<- prometheus.Metric }

func (m meter) count(name, help string, v float64, labels ...string) {
	m.send(prometheus.CounterValue, name, help, v, labels)
}

func (m meter) gauge(name, help string, v float64, labels ...string) {
	m.send(prometheus.GaugeValue, name, help, v, labels)
}

func (m meter) send(kind prometheus.ValueType, name, help string, v float64, labels []string) {
	names, values := make([]string, 0, len(labels)/2), make([]string, 0, len(labels)/2)
	for i := 0; i+1 < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	m.ch <- prometheus.MustNewConstMetric(prometheus.NewDesc("mazad_"+name, help, names, nil), kind, v, values...)
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	m := meter{ch}
	c.doors(m)
	c.corridor(m)
	c.money(m)
	c.diary(m)
	c.archive(m)
	c.reports(m)
}

func (c collector) doors(m meter) {
	st := c.n.ads.Stats()
	st.Each(func(s ads.Sample) {
		labels := make([]string, 0, 2*len(s.Labels))
		for _, l := range s.Labels {
			labels = append(labels, l.Name, l.Value)
		}
		m.count("ads_"+s.Name, s.Help, float64(s.Value), labels...)
	})
	buckets, count, sum := st.Durations()
	m.ch <- prometheus.MustNewConstHistogram(prometheus.NewDesc("mazad_ads_request_seconds", "Time to answer an ad request", nil, nil), count, sum, buckets)
}

func (c collector) corridor(m meter) {
	st := c.n.engine.Stats()
	for i, door := range []string{"feed", "openrtb"} {
		m.count("decisions_total", "Ad requests decided", float64(st.Requests[i].Load()), "door", door)
	}
	for _, u := range []audience.Universe{audience.Contextual, audience.Personal} {
		m.count("universe_total", "Decisions by universe", float64(st.Universes[u].Load()), "universe", u.String())
	}
	m.count("placed_ads_total", "Ads placed", float64(st.Ads.Load()))
	m.count("searched_tiers_total", "Tiers of ad groups that requests searched", float64(st.Searched.Load()))
	m.count("matched_ad_groups_total", "Ad groups met by requests; a search stops when no other can change the outcome", float64(st.Matched.Load()))
	for r := range serving.ReasonCount {
		if v := st.Lost[r].Load(); v > 0 {
			m.count("lost_candidates_total", "Candidates that lost, by reason", float64(v), "reason", serving.Reason(r).String())
		}
	}
	ts := c.n.tracker.Stats()
	for s := range events.StateCount {
		m.count("tokens_total", "Tokens opened, by state", float64(ts.Tokens[s].Load()), "state", s.String())
	}
	c.verdicts(m, ts)
	m.count("bad_prices_total", "burl whose price macro was not usable", float64(ts.BadPrice.Load()))
	m.count("undone_verdicts_total", "Verdicts taken back because the diary refused the record", float64(ts.Undone.Load()))
	snap := c.n.engine.Snapshot()
	m.gauge("snapshot_ad_groups", "Ad groups that can compete", float64(snap.AdGroups()))
	m.gauge("snapshot_revision", "Revision of the live snapshot", float64(snap.Revision))
	published, took := c.n.publisher.Published()
	m.count("snapshots_total", "Snapshots published", float64(published))
	m.gauge("snapshot_build_seconds", "How long the last snapshot took", took.Seconds())
}

func (c collector) verdicts(m meter, ts *serving.TrackerStats) {
	for s := range serving.SignalCount {
		for v := range events.VerdictCount {
			for r := range events.ReasonCount {
				if n := ts.Verdicts[s][v][r].Load(); n > 0 {
					m.count("verdicts_total", "Events judged here, by what was decided and why", float64(n),
						"signal", serving.Signal(s).String(), "verdict", events.Verdict(v).String(), "reason", events.Reason(r).String())
				}
			}
		}
	}
	m.count("refusals_unwritten_total", "Refused events that were counted but not written: a flood may not fill the disk", float64(ts.RefusedUnwritten.Load()))
	m.gauge("events_in_flight", "First uses judged and not known to be on disk", float64(ts.InFlight.Load()))
	m.count("relayed_events_total", "Events judged by another node, the home of their tokens", float64(ts.Relayed.Load()))
	m.count("unreached_homes_total", "Events whose home did not answer in time", float64(ts.Unreached.Load()))
	m.count("misrouted_events_total", "Events sent here by a node that takes this one for their home", float64(ts.NotHome.Load()))
	m.count("relay_parcels_total", "Parcels of events sent to other nodes", float64(c.n.relay.Parcels.Load()))
	m.count("relay_full_total", "Events that found the way to their home full", float64(c.n.relay.Full.Load()))
	m.gauge("pending_clicks", "Clicks on disk here until their home can be reached", float64(ts.Waiting.Load()))
	m.count("delivered_clicks_total", "Pending clicks that their home has now", float64(ts.Delivered.Load()))
	m.count("unkept_clicks_total", "Clicks that neither their home nor this node could take", float64(ts.NotKept.Load()))
}

func (c collector) money(m meter) {
	book, holds := c.n.treasurer.Pacing()
	for i, v := range book.Refused {
		if v > 0 {
			m.count("holds_refused_total", "Holds refused, by the limit that refused", float64(v), "limit", pacing.PlaceName(i))
		}
	}
	m.gauge("holds", "Outstanding holds", float64(holds.Held))
	m.gauge("holds_capacity", "Room for outstanding holds", float64(holds.Capacity))
	m.count("holds_expired_total", "Holds released unused", float64(holds.Expired))
	m.count("holds_full_total", "Ads not served because the ring of holds was full", float64(holds.Full))
	st := c.n.treasurer.Stats()
	m.count("leases_granted_total", "Leases fetched from the store", float64(st.Granted.Load()))
	m.count("lease_errors_total", "Times the store could not be asked for leases", float64(st.AskErrors.Load()))
	m.count("free_events_total", "Billable events delivered free", float64(st.FreeLimit.Load()), "why", "over_limit")
	m.count("free_events_total", "Billable events delivered free", float64(st.FreeOld.Load()), "why", "previous_life")
}

func (c collector) diary(m meter) {
	st := c.n.diary.Stats()
	m.count("diary_records_total", "Records accepted", float64(st.Accepted))
	m.count("diary_acknowledged_total", "Records on disk", float64(st.Acknowledged))
	m.count("diary_lost_total", "Records accepted that are certainly not on disk; their verdict was taken back", float64(st.Lost))
	m.count("diary_refused_total", "Records refused", float64(st.Overloaded), "why", "overloaded")
	m.count("diary_refused_total", "Records refused", float64(st.Full), "why", "full")
	m.count("diary_refused_total", "Records refused", float64(st.Unavailable), "why", "unavailable")
	m.count("diary_batches_total", "Batches sent", float64(st.Batches))
	m.gauge("diary_queue_records", "Accepted and not yet on disk", float64(st.QueueRecords))
	m.gauge("diary_bytes", "Disk used by the money stream", float64(st.MoneyBytes))
	m.gauge("diary_alarm", "1 when the money stream has used 80 % of its disk budget", flag(st.Alarm))
	m.gauge("diary_budget_bytes", "Disk budget of the money stream; alarm at 80 %", float64(st.MoneyBudget))
	m.count("decisions_logged_total", "Decision records taken", float64(st.Decisions))
	m.count("replays_kept_total", "Auctions recorded for a replay", float64(st.Replays))
	m.count("replays_dropped_total", "Recordings dropped", float64(st.ReplaysDropped+st.ReplaysLost))
	m.count("decisions_dropped_total", "Decision records dropped", float64(st.DecisionsDropped+st.DecisionsLost))
}

func (c collector) reports(m meter) {
	m.gauge("checkpoint_bytes", "Size of the last checkpoint of what is remembered of the diary", float64(c.n.checkpointBytes.Load()))
	m.gauge("ledger_through_seconds", "Everything acknowledged before this time is in the ledger", float64(c.n.bookkeeper.Through().UnixMilli())/1000)
	if c.n.sink == nil {
		return
	}
	st := c.n.sink.Status()
	m.gauge("reports_through_seconds", "Everything acknowledged before this time is in reports", float64(st.Through.UnixMilli())/1000)
	m.count("reports_rows_total", "Rows inserted into ClickHouse", float64(st.Rows))
	m.count("reports_retries_total", "Inserts that failed and were tried again", float64(st.Retries))
	m.gauge("reports_state", "State of the sink: 0 starting, 1 running, 2 away, 3 broken", float64(st.State))
}

func (n *Node) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collector{n})
	return r
}
