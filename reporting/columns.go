package reporting

import (
	"slices"
	"time"

	"mazad/events"
)

// entry is a record with its place in the stream.
type entry struct {
	*events.Record
	stream  string
	seq     uint64
	idx     uint32
	counted bool
}

// column collects one column of the events table. It copies what it keeps.
type column interface {
	title() string
	add(*entry)
	data() any
	reset()
}

type columnOf[T any] struct {
	name string
	of   func(*entry) T
	vals []T
}

func (c *columnOf[T]) title() string { return c.name }
func (c *columnOf[T]) add(e *entry) {
	if len(c.vals) == cap(c.vals) { // double: append alone would copy a large column a dozen times
		c.vals = slices.Grow(c.vals, max(len(c.vals), 256))
	}
	c.vals = append(c.vals, c.of(e))
}

func (c *columnOf[T]) data() any { return c.vals }
func (c *columnOf[T]) reset()    { clear(c.vals); c.vals = c.vals[:0] }

func col[T any](name string, of func(*entry) T) column { return &columnOf[T]{name: name, of: of} }

func millis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func flag(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// word reads a fixed-size code; zero bytes are the absent one.
func word(b []byte) string {
	if b[0] == 0 {
		return ""
	}
	return string(b)
}

// eventColumns are the columns of migrations/0001_events.sql, all but the two
// batch boundaries, which are known when the batch is closed.
func eventColumns() []column {
	return append(placeColumns(), append(moneyColumns(), contextColumns()...)...)
}

func placeColumns() []column {
	return []column{
		col("stream", func(e *entry) string { return e.stream }),
		col("seq", func(e *entry) uint64 { return e.seq }),
		col("idx", func(e *entry) uint32 { return e.idx }),
		col("report_time", func(e *entry) time.Time { return millis(e.ReportMS()) }),
		col("event_time", func(e *entry) time.Time { return millis(e.TimeMS) }),
		col("auction_time", func(e *entry) time.Time { return millis(e.AuctionMS) }),
		col("event_hi", func(e *entry) uint64 { return e.ID.Hi }),
		col("event_lo", func(e *entry) uint64 { return e.ID.Lo }),
		col("auction_hi", func(e *entry) uint64 { return e.AuctionID.Hi }),
		col("auction_lo", func(e *entry) uint64 { return e.AuctionID.Lo }),
		col("token_partition", func(e *entry) uint16 { return e.Token.Partition }),
		col("token_generation", func(e *entry) uint32 { return e.Token.Generation }),
		col("token_serial", func(e *entry) uint64 { return e.Token.Serial }),
		col("kind", func(e *entry) uint8 { return uint8(e.Kind) }),
		col("verdict", func(e *entry) uint8 { return uint8(e.Verdict) }),
		col("reason", func(e *entry) uint16 { return uint16(e.Reason) }),
		col("flags", func(e *entry) uint16 { return uint16(e.Flags) }),
		col("token_use", func(e *entry) uint8 { return uint8(e.Use) }),
		col("counted", func(e *entry) uint8 { return flag(e.counted) }),
	}
}

func moneyColumns() []column {
	return []column{
		col("billed_nanos", func(e *entry) int64 { return int64(e.BilledNanos) }),
		col("price_nanos", func(e *entry) int64 { return int64(e.PriceNanos) }),
		col("bid_nanos", func(e *entry) int64 { return int64(e.BidNanos) }),
		col("currency", func(e *entry) string { return word(e.Currency[:]) }),
		col("billing_event", func(e *entry) uint8 { return e.BillingEvent }),
		col("conversion_name", func(e *entry) string { return string(e.Conversion.Name) }),
		col("conversion_event", func(e *entry) string { return string(e.Conversion.EventID) }),
		col("conversion_nanos", func(e *entry) int64 { return int64(e.Conversion.ValueNanos) }),
		col("conversion_currency", func(e *entry) string { return word(e.Conversion.Currency[:]) }),
		col("conversion_match", func(e *entry) uint8 { return uint8(e.Conversion.Match) }),
		col("click_hi", func(e *entry) uint64 { return e.Conversion.ClickID.Hi }),
		col("click_lo", func(e *entry) uint64 { return e.Conversion.ClickID.Lo }),
	}
}

func contextColumns() []column {
	return []column{
		col("door", func(e *entry) uint8 { return e.Door }),
		col("slot", func(e *entry) uint8 { return e.Slot }),
		col("advertiser_id", func(e *entry) int64 { return int64(e.Advertiser) }),
		col("campaign_id", func(e *entry) int64 { return int64(e.Campaign) }),
		col("adgroup_id", func(e *entry) int64 { return int64(e.AdGroup) }),
		col("ad_id", func(e *entry) int64 { return int64(e.Ad) }),
		col("revision", func(e *entry) int64 { return e.Revision }),
		col("model", func(e *entry) uint32 { return e.Model }),
		col("day", func(e *entry) int32 { return e.Day }),
		col("country", func(e *entry) string { return word(e.Country[:]) }),
		col("region", func(e *entry) uint64 { return e.Region }),
		col("language", func(e *entry) uint16 { return e.Language }),
		col("age", func(e *entry) uint8 { return e.Age }),
		col("gender", func(e *entry) uint8 { return e.Gender }),
		col("os", func(e *entry) uint8 { return e.OS }),
		col("placement", func(e *entry) uint8 { return e.Placement }),
		col("universe", func(e *entry) uint8 { return e.Universe }),
		col("loss_code", func(e *entry) uint16 { return e.LossCode }),
		col("user_known", func(e *entry) uint8 { return flag(e.Personal.State != events.PrivacyNone) }),
		col("user_ord", func(e *entry) uint32 { return e.Personal.Ord }),
	}
}
