package reporting

import (
	"fmt"
	"slices"
	"strings"

	"mazad/targeting"
)

// Dimension is what rows are grouped by; the names are TikTok's.
type Dimension string

// The dimensions.
const (
	ByAdvertiser Dimension = "advertiser_id"
	ByCampaign   Dimension = "campaign_id"
	ByAdGroup    Dimension = "adgroup_id"
	ByAd         Dimension = "ad_id"
	ByDay        Dimension = "stat_time_day"
	ByHour       Dimension = "stat_time_hour"
	ByCountry    Dimension = "country_code"
	ByAge        Dimension = "age"
	ByGender     Dimension = "gender"
	ByPlatform   Dimension = "platform"
	ByPlacement  Dimension = "placement"
)

// Metric is a figure of a row.
type Metric string

// The metrics. Amounts and ratios of amounts are in the row's currency.
const (
	Spend             Metric = "spend"
	Impressions       Metric = "impressions"
	Clicks            Metric = "clicks"
	Views             Metric = "views"
	CTR               Metric = "ctr" // percent
	CPC               Metric = "cpc"
	CPM               Metric = "cpm"
	Reach             Metric = "reach"     // distinct known users; contextual requests have none
	Frequency         Metric = "frequency" // impressions of known users / reach
	Conversions       Metric = "conversions"
	ConversionValue   Metric = "conversion_value"
	CostPerConversion Metric = "cost_per_conversion"
)

// The metrics of verdicts: events that the ad group is charged for, and refusals.
const (
	BilledEvents   Metric = "billed_events"
	FreeEvents     Metric = "free_events"
	FreeOverBudget Metric = "free_over_budget"
	FreeLeaseEnded Metric = "free_lease_ended"
	RefusedEvents  Metric = "refused_events"
	RefusedRepeat  Metric = "refused_repeat"
	RefusedExpired Metric = "refused_expired"
)

// verdictMetrics are the columns of verdict_15m, in their order.
func verdictMetrics() []Metric {
	return []Metric{BilledEvents, FreeEvents, FreeOverBudget, FreeLeaseEnded, RefusedEvents, RefusedRepeat, RefusedExpired}
}

// Level is the object a report is about, TikTok's data_level. Empty is the
// level of the deepest id among the dimensions.
type Level string

// The levels.
const (
	LevelAdvertiser Level = "AUCTION_ADVERTISER"
	LevelCampaign   Level = "AUCTION_CAMPAIGN"
	LevelAdGroup    Level = "AUCTION_ADGROUP"
	LevelAd         Level = "AUCTION_AD"
)

func levels() []Level {
	return []Level{LevelAdvertiser, LevelCampaign, LevelAdGroup, LevelAd}
}

// FieldInfo describes a dimension or a metric for people and programs.
type FieldInfo struct {
	Name        string   `json:"name"`
	Type        string   `json:"type"` // id, date, datetime, enum, integer, decimal
	Description string   `json:"description"`
	Level       Level    `json:"level,omitempty"`  // id dimensions: the lowest level that has it
	Values      []string `json:"values,omitempty"` // enum dimensions
	Filter      bool     `json:"filter"`           // may be filtered on
	Excludes    []string `json:"excludes,omitempty"`
}

// SchemaInfo is what report/schema/get publishes. A pair in Excludes is refused.
type SchemaInfo struct {
	Levels        []Level     `json:"data_levels"`
	Dimensions    []FieldInfo `json:"dimensions"`
	Metrics       []FieldInfo `json:"metrics"`
	MaxDimensions int         `json:"max_dimensions"`
	MaxPageSize   int         `json:"max_page_size"`
	MaxDays       int         `json:"max_days"`
	MaxHourlyDays int         `json:"max_hourly_days"`
}

func names[T interface {
	~uint8
	fmt.Stringer
}](count int) []string {
	var list []string
	for i := range count {
		list = append(list, T(i).String())
	}
	return list
}

