package reporting

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"mazad/internal/money"
)

// figures are the sums of a row, exact.
type figures struct {
	currency                   string
	spend, value               *big.Int // nanos
	impressions, personal      uint64
	clicks, views, conversions uint64
	reach                      uint64
	verdicts                   [7]uint64 // as verdictMetrics
}

// parseNanos reads a Decimal(38, 9) as ClickHouse prints it.
func parseNanos(s string) (*big.Int, error) {
	whole, frac, _ := strings.Cut(s, ".")
	if len(frac) > 9 {
		return nil, fmt.Errorf("%q has more than nine decimals", s)
	}
	n, ok := new(big.Int).SetString(whole+frac+strings.Repeat("0", 9-len(frac)), 10)
	if !ok {
		return nil, fmt.Errorf("%q is not a decimal", s)
	}
	return n, nil
}

// sumOf narrows to the house's 128 bits.
func sumOf(n *big.Int) money.Sum {
	abs := new(big.Int).Abs(n)
	lo := new(big.Int).And(abs, new(big.Int).SetUint64(1<<64-1)).Uint64()
	s := money.Sum{Hi: int64(new(big.Int).Rsh(abs, 64).Uint64()), Lo: lo}
	if n.Sign() < 0 {
		return s.Neg()
	}
	return s
}

// amount prints nanos exactly, with two decimals at least.
func amount(n *big.Int) string {
	s := strings.TrimRight(sumOf(n).String(), "0")
	_, frac, _ := strings.Cut(s, ".")
	return s + strings.Repeat("0", max(0, 2-len(frac)))
}

// ratio prints num/den rounded half up to places decimals; 0 when den is 0.
func ratio(num *big.Int, den *big.Int, places int) string {
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places)), nil)
	q := new(big.Int)
	if den.Sign() != 0 {
		q.Mul(num, unit).Mul(q, big.NewInt(2)).Add(q, den)
		q.Div(q, new(big.Int).Mul(den, big.NewInt(2)))
	}
	whole, frac := new(big.Int).DivMod(q, unit, new(big.Int))
	return fmt.Sprintf("%s.%0*d", whole, places, frac)
}

func count(n uint64) *big.Int { return new(big.Int).SetUint64(n) }

// per is spend*times per n, in units with six decimals.
func (f *figures) per(times int64, n uint64) string {
	num := new(big.Int).Mul(f.spend, big.NewInt(times))
	return ratio(num, new(big.Int).Mul(count(n), big.NewInt(1_000_000_000)), 6)
}

// metric prints one figure.
func (f *figures) metric(m Metric) string {
	switch m {
	case Spend:
		return amount(f.spend)
	case Impressions:
		return strconv.FormatUint(f.impressions, 10)
	case Clicks:
		return strconv.FormatUint(f.clicks, 10)
	case Views:
		return strconv.FormatUint(f.views, 10)
	case Reach:
		return strconv.FormatUint(f.reach, 10)
	case Conversions:
		return strconv.FormatUint(f.conversions, 10)
	case ConversionValue:
		return amount(f.value)
	case CTR:
		return ratio(new(big.Int).Mul(count(f.clicks), big.NewInt(100)), count(f.impressions), 4)
	case Frequency:
		return ratio(count(f.personal), count(f.reach), 4)
	case CPC:
		return f.per(1, f.clicks)
	case CPM:
		return f.per(1000, f.impressions)
	case CostPerConversion:
		return f.per(1, f.conversions)
	}
	if i := slices.Index(verdictMetrics(), m); i >= 0 {
		return strconv.FormatUint(f.verdicts[i], 10)
	}
	return ""
}
