package campaign

import (
	"time"

	"mazad/internal/money"
)

// Sizes of what people may type. They are TikTok's where it publishes one;
// otherwise large enough that nobody meets them by honest work, and small
// enough that one object stays below 100 KiB in the store.
const (
	MaxName        = 512  // characters
	MaxAdText      = 100  // characters
	MaxDisplayName = 40   // characters
	MaxURL         = 2048 // bytes
	MaxAssetID     = 128  // bytes of a video, image or identity id
	MaxReason      = 512  // characters of a review reason
	MaxReasons     = 20
	MaxPONumber    = 128 // characters
	MaxActor       = 128 // bytes
	MaxAnswer      = 1 << 20

	MaxLocations  = 3000
	MaxLanguages  = 50
	MaxInterests  = 500
	MaxTags       = 200
	MaxTagBytes   = 128
	MaxSegments   = 200 // in one OR list, and in the exclusions
	MaxClauses    = 10  // OR lists joined by AND
	MaxImages     = 35  // pictures of a carousel
	MinCarousel   = 2
	MaxPixels     = 16384
	MaxDurationMS = 600_000

	MaxIDs      = 1000 // ids in one filter or one status update
	MaxPageSize = 1000
	DefaultPage = 10
	MaxTree     = 1_000_000 // objects in one CreateTree
)

// Amounts. The largest budget is a trillion units: 40 million dollars in VND,
// and still a billion times below the end of money.Sum. The largest bid fits
// money.Nanos with room to multiply by a rate.
const (
	MaxBudget money.Micros = 1_000_000_000_000 * 1_000_000
	MaxBid    money.Micros = 1_000_000_000 * 1_000_000
)

// SchedulePastGrace is how far in the past a new start may lie, so that "now",
// typed by a person or sent by a machine with another clock, is accepted.
const SchedulePastGrace = 5 * time.Minute

// MaxSchedule is the furthest end, from now.
const MaxSchedule = 10 * 365 * 24 * time.Hour

// Frequency caps: n impressions per d days with 1 <= d <= 7 and 1 <= n <= 3d.
const (
	MaxFrequencyDays   = 7
	MaxFrequencyPerDay = 3
)

// dayparts is the length of a dayparting string: 48 half-hours x 7 days.
const dayparts = 336