func dimensionTable() []FieldInfo {
	return []FieldInfo{
		{Name: string(ByAdvertiser), Type: "id", Level: LevelAdvertiser, Description: "advertiser"},
		{Name: string(ByCampaign), Type: "id", Level: LevelCampaign, Filter: true, Description: "campaign"},
		{Name: string(ByAdGroup), Type: "id", Level: LevelAdGroup, Filter: true, Description: "ad group"},
		{Name: string(ByAd), Type: "id", Level: LevelAd, Filter: true, Description: "ad"},
		{Name: string(ByDay), Type: "date", Description: "local day in the report's time zone", Excludes: []string{string(ByHour)}},
		{Name: string(ByHour), Type: "datetime", Description: "local hour in the report's time zone; the hour that a clock repeats is one row",
			Excludes: []string{string(ByDay), string(Reach), string(Frequency)}},
		{Name: string(ByCountry), Type: "enum", Filter: true, Description: "ISO 3166-1 alpha-2 country of the request, empty when unknown"},
		{Name: string(ByAge), Type: "enum", Filter: true, Description: "age band", Values: names[targeting.Band](int(targeting.Age55_100) + 1)},
		{Name: string(ByGender), Type: "enum", Filter: true, Description: "gender; GENDER_UNLIMITED is unknown", Values: names[targeting.Gender](3)},
		{Name: string(ByPlatform), Type: "enum", Filter: true, Description: "operating system", Values: names[targeting.OS](4)},
		{Name: string(ByPlacement), Type: "enum", Filter: true, Description: "placement", Values: names[targeting.Placement](int(targeting.PlacementExchange) + 1)},
	}
}

func metricTable() []FieldInfo {
	hourly := []string{string(ByHour)}
	people := []string{string(Reach), string(Frequency)} // a refusal has no user
	for _, m := range verdictMetrics() {
		hourly = append(hourly, string(m))
	}
	return append([]FieldInfo{
		{Name: string(Spend), Type: "decimal", Description: "billed, exact"},
		{Name: string(Impressions), Type: "integer", Description: "impressions"},
		{Name: string(Clicks), Type: "integer", Description: "clicks"},
		{Name: string(Views), Type: "integer", Description: "views long enough to count"},
		{Name: string(CTR), Type: "decimal", Description: "clicks per hundred impressions"},
		{Name: string(CPC), Type: "decimal", Description: "spend per click"},
		{Name: string(CPM), Type: "decimal", Description: "spend per thousand impressions"},
		{Name: string(Reach), Type: "integer", Description: "distinct known users, within about 0.4 %", Excludes: hourly},
		{Name: string(Frequency), Type: "decimal", Description: "impressions of known users per known user", Excludes: hourly},
		{Name: string(Conversions), Type: "integer", Description: "conversions, at the time of the conversion"},
		{Name: string(ConversionValue), Type: "decimal", Description: "value of conversions sent in the advertiser's currency"},
		{Name: string(CostPerConversion), Type: "decimal", Description: "spend per conversion"},
	}, []FieldInfo{
		{Name: string(BilledEvents), Type: "integer", Description: "events that were billed", Excludes: people},
		{Name: string(FreeEvents), Type: "integer", Description: "events of the kind that is charged for that cost nothing, for whatever reason", Excludes: people},
		{Name: string(FreeOverBudget), Type: "integer", Description: "of free_events: delivered beyond a budget or the wallet", Excludes: people},
		{Name: string(FreeLeaseEnded), Type: "integer", Description: "of free_events: so late after a restart or the loss of a server that nothing is charged", Excludes: people},
		{Name: string(RefusedEvents), Type: "integer", Description: "events that count nowhere: repeated or too old; under a flood of them a share is counted", Excludes: people},
		{Name: string(RefusedRepeat), Type: "integer", Description: "of refused_events: the same event again", Excludes: people},
		{Name: string(RefusedExpired), Type: "integer", Description: "of refused_events: longer after the ad was served than an event of its kind may come", Excludes: people},
	}...)
}

// Schema says which dimensions, metrics and pairs a Query may name.
func Schema() SchemaInfo {
	return SchemaInfo{Levels: levels(), Dimensions: dimensionTable(), Metrics: metricTable(), MaxDimensions: MaxDimensions,
		MaxPageSize: MaxPageSize, MaxDays: MaxDays, MaxHourlyDays: MaxHourlyDays}
}

func find(table []FieldInfo, name string) (FieldInfo, bool) {
	i := slices.IndexFunc(table, func(f FieldInfo) bool { return f.Name == name })
	if i < 0 {
		return FieldInfo{}, false
	}
	return table[i], true
}

func known(table []FieldInfo) string {
	var list []string
	for _, f := range table {
		list = append(list, f.Name)
	}
	return strings.Join(list, ", ")
}
