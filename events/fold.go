package events

import (
	"cmp"
	"fmt"
	"slices"

	"mazad/internal/id"
	"mazad/internal/money"
)

// QuarterMS is the grain of aggregates: 15 minutes, because zones at +5:45 exist.
const QuarterMS = 15 * 60 * 1000

// ReportMS is the time that decides where a record is counted: that of its
// auction, and for a conversion its own.
func (r *Record) ReportMS() int64 {
	if r.Kind == KindConversion {
		return r.TimeMS
	}
	return r.AuctionMS
}

// Cell is a line of the finest report.
type Cell struct {
	Advertiser id.Advertiser
	Campaign   id.Campaign
	AdGroup    id.AdGroup
	Ad         id.Ad
	QuarterMS  int64 // start of the quarter of an hour, UTC, of Record.ReportMS
	Country    [2]byte
	Age        uint8
	Gender     uint8
	OS         uint8
	Placement  uint8
}

// Figures are the sums of a cell.
type Figures struct {
	Spend       money.Sum // nanos billed
	Impressions uint64
	Clicks      uint64
	Views       uint64
	Conversions uint64
	Value       money.Sum // nanos, of conversions, in the sender's currency
}

// Add adds g to f.
func (f *Figures) Add(g Figures) {
	f.Spend, f.Value = f.Spend.Add(g.Spend), f.Value.Add(g.Value)
	f.Impressions += g.Impressions
	f.Clicks += g.Clicks
	f.Views += g.Views
	f.Conversions += g.Conversions
}

// Fold adds up records in stream order: the independent oracle of reports,
// ledger and invoices. It remembers every token it saw (about 50 bytes each),
// so it is for checks, not for serving. Its zero value is ready.
type Fold struct {
	Cells   map[Cell]*Figures
	Total   Figures
	Records uint64 // seen
	Repeats uint64 // later records of a token already counted for the same use
	Refused uint64 // records whose verdict is refused

	seen map[foldToken]struct{}
}

type foldToken struct {
	token TokenID
	use   Use
}

// Add counts one record and reports whether it counted: false for a refused
// record, for the later ones of one token and use, and for kinds that no report
// counts.
func (f *Fold) Add(r *Record) bool {
	if f.Cells == nil {
		f.Cells, f.seen = map[Cell]*Figures{}, map[foldToken]struct{}{}
	}
	f.Records++
	if r.Verdict == VerdictRefused || r.Kind == KindRefused {
		f.Refused++
		return false
	}
	if use, ok := r.TokenUse(); ok {
		t := foldToken{r.Token, use}
		if _, again := f.seen[t]; again {
			f.Repeats++
			return false
		}
		f.seen[t] = struct{}{}
	}
	g, ok := figuresOf(r)
	if !ok {
		return false
	}
	c := CellOf(r)
	cell := f.Cells[c]
	if cell == nil {
		cell = &Figures{}
		f.Cells[c] = cell
	}
	cell.Add(g)
	f.Total.Add(g)
	return true
}

// figuresOf is what one counted record adds.
func figuresOf(r *Record) (g Figures, ok bool) {
	g.Spend = money.SumOf(r.BilledNanos)
	switch r.Kind {
	case KindImpression:
		g.Impressions = 1
	case KindClick:
		g.Clicks = 1
	case KindView:
		g.Views = 1
	case KindBill:
	case KindConversion:
		g.Conversions = 1
		g.Value = money.SumOf(r.Conversion.ValueNanos)
	default:
		return g, false
	}
	return g, true
}

// CellOf is the cell that r counts in.
func CellOf(r *Record) Cell {
	ms := r.ReportMS()
	return Cell{
		Advertiser: r.Advertiser, Campaign: r.Campaign, AdGroup: r.AdGroup, Ad: r.Ad,
		QuarterMS: ms - ((ms%QuarterMS)+QuarterMS)%QuarterMS,
		Country:   r.Country, Age: r.Age, Gender: r.Gender, OS: r.OS, Placement: r.Placement,
	}
}

// Row is a cell with its figures.
type Row struct {
	Cell
	Figures
}

// Rows are all cells in a fixed order.
func (f *Fold) Rows() []Row {
	rows := make([]Row, 0, len(f.Cells))
	for c, g := range f.Cells {
		rows = append(rows, Row{c, *g})
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(
			cmp.Compare(a.Advertiser, b.Advertiser), cmp.Compare(a.Campaign, b.Campaign),
			cmp.Compare(a.AdGroup, b.AdGroup), cmp.Compare(a.Ad, b.Ad), cmp.Compare(a.QuarterMS, b.QuarterMS),
			slices.Compare(a.Country[:], b.Country[:]), cmp.Compare(a.Age, b.Age), cmp.Compare(a.Gender, b.Gender),
			cmp.Compare(a.OS, b.OS), cmp.Compare(a.Placement, b.Placement))
	})
	return rows
}

// String is the row as tab-separated text, for golden files and differences.
func (r Row) String() string {
	return fmt.Sprintf("%d\t%d\t%d\t%d\t%d\t%q\t%d\t%d\t%d\t%d\tspend=%s\timp=%d\tclk=%d\tview=%d\tconv=%d\tvalue=%s",
		r.Advertiser, r.Campaign, r.AdGroup, r.Ad, r.QuarterMS, r.Country[:], r.Age, r.Gender, r.OS, r.Placement,
		r.Spend, r.Impressions, r.Clicks, r.Views, r.Conversions, r.Value)
}
