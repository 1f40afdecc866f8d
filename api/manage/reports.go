package manage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"mazad/api/manage/wire"
	"mazad/campaign"
	"mazad/internal/id"
	"mazad/reporting"
)

// reportRetryAfter is how long a supervised report engine takes to come back.
const reportRetryAfter = 5 * time.Second

const reportsAway = "reports are not available now; ads are served and billed all the same"

// filterField maps TikTok's filter names to dimensions.
func filterField(name string) reporting.Dimension {
	switch name {
	case "campaign_ids":
		return reporting.ByCampaign
	case "adgroup_ids":
		return reporting.ByAdGroup
	case "ad_ids":
		return reporting.ByAd
	}
	return reporting.Dimension(name)
}

// metricOf reads TikTok's names too.
func metricOf(name string) reporting.Metric {
	if name == "conversion" {
		return reporting.Conversions
	}
	return reporting.Metric(name)
}

// ReportIntegratedGet answers a report of one advertiser in its own time zone.
func (a *api) ReportIntegratedGet(ctx context.Context, r wire.ReportIntegratedGetRequestObject) (wire.ReportIntegratedGetResponseObject, error) {
	adv, p := callOf(ctx).tenant.advertiser(), r.Params
	metrics := []string{"spend", "impressions"}
	if p.Metrics != nil {
		metrics = *p.Metrics
	}
	q, err := a.reportQuery(adv, &p, metrics)
	if err != nil {
		return nil, err
	}
	if a.reports == nil {
		return nil, notReady(reportsAway, reportRetryAfter, nil)
	}
	got, err := a.reports.Report(ctx, q)
	if err != nil {
		return nil, reportFault(err)
	}
	out := wire.ReportList{List: make([]wire.ReportRow, len(got.Rows)), Timezone: adv.Zone, Currency: string(adv.Currency),
		PageInfo: pageInfo(campaign.Paging{Page: q.Page, PageSize: q.PageSize}, got.PageInfo.TotalRows), DataThrough: wire.TimeOf(got.DataThrough), IsFinal: got.IsFinal}
	for i := range got.Rows {
		out.List[i] = wire.ReportRow{Dimensions: map[string]string{}, Metrics: metricsWire(metrics, got.Rows[i].Metrics)}
		for d, v := range got.Rows[i].Dimensions {
			out.List[i].Dimensions[string(d)] = v
		}
	}
	if val(p.EnableTotalMetrics) {
		out.TotalMetrics = totalsWire(adv, metrics, got.Totals)
	}
	return wire.ReportIntegratedGet200JSONResponse{Message: okMessage, RequestId: requestID(ctx), Data: out}, nil
}

func metricsWire(asked []string, got map[reporting.Metric]string) map[string]string {
	out := map[string]string{}
	for _, name := range asked {
		out[name] = got[metricOf(name)]
	}
	return out
}

// totalsWire takes the totals of the advertiser's currency; it has no other.
func totalsWire(adv campaign.Advertiser, asked []string, totals []reporting.Row) *map[string]string {
	for i := range totals {
		if totals[i].Currency == string(adv.Currency) {
			return new(metricsWire(asked, totals[i].Metrics))
		}
	}
	return &map[string]string{}
}

// reportFault tells a query that reporting refuses from a report engine that is away.
func reportFault(err error) error {
	var wrong *reporting.QueryError
	switch {
	case errors.As(err, &wrong):
		code := "NOT_ALLOWED_TOGETHER"
		switch {
		case strings.HasSuffix(wrong.Field, "_date"), strings.HasPrefix(wrong.Field, "page"):
			code = "OUT_OF_RANGE"
		case strings.HasSuffix(wrong.Field, ".filter_value"):
			code = "MALFORMED"
		}
		return invalidValue(wrong.Field, code, wrong.Message, wrong.Value, "")
	case errors.Is(err, reporting.ErrAway), errors.Is(err, context.DeadlineExceeded):
		return notReady(reportsAway, reportRetryAfter, err)
	}
	return err
}

