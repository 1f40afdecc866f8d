package reporting

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"mazad/internal/id"
)

// Limits of a query.
const (
	MaxDimensions   = 4
	MaxTenants      = 1000
	MaxFilterValues = 1000
	MaxPageSize     = 1000
	MaxDays         = 366
	MaxHourlyDays   = 31
	MaxPage         = 100_000
)

// Date is a local day.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// ParseDate reads 2006-01-02.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return Date{}, fmt.Errorf("%.20q is not a date: want YYYY-MM-DD", s)
	}
	return DateOf(t), nil
}

// DateOf is the day of t in t's own zone.
func DateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day) }

// noon is d as an instant that calendar arithmetic may use.
func (d Date) noon() time.Time { return time.Date(d.Year, d.Month, d.Day, 12, 0, 0, 0, time.UTC) }

// Next is the following day.
func (d Date) Next() Date { return DateOf(d.noon().AddDate(0, 0, 1)) }

// Start is the first instant of the day in zone. Midnight may not exist (clocks
// jump at midnight in some zones) and a whole day may not (Samoa, 2011): then it
// is the first instant after.
func (d Date) Start(zone *time.Location) time.Time {
	const step = 15 * time.Minute // every zone's offset since 1972 is a multiple
	t := d.noon().Add(-27 * time.Hour)
	for DateOf(t.In(zone)).noon().Before(d.noon()) {
		t = t.Add(step)
	}
	return t.UTC()
}

// Filter keeps rows whose dimension has one of the values.
type Filter struct {
	Field  Dimension
	Values []string
}

// Order sorts by a dimension or a metric of the query.
type Order struct {
	Field string
	Desc  bool
}

// Query asks for a report.
type Query struct {
	Advertisers []id.Advertiser // whose figures; never empty
	Level       Level
	Dimensions  []Dimension
	Metrics     []Metric
	Filters     []Filter
	From, To    Date           // local days, both included
	Zone        *time.Location // nil = UTC
	Order       Order          // zero = by the dimensions
	Page        int            // from 1; 0 = 1
	PageSize    int            // 0 = 10
}

// QueryError names the field of a query that is wrong.
type QueryError struct {
	Field   string
	Value   string
	Message string
}

func (e *QueryError) Error() string {
	if e.Value == "" {
		return e.Field + ": " + e.Message
	}
	return fmt.Sprintf("%s: %q %s", e.Field, e.Value, e.Message)
}

func wrong(field, value, format string, args ...any) *QueryError {
	if len(value) > 64 {
		value = value[:64] + "..."
	}
	return &QueryError{Field: field, Value: value, Message: fmt.Sprintf(format, args...)}
}

// check fills in defaults and refuses what Schema does not offer.
func (q *Query) check() error {
	if len(q.Advertisers) == 0 {
		return wrong("advertiser_ids", "", "a report needs at least one advertiser")
	}
	if len(q.Advertisers) > MaxTenants {
		return wrong("advertiser_ids", strconv.Itoa(len(q.Advertisers)), "advertisers, the limit is %d", MaxTenants)
	}
	for _, a := range q.Advertisers {
		if a <= 0 {
			return wrong("advertiser_ids", a.String(), "is not a valid id")
		}
	}
	if q.Zone == nil {
		q.Zone = time.UTC
	}
	if q.Page == 0 {
		q.Page = 1
	}
	if q.PageSize == 0 {
		q.PageSize = 10
	}
	if q.Page < 1 || q.Page > MaxPage {
		return wrong("page", strconv.Itoa(q.Page), "is not between 1 and %d", MaxPage)
	}
	if q.PageSize < 1 || q.PageSize > MaxPageSize {
		return wrong("page_size", strconv.Itoa(q.PageSize), "is not between 1 and %d", MaxPageSize)
	}
	if err := q.checkFields(); err != nil {
		return err
	}
	if err := q.checkFilters(); err != nil {
		return err
	}
	return q.checkRange()
}

func (q *Query) checkFields() error {
	dims, metrics := dimensionTable(), metricTable()
	if len(q.Dimensions) > MaxDimensions {
		return wrong("dimensions", strconv.Itoa(len(q.Dimensions)), "dimensions, the limit is %d", MaxDimensions)
	}
	if len(q.Metrics) == 0 {
		return wrong("metrics", "", "name at least one of %s", known(metrics))
	}
	if q.Level != "" && !slices.Contains(levels(), q.Level) {
		return wrong("data_level", string(q.Level), "is not one of %v", levels())
	}
	seen := map[string]bool{}
	add := func(field, name string, table []FieldInfo) error {
		f, ok := find(table, name)
		if !ok {
			return wrong(field, name, "is not one of %s", known(table))
		}
		if seen[name] {
			return wrong(field, name, "is there twice")
		}
		seen[name] = true
		for _, x := range f.Excludes {
			if seen[x] {
				return wrong(field, name, "cannot be combined with %s", x)
			}
		}
		if q.Level != "" && f.Level != "" && slices.Index(levels(), f.Level) > slices.Index(levels(), q.Level) {
			return wrong(field, name, "needs data_level %s, not %s", f.Level, q.Level)
		}
		return nil
	}
	for _, d := range q.Dimensions {
		if err := add("dimensions", string(d), dims); err != nil {
			return err
		}
	}
	for _, m := range q.Metrics {
		if err := add("metrics", string(m), metrics); err != nil {
			return err
		}
	}
	if q.Order.Field != "" && !seen[q.Order.Field] {
		return wrong("order_field", q.Order.Field, "is not among the dimensions and metrics of this report")
	}
	return nil
}

func (q *Query) checkFilters() error {
	for i, f := range q.Filters {
		field := fmt.Sprintf("filtering[%d]", i)
		info, ok := find(dimensionTable(), string(f.Field))
		if !ok || !info.Filter {
			return wrong(field+".field_name", string(f.Field), "cannot be filtered on")
		}
		if len(f.Values) == 0 || len(f.Values) > MaxFilterValues {
			return wrong(field+".filter_value", strconv.Itoa(len(f.Values)), "values, want 1 to %d", MaxFilterValues)
		}
		for _, v := range f.Values {
			if _, err := literal(f.Field, v); err != nil {
				return wrong(field+".filter_value", v, "%v", err)
			}
		}
	}
	return nil
}

func (q *Query) checkRange() error {
	if q.From == (Date{}) || q.To == (Date{}) {
		return wrong("start_date", "", "start_date and end_date are required")
	}
	if q.From != DateOf(q.From.noon()) || q.To != DateOf(q.To.noon()) {
		return wrong("start_date", q.From.String()+".."+q.To.String(), "is not a range of real dates")
	}
	days := int(q.To.noon().Sub(q.From.noon())/(24*time.Hour)) + 1
	limit := MaxDays
	if slices.Contains(q.Dimensions, ByHour) {
		limit = MaxHourlyDays
	}
	switch {
	case days < 1:
		return wrong("end_date", q.To.String(), "is before start_date %s", q.From)
	case days > limit:
		return wrong("end_date", q.To.String(), "makes %d days, the limit is %d", days, limit)
	}
	return nil
}
