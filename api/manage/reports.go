package manage

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"mazad/api/manage/wire"
	"mazad/campaign"
	"mazad/internal/id"
)

// Limits of one report. Hours multiply rows by 24, so their period is shorter.
const (
	maxReportDays      = 400
	maxReportDaysHours = 31
	reportRetryAfter   = 5 * time.Second
)

// levels are TikTok's data levels from coarse to fine, each with its id.
var levels = []struct{ level, dimension string }{
	{"AUCTION_ADVERTISER", "advertiser_id"}, {"AUCTION_CAMPAIGN", "campaign_id"}, {"AUCTION_ADGROUP", "adgroup_id"}, {"AUCTION_AD", "ad_id"},
}

// ReportIntegratedGet answers a report.
func (a *api) ReportIntegratedGet(ctx context.Context, r wire.ReportIntegratedGetRequestObject) (wire.ReportIntegratedGetResponseObject, error) {
	adv, p := callOf(ctx).tenant.advertiser(), r.Params
	q, err := a.reportQuery(adv, &p)
	if err != nil {
		return nil, err
	}
	if a.reports == nil {
		return nil, notReady("reports are not available now; ads are served and billed all the same", reportRetryAfter, nil)
	}
	got, err := a.reports.Report(ctx, q)
	if err != nil {
		return nil, notReady("reports are not available now; ads are served and billed all the same", reportRetryAfter, err)
	}
	paging := campaign.Paging{Page: q.Page, PageSize: q.PageSize}
	out := wire.ReportList{List: make([]wire.ReportRow, len(got.Rows)), PageInfo: pageInfo(paging, got.Total), Timezone: adv.Zone,
		Currency: string(adv.Currency), DataThrough: wire.TimeOf(got.DataThrough), IsFinal: got.IsFinal}
	for i, row := range got.Rows {
		out.List[i] = wire.ReportRow{Dimensions: row.Dimensions, Metrics: row.Metrics}
	}
	if val(p.EnableTotalMetrics) {
		out.TotalMetrics = &got.Totals
	}
	return wire.ReportIntegratedGet200JSONResponse{Message: okMessage, RequestId: requestID(ctx), Data: out}, nil
}

// reportQuery checks what the contract cannot say: which dimensions go with
// which level, which period, which order.
func (a *api) reportQuery(adv campaign.Advertiser, p *wire.ReportIntegratedGetParams) (ReportQuery, error) {
	q := ReportQuery{Advertiser: adv, Dimensions: p.Dimensions, Metrics: []string{"spend", "impressions"},
		Lifetime: val(p.QueryLifetime), Totals: val(p.EnableTotalMetrics), Descending: p.OrderType == nil || *p.OrderType == "DESC"}
	if p.Metrics != nil {
		q.Metrics = *p.Metrics
	}
	paging := pagingOf(p.Page, p.PageSize)
	q.Page, q.PageSize = paging.Page, paging.PageSize
	if err := checkLevel(p.DataLevel, q.Dimensions); err != nil {
		return q, err
	}
	if p.OrderField != nil {
		q.OrderBy = *p.OrderField
		if known := slices.Concat(q.Dimensions, q.Metrics); !slices.Contains(known, q.OrderBy) {
			return q, invalidValue("order_field", "UNKNOWN_VALUE", "not a dimension or metric of this report", q.OrderBy, strings.Join(known, ", "))
		}
	}
	if err := a.reportPeriod(&q, p); err != nil {
		return q, err
	}
	return q, reportFilters(&q, p.Filtering)
}

// checkLevel refuses ids that are finer than what the figures are summed up by,
// and requires the level's own id, as TikTok does.
func checkLevel(level string, dimensions []string) error {
	at := slices.IndexFunc(levels, func(l struct{ level, dimension string }) bool { return l.level == level })
	for i, d := range dimensions {
		if k := slices.IndexFunc(levels, func(l struct{ level, dimension string }) bool { return l.dimension == d }); k > at {
			return invalidValue(fmt.Sprintf("dimensions[%d]", i), "NOT_ALLOWED_TOGETHER", "is finer than data_level "+level, d, levels[at].dimension)
		}
	}
	if at > 0 && !slices.Contains(dimensions, levels[at].dimension) {
		return invalidValue("dimensions", "REQUIRED", levels[at].dimension+" goes with data_level "+level, "", levels[at].dimension)
	}
	return nil
}

