package campaign

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Context is what an ad group is validated against. Before is the stored ad
// group when it is an update, nil when it is new. Imported ones may have begun,
// or ended, before now.
type Context struct {
	Now      time.Time
	Campaign *Campaign
	Before   *AdGroup
	Imported bool
}

// Validate checks an ad group after Defaults.
func (g *AdGroup) Validate(in Context) error {
	var l list
	l.name("adgroup_name", g.Name, MaxName)
	enum(&l, "operation_status", g.OperationStatus, Enable, Disable, Delete)
	g.checkTriple(&l, in.Campaign)
	g.checkMoney(&l, in.Campaign)
	g.checkSchedule(&l, in)
	g.checkFrequency(&l)
	g.checkTargeting(&l)
	g.checkMinors(&l, in.Campaign)
	g.checkIndustry(&l, in.Campaign)
	windows := []Window{WindowOff, WindowDay, WindowWeek, WindowTwoWeeks, WindowFourWeeks}
	enum(&l, "click_attribution_window", g.ClickWindow, windows...)
	enum(&l, "view_attribution_window", g.ViewWindow, windows[:3]...)
	enum(&l, "engaged_view_attribution_window", g.EngagedViewWindow, windows[:3]...)
	enum(&l, "attribution_event_count", g.EventCount, CountEvery, CountOnce)
	return l.err()
}

// checkTriple checks objective, goal and billing event together.
func (g *AdGroup) checkTriple(l *list, c *Campaign) {
	want, known := goalBilling[g.Goal]
	goals := objectiveGoals[c.Objective]
	switch {
	case g.Goal == "":
		l.add(CodeRequired, "optimization_goal", "", words(goals...), "must be given")
	case !known:
		l.add(CodeUnknownValue, "optimization_goal", string(g.Goal), words(goals...), "is not a known value")
	case !slices.Contains(goals, g.Goal):
		l.add(CodeNotTogether, "optimization_goal", string(g.Goal), words(goals...), "does not serve objective_type %s", c.Objective)
	case want == OCPM:
		l.add(CodeNotOffered, "optimization_goal", string(g.Goal), "", "is not offered yet: it is paid by OCPM")
	}
	switch g.BillingEvent {
	case OCPM, CPA, GD:
		l.add(CodeNotOffered, "billing_event", string(g.BillingEvent), words(CPC, CPM, CPV), "is not offered yet")
	case CPC, CPM, CPV:
		if known && want != OCPM && g.BillingEvent != want {
			l.add(CodeNotTogether, "billing_event", string(g.BillingEvent), string(want), "does not pay for optimization_goal %s", g.Goal)
		}
	default:
		enum(l, "billing_event", g.BillingEvent, CPC, CPM, CPV)
	}
}

// checkMoney checks budget and bid, also against the campaign's.
func (g *AdGroup) checkMoney(l *list, c *Campaign) {
	l.budget(g.BudgetMode, g.Budget)
	switch {
	case c.BudgetOptimizeOn && g.BudgetMode != BudgetInfinite && g.BudgetMode != "":
		l.add(CodeNotTogether, "budget_mode", string(g.BudgetMode), string(BudgetInfinite),
			"must be left out: the campaign owns the budget (budget_optimize_on)")
	case !c.BudgetOptimizeOn && g.BudgetMode == BudgetInfinite && c.BudgetMode == BudgetInfinite:
		l.add(CodeRequired, "budget_mode", string(g.BudgetMode), "", "must set a budget: the campaign has none")
	}
	if g.BidType == BidNone {
		l.add(CodeNotOffered, "bid_type", string(g.BidType), string(BidCustom), "is not offered yet")
	} else {
		enum(l, "bid_type", g.BidType, BidCustom)
	}
	before := len(l.errs)
	l.amount("bid_price", g.BidPrice, MaxBid)
	if len(l.errs) == before {
		if g.BudgetMode != BudgetInfinite && g.Budget > 0 && g.BidPrice > g.Budget {
			l.add(CodeOutOfRange, "bid_price", g.BidPrice.String(), g.Budget.String(), "must not be greater than the budget")
		} else if c.BudgetMode != BudgetInfinite && g.BidPrice > c.Budget {
			l.add(CodeOutOfRange, "bid_price", g.BidPrice.String(), c.Budget.String(), "must not be greater than the campaign's budget")
		}
	}
	enum(l, "pacing", g.Pacing, PacingSmooth, PacingFast)
	if g.Pacing == PacingSmooth && g.BudgetMode == BudgetTotal && g.ScheduleEnd.IsZero() {
		l.add(CodeRequired, "schedule_end_time", "", "",
			"must be given when pacing is %s and budget_mode is %s: there is nothing to spread the budget over", g.Pacing, g.BudgetMode)
	}
}

