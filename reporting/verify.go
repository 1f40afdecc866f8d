package reporting

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"mazad/events"
	"mazad/internal/id"
	"mazad/internal/money"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// LedgerTotals is what the ledger has booked for each ad group in its life, and
// the last sequence of the stream that is in it.
type LedgerTotals interface {
	AdGroupSpend(ctx context.Context) (totals map[id.AdGroup]money.Sum, seq uint64, err error)
}

// VerifyConfig says what to compare.
type VerifyConfig struct {
	Client *Client
	Source Source
	Ledger LedgerTotals // nil: the ledger is left out, with a note
	Stream string       // default "MONEY"
}

// Verification is the outcome. It holds when Differences is empty.
type Verification struct {
	Differences []string
	Notes       []string // what was not compared, and why
	Records     uint64   // folded
	Groups      int      // advertiser, ad group and currency
	Spend       map[string]money.Sum
	Last        uint64 // of the diary
	InReports   uint64 // last sequence in ClickHouse
	InLedger    uint64
}

// OK reports that everything agrees.
func (v *Verification) OK() bool { return len(v.Differences) == 0 }

type verifyKey struct {
	advertiser id.Advertiser
	adGroup    id.AdGroup
	currency   string
}

func (k verifyKey) String() string {
	return fmt.Sprintf("advertiser %s, ad group %s, %s", k.advertiser, k.adGroup, k.currency)
}

// tally is what one source says of a key.
type tally struct {
	impressions, clicks, views, conversions uint64
	spend                                   money.Sum
}

func (t tally) String() string {
	return "spend " + t.spend.String() + ", " + strconv.FormatUint(t.impressions, 10) + " impressions, " + strconv.FormatUint(t.clicks, 10) +
		" clicks, " + strconv.FormatUint(t.views, 10) + " views, " + strconv.FormatUint(t.conversions, 10) + " conversions"
}

func (t *tally) add(r *events.Record) {
	t.spend = t.spend.AddNanos(r.BilledNanos)
	switch r.Kind {
	case events.KindImpression:
		t.impressions++
	case events.KindClick:
		t.clicks++
	case events.KindView:
		t.views++
	case events.KindConversion:
		t.conversions++
	}
}

type tallies map[verifyKey]*tally

func (m tallies) of(k verifyKey) *tally {
	t := m[k]
	if t == nil {
		t = &tally{}
		m[k] = t
	}
	return t
}