func (a *api) reportPeriod(q *ReportQuery, p *wire.ReportIntegratedGetParams) error {
	hours := slices.Contains(q.Dimensions, "stat_time_hour")
	if q.Lifetime {
		if p.StartDate != nil || p.EndDate != nil {
			return invalid("query_lifetime", "NOT_ALLOWED_TOGETHER", "goes without start_date and end_date")
		}
		if hours {
			return invalid("query_lifetime", "NOT_ALLOWED_TOGETHER", "goes without stat_time_hour")
		}
		return nil
	}
	loc, err := time.LoadLocation(q.Advertiser.Zone)
	if err != nil {
		return err
	}
	if q.From, err = reportDay("start_date", p.StartDate, loc); err != nil {
		return err
	}
	if q.To, err = reportDay("end_date", p.EndDate, loc); err != nil {
		return err
	}
	most := maxReportDays
	if hours {
		most = maxReportDaysHours
	}
	switch {
	case q.To.Before(q.From):
		return invalidValue("end_date", "OUT_OF_RANGE", "is before start_date", *p.EndDate, *p.StartDate)
	case q.To.After(q.From.AddDate(0, 0, most-1)):
		return invalidValue("end_date", "OUT_OF_RANGE", "the period is too long", *p.EndDate, fmt.Sprint(most, " days"))
	}
	q.To = q.To.AddDate(0, 0, 1)
	return nil
}

func reportDay(field string, text *string, loc *time.Location) (time.Time, error) {
	if text == nil {
		return time.Time{}, invalid(field, "REQUIRED", "is required unless query_lifetime is true")
	}
	t, err := time.ParseInLocation(time.DateOnly, *text, loc)
	if err != nil || t.Year() < 2000 {
		return t, invalidValue(field, "MALFORMED", "not a day: want YYYY-MM-DD", *text, "")
	}
	return t, nil
}

// reportFilters reads TikTok's filters, whose value is a JSON list in a string.
func reportFilters(q *ReportQuery, filters *wire.ReportFilters) error {
	if filters == nil {
		return nil
	}
	for i, f := range *filters {
		at := fmt.Sprintf("filtering[%d].filter_value", i)
		tree, fault := parseJSON(at, []byte(f.FilterValue))
		list, ok := tree.([]any)
		if fault != nil || !ok || len(list) == 0 || len(list) > campaign.MaxIDs {
			return invalidValue(at, "MALFORMED", "want a JSON list in a string", f.FilterValue, fmt.Sprint("1 to ", campaign.MaxIDs, " values"))
		}
		for k, item := range list {
			text, isText := item.(string)
			if n, isNumber := item.(json.Number); isNumber {
				text, isText = n.String(), true
			}
			if !isText {
				return invalidValue(fmt.Sprintf("%s[%d]", at, k), "WRONG_TYPE", "want a string", fmt.Sprint(item), "")
			}
			if err := addFilter(q, f.FieldName, text); err != nil {
				return invalidValue(fmt.Sprintf("%s[%d]", at, k), "MALFORMED", err.Error(), text, "")
			}
		}
	}
	return nil
}

func addFilter(q *ReportQuery, field, text string) error {
	if field == "country_code" {
		if len(text) != 2 || strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return fmt.Errorf("not a country: want two capital letters")
		}
		q.Countries = append(q.Countries, text)
		return nil
	}
	n, err := id.Parse[int64](text)
	if err != nil {
		return fmt.Errorf("not an id")
	}
	switch field {
	case "campaign_ids":
		q.Campaigns = append(q.Campaigns, id.Campaign(n))
	case "adgroup_ids":
		q.AdGroups = append(q.AdGroups, id.AdGroup(n))
	case "ad_ids":
		q.Ads = append(q.Ads, id.Ad(n))
	}
	return nil
}