// reportQuery translates; what the contract cannot say is checked by reporting.
func (a *api) reportQuery(adv campaign.Advertiser, p *wire.ReportIntegratedGetParams, metrics []string) (reporting.Query, error) {
	zone, err := time.LoadLocation(adv.Zone)
	if err != nil {
		return reporting.Query{}, err
	}
	paging := pagingOf(p.Page, p.PageSize)
	q := reporting.Query{Advertisers: []id.Advertiser{adv.ID}, Level: reporting.Level(p.DataLevel), Zone: zone, Page: paging.Page, PageSize: paging.PageSize}
	for _, d := range p.Dimensions {
		q.Dimensions = append(q.Dimensions, reporting.Dimension(d))
	}
	for _, m := range metrics {
		q.Metrics = append(q.Metrics, metricOf(m))
	}
	if p.OrderField != nil {
		q.Order = reporting.Order{Field: string(metricOf(*p.OrderField)), Desc: p.OrderType == nil || *p.OrderType == "DESC"}
	}
	if err := a.reportPeriod(&q, adv, p); err != nil {
		return q, err
	}
	return q, reportFilters(&q, p.Filtering)
}

func (a *api) reportPeriod(q *reporting.Query, adv campaign.Advertiser, p *wire.ReportIntegratedGetParams) error {
	if val(p.QueryLifetime) {
		if p.StartDate != nil || p.EndDate != nil {
			return invalid("query_lifetime", "NOT_ALLOWED_TOGETHER", "goes without start_date and end_date")
		}
		q.From, q.To = reporting.DateOf(adv.CreatedAt.In(q.Zone)), reporting.DateOf(a.clock.Now().In(q.Zone))
		if adv.CreatedAt.Before(a.clock.Now().AddDate(0, 0, 1-reporting.MaxDays)) {
			return invalidValue("query_lifetime", "OUT_OF_RANGE", "the account is older than one report may reach; give start_date and end_date",
				q.From.String(), fmt.Sprint(reporting.MaxDays, " days"))
		}
		return nil
	}
	var err error
	if q.From, err = reportDay("start_date", p.StartDate); err != nil {
		return err
	}
	q.To, err = reportDay("end_date", p.EndDate)
	return err
}

func reportDay(field string, text *string) (reporting.Date, error) {
	if text == nil {
		return reporting.Date{}, invalid(field, "REQUIRED", "is required unless query_lifetime is true")
	}
	d, err := reporting.ParseDate(*text)
	if err != nil {
		return d, invalidValue(field, "MALFORMED", "not a day: want YYYY-MM-DD", *text, "")
	}
	return d, nil
}

// reportFilters reads TikTok's filters, whose value is a JSON list in a string.
func reportFilters(q *reporting.Query, filters *wire.ReportFilters) error {
	if filters == nil {
		return nil
	}
	for i, f := range *filters {
		at := fmt.Sprintf("filtering[%d].filter_value", i)
		tree, fault := parseJSON(at, []byte(f.FilterValue))
		list, ok := tree.([]any)
		if fault != nil || !ok || len(list) == 0 || len(list) > reporting.MaxFilterValues {
			return invalidValue(at, "MALFORMED", "want a JSON list in a string", f.FilterValue, fmt.Sprint("1 to ", reporting.MaxFilterValues, " values"))
		}
		filter := reporting.Filter{Field: filterField(f.FieldName)}
		for k, item := range list {
			text, isText := item.(string)
			if n, isNumber := item.(json.Number); isNumber {
				text, isText = n.String(), true
			}
			if !isText {
				return invalidValue(fmt.Sprintf("%s[%d]", at, k), "WRONG_TYPE", "want a string", fmt.Sprint(item), "")
			}
			filter.Values = append(filter.Values, text)
		}
		q.Filters = append(q.Filters, filter)
	}
	return nil
}