// Verify folds the whole stream and compares it with ClickHouse, raw and
// aggregated, and with the ledger, each up to the sequence it has reached. It
// reads everything: it is for operators and tests, not for every minute.
func Verify(ctx context.Context, cfg VerifyConfig) (*Verification, error) {
	if cfg.Client == nil || cfg.Source == nil {
		return nil, errors.New("reporting: Verify needs Client and Source")
	}
	if cfg.Stream == "" {
		cfg.Stream = "MONEY"
	}
	v := &Verification{Spend: map[string]money.Sum{}}
	var booked map[id.AdGroup]money.Sum
	var err error
	if cfg.Ledger == nil {
		v.Notes = append(v.Notes, "the ledger was not compared: there is none")
	} else if booked, v.InLedger, err = cfg.Ledger.AdGroupSpend(ctx); err != nil {
		return nil, fmt.Errorf("read the ledger's totals: %w", err)
	}
	raw, quarters, err := v.readClickHouse(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if v.Last, err = cfg.Source.Last(ctx); err != nil {
		return nil, fmt.Errorf("read the diary's last sequence: %w", err)
	}
	reports, owed := tallies{}, map[id.AdGroup]money.Sum{}
	if err := v.fold(ctx, cfg, reports, owed); err != nil {
		return nil, fmt.Errorf("fold the diary: %w", err)
	}
	v.Groups = len(reports)
	v.compare("ClickHouse, raw events", reports, raw)
	if quarters != nil {
		v.compare("ClickHouse, 15-minute aggregates", reports, quarters)
	}
	if cfg.Ledger != nil {
		v.compareLedger(owed, booked)
	}
	if v.InReports < v.Last {
		v.Notes = append(v.Notes, fmt.Sprintf("ClickHouse has the stream up to %d of %d", v.InReports, v.Last))
	}
	if cfg.Ledger != nil && v.InLedger < v.Last {
		v.Notes = append(v.Notes, fmt.Sprintf("the ledger has the stream up to %d of %d", v.InLedger, v.Last))
	}
	return v, nil
}

// fold adds up the diary: reports up to InReports, owed up to InLedger.
func (v *Verification) fold(ctx context.Context, cfg VerifyConfig, reports tallies, owed map[id.AdGroup]money.Sum) error {
	end := max(v.InReports, v.InLedger)
	if end == 0 {
		return nil
	}
	var f events.Fold
	err := cfg.Source.Read(ctx, 1, end, func(b Batch) error {
		return b.Each(func(r *events.Record) error {
			if !f.Add(r) {
				return nil
			}
			k := verifyKey{r.Advertiser, r.AdGroup, word(r.Currency[:])}
			if b.Seq <= v.InReports {
				reports.of(k).add(r)
			}
			if b.Seq <= v.InLedger {
				owed[r.AdGroup] = owed[r.AdGroup].AddNanos(r.BilledNanos)
			}
			v.Spend[k.currency] = v.Spend[k.currency].AddNanos(r.BilledNanos)
			return nil
		})
	})
	v.Records = f.Records
	return err
}

const verifyTries = 5

// readClickHouse reads both tables at one position; quarters is nil when the
// sink never stood still for long enough.
func (v *Verification) readClickHouse(ctx context.Context, cfg VerifyConfig) (raw, quarters tallies, err error) {
	position := func() (seq uint64, err error) {
		err = cfg.Client.each(ctx, "SELECT max(batch_last) FROM {db}.events WHERE stream = {stream:String}",
			func(r driver.Rows) error { return r.Scan(&seq) }, clickhouse.Named("stream", cfg.Stream))
		return seq, err
	}
	for try := 1; ; try++ {
		before, err := position()
		if err != nil {
			return nil, nil, fmt.Errorf("read ClickHouse's position: %w", err)
		}
		v.InReports = before
		quarters, err = readTallies(ctx, cfg.Client, `SELECT advertiser_id, adgroup_id, currency, sum(impressions), sum(clicks), sum(views),
			sum(conversions), sum(spend) FROM {db}.report_15m GROUP BY advertiser_id, adgroup_id, currency`)
		if err != nil {
			return nil, nil, fmt.Errorf("read the aggregates: %w", err)
		}
		raw, err = readTallies(ctx, cfg.Client, `SELECT advertiser_id, adgroup_id, currency, countIf(kind = 1), countIf(kind = 2), countIf(kind = 3),
			countIf(kind = 5), sum(toDecimal128(billed_nanos, 0) * toDecimal128('0.000000001', 9)) FROM {db}.events
			WHERE stream = {stream:String} AND counted = 1 AND batch_last <= {last:UInt64} GROUP BY advertiser_id, adgroup_id, currency`,
			clickhouse.Named("stream", cfg.Stream), clickhouse.Named("last", strconv.FormatUint(before, 10)))
		if err != nil {
			return nil, nil, fmt.Errorf("read the raw events: %w", err)
		}
		after, err := position()
		if err != nil {
			return nil, nil, fmt.Errorf("read ClickHouse's position: %w", err)
		}
		if after == before {
			return raw, quarters, nil
		}
		if try == verifyTries {
			v.Notes = append(v.Notes, "the aggregates were not compared: the sink did not stand still; try again with less traffic")
			return raw, nil, nil
		}
	}
}

func readTallies(ctx context.Context, c *Client, sql string, args ...any) (tallies, error) {
	m := tallies{}
	err := c.each(ctx, sql, func(r driver.Rows) error {
		var adv, group int64
		var currency string
		var t tally
		var spend decimalText
		if err := r.Scan(&adv, &group, &currency, &t.impressions, &t.clicks, &t.views, &t.conversions, &spend); err != nil {
			return err
		}
		t.spend = sumOf(spend.nanos)
		*m.of(verifyKey{id.Advertiser(adv), id.AdGroup(group), currency}) = t
		return nil
	}, args...)
	return m, err
}

// maxDifferences bounds the list; the number of further ones is its last line.
const maxDifferences = 200

func (v *Verification) differ(format string, args ...any) {
	if len(v.Differences) == maxDifferences {
		v.Differences = append(v.Differences, "... and more")
	}
	if len(v.Differences) < maxDifferences {
		v.Differences = append(v.Differences, fmt.Sprintf(format, args...))
	}
}

func (v *Verification) compare(where string, diary, other tallies) {
	keys := make([]verifyKey, 0, len(diary))
	for k := range diary {
		keys = append(keys, k)
	}
	for k := range other {
		if diary[k] == nil {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b verifyKey) int {
		return cmp.Or(cmp.Compare(a.advertiser, b.advertiser), cmp.Compare(a.adGroup, b.adGroup), cmp.Compare(a.currency, b.currency))
	})
	var none tally
	for _, k := range keys {
		d, o := diary[k], other[k]
		if d == nil {
			d = &none
		}
		if o == nil {
			o = &none
		}
		if *d != *o {
			v.differ("%s: the diary says %s; %s says %s", k, d, where, o)
		}
	}
}

func (v *Verification) compareLedger(owed, booked map[id.AdGroup]money.Sum) {
	groups := make([]id.AdGroup, 0, len(owed))
	for g := range owed {
		groups = append(groups, g)
	}
	for g := range booked {
		if _, ok := owed[g]; !ok {
			groups = append(groups, g)
		}
	}
	slices.Sort(groups)
	for _, g := range groups {
		if owed[g] != booked[g] {
			v.differ("ad group %s: the diary says spend %s; the ledger says %s", g, owed[g], booked[g])
		}
	}
}
