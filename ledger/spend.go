package ledger

import (
	"time"

	"mazad/internal/id"
	"mazad/internal/money"
)

// LimitKind is what a limit binds. It is stored: append only.
type LimitKind uint8

// The limits in the order of pacing's chain.
const (
	AdGroupDay LimitKind = iota + 1
	AdGroupLifetime
	CampaignDay
	CampaignLifetime
	AdvertiserCap // lifetime
	WalletLimit   // lifetime: what was ever funded
	AdGroupWeek   // Monday to Sunday; Day is the Monday
	CampaignWeek
)

func (k LimitKind) String() string {
	switch k {
	case AdGroupDay:
		return "ad group day"
	case AdGroupLifetime:
		return "ad group lifetime"
	case CampaignDay:
		return "campaign day"
	case CampaignLifetime:
		return "campaign lifetime"
	case AdvertiserCap:
		return "advertiser cap"
	case WalletLimit:
		return "wallet"
	case AdGroupWeek:
		return "ad group week"
	case CampaignWeek:
		return "campaign week"
	}
	return "unknown limit"
}

// Daily reports a limit that has one total per day.
func (k LimitKind) Daily() bool { return k == AdGroupDay || k == CampaignDay }

// Weekly reports a limit that has one total per week.
func (k LimitKind) Weekly() bool { return k == AdGroupWeek || k == CampaignWeek }

// Recurs reports a limit that begins anew: daily or weekly.
func (k LimitKind) Recurs() bool { return k.Daily() || k.Weekly() }

// OfDay is the daily limit whose days a weekly one adds up.
func (k LimitKind) OfDay() LimitKind {
	switch k {
	case AdGroupWeek:
		return AdGroupDay
	case CampaignWeek:
		return CampaignDay
	}
	return k
}

// WeekOf is the Monday of the week of a day, both yyyymmdd.
func WeekOf(day int32) int32 {
	t := dateOf(day)
	return keyOf(t.AddDate(0, 0, -(int(t.Weekday())+6)%7))
}

// AddDays is the day so many days later.
func AddDays(day int32, n int) int32 { return keyOf(dateOf(day).AddDate(0, 0, n)) }

func dateOf(day int32) time.Time {
	return time.Date(int(day/10000), time.Month(day/100%100), int(day%100), 0, 0, 0, 0, time.UTC)
}

func keyOf(t time.Time) int32 { return int32(t.Year()*10000 + int(t.Month())*100 + t.Day()) }

// Limit names one total: Owner is the id of the ad group, campaign or
// advertiser, Day is yyyymmdd of a daily limit, the Monday of a weekly one and 0
// of a lifetime one.
type Limit struct {
	Kind  LimitKind
	Owner int64
	Day   int32
}

// SpendRow is what one ad group was billed in one second of auctions, as folded
// from the diary by one life of one node.
type SpendRow struct {
	Advertiser id.Advertiser
	Campaign   id.Campaign
	AdGroup    id.AdGroup
	Currency   money.Currency
	Second     int64 // Unix seconds of the auction
	Day        int32 // yyyymmdd of the auction in the advertiser's zone
	Node       uint16
	Generation uint32 // of the token: whose lease was used
	Amount     money.Sum
	Count      int64 // billed events
}

// SpendBatch is the money of records FirstSeq to LastSeq of a stream, both
// included. A batch whose LastSeq is not after the stream's position was posted
// before and changes nothing; any other batch must begin one after the
// position. Rows may be empty. Through promises that every billed record
// appended to the stream before that time is posted once this batch is. Leave it
// zero when that is not known.
type SpendBatch struct {
	Stream   string
	FirstSeq uint64
	LastSeq  uint64
	Through  time.Time
	Rows     []SpendRow
}

// Posted is what PostSpend did.
type Posted struct {
	Batch    int64 // 0 when it was posted before
	Replayed bool
	Pairs    int
	Amount   money.Sum
}

// Position is how far a stream has been posted.
type Position struct {
	Seq     uint64
	Through time.Time
}

// LimitSpend is a total.
type LimitSpend struct {
	Limit
	Spent money.Sum
	Count int64
}

// SpendQuery filters totals. The zero value is everything.
type SpendQuery struct {
	Limits  []Limit // exactly these, in this order, zero totals included; the rest is ignored
	Kinds   []LimitKind
	FromDay int32 // daily totals from this day on; lifetime totals are always included
}

// LeaseAsk asks for Want more of a limit for one life of one node. Ceiling is
// the limit itself; for WalletLimit the store takes what was ever funded
// instead.
type LeaseAsk struct {
	Limit   Limit
	Ceiling money.Sum
	Want    money.Sum
}

// Lease is what one life of one node may bill against a limit. Granted and
// Spent count from the beginning of that life; what is left is outstanding.
type Lease struct {
	Limit      Limit
	Node       uint16
	Generation uint32
	Granted    money.Sum
	Spent      money.Sum // posted
	ExpiresAt  time.Time // of the life
}

// Outstanding is what may still be billed, or was billed and is not posted yet.
func (l Lease) Outstanding() money.Sum {
	if left := l.Granted.Sub(l.Spent); left.Sign() > 0 {
		return left
	}
	return money.Sum{}
}

// Grant answers a LeaseAsk.
type Grant struct {
	Lease   Lease
	Added   money.Sum // what was added now: 0 to Want
	Left    money.Sum // limit - spend - all leases after this one; 0 = nothing more to give
	Ceiling money.Sum // the limit that was applied
	Spend   money.Sum // posted by everybody
}

// LeaseReturn gives back what a life will not bill: the lease is lowered to
// Granted, counted from the beginning of the life. Said again it changes nothing,
// so a lost answer does no harm; a lease that is lower or gone stays so.
type LeaseReturn struct {
	Limit   Limit
	Granted money.Sum // at least what was posted of it
	Closed  bool      // the life is done with this limit: the lease is forgotten once all of it is posted
}

// Life is one life of one node, as far as leases go.
type Life struct {
	Node       uint16
	Generation uint32
	ExpiresAt  time.Time // when its longest impression token ends, by its own clock
	Over       bool      // a later one began, or it was closed
	Freed      bool      // its leases count no more
}
