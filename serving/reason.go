package serving

// Reason says why a candidate lost or why there was no ad. Numbers are stable:
// they are stored in the diary and in ClickHouse. Append only.
type Reason uint16

// The reasons. The order is the order in which a candidate meets them.
const (
	ReasonNone Reason = iota
	ReasonNoMatch
	ReasonNotActive
	ReasonFormat
	ReasonSize
	ReasonDuration
	ReasonSecure
	ReasonBlockedDomain
	ReasonBlockedCategory
	ReasonRecent
	ReasonBillingEvent
	ReasonBudget
	ReasonWallet
	ReasonFrequency
	ReasonPacing
	ReasonFloor
	ReasonOutbid
	ReasonDiversity
	ReasonHoldRefused
	ReasonMinorPolicy
	ReasonNoUserPermission
	ReasonNoSlot
	ReasonOverload
	ReasonDeadline
	ReasonUnsupported
	ReasonCurrency
	ReasonTest
	ReasonNoAd
	ReasonDiaryFull // the diary is full or away: an impression could not be billed
	reasonCount
)

var reasonNames = [...]string{
	"none", "no_match", "not_active", "format", "size", "duration", "secure", "blocked_domain",
	"blocked_category", "recent", "billing_event", "budget", "wallet", "frequency_cap", "pacing",
	"below_floor", "outbid", "diversity", "hold_refused", "minor_policy", "no_permission", "no_slot",
	"overload", "deadline", "unsupported", "currency", "test", "no_ad",
	"diary_full",
}

// String gives the word used in answers, metrics and reports.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return "unknown"
}

// ReasonCount is the number of reasons, for fixed arrays of counters.
const ReasonCount = int(reasonCount)