func (g *AdGroup) checkSchedule(l *list, in Context) {
	start, end := g.ScheduleStart, g.ScheduleEnd
	newStart := !in.Imported && (in.Before == nil || !in.Before.ScheduleStart.Equal(start))
	newEnd := !in.Imported && (in.Before == nil || !in.Before.ScheduleEnd.Equal(end))
	at := func(t time.Time) string { return t.Format(time.RFC3339) }
	if enum(l, "schedule_type", g.ScheduleType, ScheduleFromNow, ScheduleStartEnd) {
		switch {
		case g.ScheduleType == ScheduleStartEnd && start.IsZero():
			l.add(CodeRequired, "schedule_start_time", "", "", "must be given when schedule_type is %s", g.ScheduleType)
			return
		case g.ScheduleType == ScheduleStartEnd && end.IsZero():
			l.add(CodeRequired, "schedule_end_time", "", "", "must be given when schedule_type is %s", g.ScheduleType)
		case g.ScheduleType == ScheduleFromNow && !end.IsZero():
			l.add(CodeNotTogether, "schedule_end_time", at(end), "", "must be left out when schedule_type is %s", g.ScheduleType)
		}
	}
	if newStart && start.Before(in.Now.Add(-SchedulePastGrace)) {
		l.add(CodePast, "schedule_start_time", at(start), at(in.Now), "is in the past")
	}
	if far := in.Now.Add(MaxSchedule); start.After(far) || end.After(far) {
		l.add(CodeOutOfRange, "schedule_end_time", at(end), at(far), "is too far in the future")
	}
	if !end.IsZero() && !end.After(start) {
		l.add(CodeOutOfRange, "schedule_end_time", at(end), "", "must be after schedule_start_time %s", at(start))
	} else if !end.IsZero() && newEnd && !end.After(in.Now) {
		l.add(CodePast, "schedule_end_time", at(end), at(in.Now), "is in the past")
	}
	if d := g.Dayparting; d != "" {
		switch {
		case len(d) != dayparts:
			l.add(CodeMalformed, "dayparting", d, strconv.Itoa(dayparts)+" characters", "has %d characters: one 0 or 1 per half-hour of the week from Monday", len(d))
		case strings.Trim(d, "01") != "":
			l.add(CodeMalformed, "dayparting", d, "0 and 1", "has other characters than 0 and 1")
		case !strings.Contains(d, "1"):
			l.add(CodeMalformed, "dayparting", d, "", "never opens: it has no 1")
		}
	}
}

func (g *AdGroup) checkFrequency(l *list) {
	n, d := g.Frequency, g.FrequencyDays
	switch {
	case n == 0 && d == 0:
		return
	case n == 0:
		l.add(CodeRequired, "frequency", "", "", "must be given with frequency_schedule")
	case d == 0:
		l.add(CodeRequired, "frequency_schedule", "", "", "must be given with frequency")
	default:
		l.between("frequency_schedule", d, 1, MaxFrequencyDays)
		l.between("frequency", n, 1, MaxFrequencyPerDay*min(max(d, 1), MaxFrequencyDays))
	}
}
