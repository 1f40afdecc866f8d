package reporting

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mazad/internal/id"
	"mazad/targeting"
)

// errNoTenant is a mistake of ours: every query goes through Query.check.
var errNoTenant = errors.New("reporting: refused to print a query without a tenant")

// groupBy is the SQL of a dimension, as text.
func groupBy(d Dimension, zone string) string {
	switch d {
	case ByDay:
		return "toString(toDate(quarter, " + sqlString(zone) + "))"
	case ByHour:
		return "formatDateTime(quarter, '%Y-%m-%d %H:00:00', " + sqlString(zone) + ")"
	}
	return "toString(" + columnOfDimension(d) + ")"
}

func columnOfDimension(d Dimension) string {
	switch d {
	case ByCountry:
		return "country"
	case ByPlatform:
		return "os"
	}
	return string(d)
}

// sqlString quotes a name of ours (a zone). Values of users are literals made by
// literal.
func sqlString(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// code finds the number of an enum's name.
func code[T interface {
	~uint8
	fmt.Stringer
}](name string, count int) (string, error) {
	if i := slices.Index(names[T](count), name); i >= 0 {
		return strconv.Itoa(i), nil
	}
	return "", fmt.Errorf("is not one of %s", strings.Join(names[T](count), ", "))
}

// literal checks a filter's value and writes it in SQL.
func literal(d Dimension, v string) (string, error) {
	switch d {
	case ByCampaign, ByAdGroup, ByAd:
		n, err := id.Parse[id.Ad](v)
		return n.String(), err
	case ByCountry:
		if len(v) != 2 || v[0] < 'A' || v[0] > 'Z' || v[1] < 'A' || v[1] > 'Z' {
			return "", errors.New("is not an ISO 3166-1 alpha-2 code")
		}
		return "'" + v + "'", nil
	case ByAge:
		return code[targeting.Band](v, int(targeting.Age55_100)+1)
	case ByGender:
		return code[targeting.Gender](v, 3)
	case ByPlatform:
		return code[targeting.OS](v, 4)
	case ByPlacement:
		return code[targeting.Placement](v, int(targeting.PlacementExchange)+1)
	}
	return "", errors.New("cannot be filtered on")
}

// label turns a dimension's text from ClickHouse into the published name.
func label(d Dimension, v string) string {
	n, _ := strconv.ParseUint(v, 10, 8)
	switch d {
	case ByAge:
		return targeting.Band(n).String()
	case ByGender:
		return targeting.Gender(n).String()
	case ByPlatform:
		return targeting.OS(n).String()
	case ByPlacement:
		return targeting.Placement(n).String()
	}
	return v
}

// where is the condition of a query: tenants and time first, as the table is sorted.
func where(q *Query) (string, error) {
	if len(q.Advertisers) == 0 {
		return "", errNoTenant
	}
	var b strings.Builder
	b.WriteString("advertiser_id IN (")
	for i, a := range q.Advertisers {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(a.String())
	}
	fmt.Fprintf(&b, ") AND quarter >= toDateTime(%d, 'UTC') AND quarter < toDateTime(%d, 'UTC')",
		q.From.Start(q.Zone).Unix(), q.To.Next().Start(q.Zone).Unix())
	for _, f := range q.Filters {
		b.WriteString(" AND " + columnOfDimension(f.Field) + " IN (")
		for i, v := range f.Values {
			lit, err := literal(f.Field, v)
			if err != nil {
				return "", err
			}
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(lit)
		}
		b.WriteByte(')')
	}
	return b.String(), nil
}

// sums are read for every row, whatever the metrics: ratios and sorting need
// them, and they are nine columns.
const sums = "currency, sum(spend) AS s, sum(impressions) AS i, sum(personal_impressions) AS p, sum(clicks) AS c, sum(views) AS v, " +
	"sum(conversions) AS n, sum(conversion_value) AS w"

// reachOf leaves the sketches alone when nobody asks for them.
func reachOf(q *Query) string {
	if slices.Contains(q.Metrics, Reach) || slices.Contains(q.Metrics, Frequency) {
		return ", uniqCombined64IfMerge(reach) AS r"
	}
	return ", toUInt64(0) AS r"
}

// verdictsOf are the sums of verdicts, in the order of verdictMetrics; nothing is
// read for them when nobody asks.
func verdictsOf(q *Query) (sums, from string) {
	asked, zeros, names, none := false, "", "", ""
	for i, m := range verdictMetrics() {
		asked = asked || slices.Contains(q.Metrics, m)
		zeros += fmt.Sprintf(", toUInt64(0) AS x%d", i)
		sums += fmt.Sprintf(", sum(%s) AS x%d", m, i)
		names += ", " + string(m)
		none += ", toUInt64(0) AS " + string(m)
	}
	if !asked {
		return zeros, "{db}.report_15m"
	}
	const keys = "advertiser_id, campaign_id, adgroup_id, ad_id, quarter, country, age, gender, os, placement, currency"
	const figures = ", spend, impressions, personal_impressions, clicks, views, conversions, conversion_value"
	const noFigures = ", toDecimal128(0, 9) AS spend, toUInt64(0) AS impressions, toUInt64(0) AS personal_impressions, toUInt64(0) AS clicks, " +
		"toUInt64(0) AS views, toUInt64(0) AS conversions, toDecimal128(0, 9) AS conversion_value"
	return sums, "(SELECT " + keys + figures + none + " FROM {db}.report_15m WHERE %[1]s UNION ALL SELECT " + keys + noFigures + names + " FROM {db}.verdict_15m WHERE %[1]s)"
}

// source is what a query reads, with its condition.
func source(q *Query, cond string) (sums, from string) {
	sums, from = verdictsOf(q)
	if strings.Contains(from, "%[1]s") {
		return sums, fmt.Sprintf(from, cond)
	}
	return sums, from + " WHERE " + cond
}

// printRows writes the query for one page of rows.
func printRows(q *Query) (string, error) {
	cond, err := where(q)
	if err != nil {
		return "", err
	}
	cols, keys := "", "currency"
	for i, d := range q.Dimensions {
		cols += fmt.Sprintf(", %s AS d%d", groupBy(d, q.Zone.String()), i)
		keys += fmt.Sprintf(", d%d", i)
	}
	verdicts, from := source(q, cond)
	return fmt.Sprintf("SELECT %s%s%s%s FROM %s GROUP BY %s ORDER BY %s LIMIT %d OFFSET %d",
		sums, reachOf(q), verdicts, cols, from, keys, orderBy(q, keys), q.PageSize, (q.Page-1)*q.PageSize), nil
}

// printTotals writes the query for the totals per currency and the number of rows.
func printTotals(q *Query) (string, error) {
	cond, err := where(q)
	if err != nil {
		return "", err
	}
	rows := "toUInt64(1)"
	if len(q.Dimensions) > 0 {
		var keys []string
		for _, d := range q.Dimensions {
			keys = append(keys, groupBy(d, q.Zone.String()))
		}
		rows = "uniqExact(" + strings.Join(keys, ", ") + ")"
	}
	verdicts, from := source(q, cond)
	return fmt.Sprintf("SELECT %s%s%s, %s FROM %s GROUP BY currency ORDER BY currency", sums, reachOf(q), verdicts, rows, from), nil
}

// orderBy sorts by what was asked and then by all keys, so that pages never
// overlap. Ratios are compared as floats; only the order depends on that.
func orderBy(q *Query, keys string) string {
	all := keys
	for i, d := range q.Dimensions {
		if info, _ := find(dimensionTable(), string(d)); info.Type == "id" {
			all = strings.Replace(all, fmt.Sprintf("d%d", i), fmt.Sprintf("toInt64(d%d)", i), 1)
		}
	}
	if q.Order.Field == "" {
		return all
	}
	var expr string
	if i := slices.Index(q.Dimensions, Dimension(q.Order.Field)); i >= 0 {
		expr = fmt.Sprintf("d%d", i)
		if info, _ := find(dimensionTable(), q.Order.Field); info.Type == "id" {
			expr = "toInt64(" + expr + ")"
		}
	} else if i := slices.Index(verdictMetrics(), Metric(q.Order.Field)); i >= 0 {
		expr = fmt.Sprintf("x%d", i)
	} else {
		expr = map[Metric]string{Spend: "s", Impressions: "i", Clicks: "c", Views: "v", Reach: "r", Conversions: "n", ConversionValue: "w",
			CTR: "if(i = 0, 0, c / i)", CPC: "if(c = 0, 0, toFloat64(s) / c)", CPM: "if(i = 0, 0, toFloat64(s) / i)",
			Frequency: "if(r = 0, 0, p / r)", CostPerConversion: "if(n = 0, 0, toFloat64(s) / n)"}[Metric(q.Order.Field)]
	}
	if q.Order.Desc {
		expr += " DESC"
	}
	return expr + ", " + all
}
