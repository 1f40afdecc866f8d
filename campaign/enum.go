package campaign

import "slices"

// OperationStatus is what people configured; see Effective for what is true.
type OperationStatus string

// The operation statuses. DELETE is for ever.
const (
	Enable  OperationStatus = "ENABLE"
	Disable OperationStatus = "DISABLE"
	Delete  OperationStatus = "DELETE"
)

// Objective is what a campaign is for.
type Objective string

// The objectives.
const (
	ObjectiveReach          Objective = "REACH"
	ObjectiveVideoViews     Objective = "VIDEO_VIEWS"
	ObjectiveTraffic        Objective = "TRAFFIC"
	ObjectiveEngagement     Objective = "ENGAGEMENT"
	ObjectiveLeadGeneration Objective = "LEAD_GENERATION"
	ObjectiveAppPromotion   Objective = "APP_PROMOTION"
	ObjectiveWebConversions Objective = "WEB_CONVERSIONS"
	ObjectiveProductSales   Objective = "PRODUCT_SALES"
)

// Goal is what delivery is optimized for.
type Goal string

// The optimization goals.
const (
	GoalClick              Goal = "CLICK"
	GoalConvert            Goal = "CONVERT"
	GoalInstall            Goal = "INSTALL"
	GoalReach              Goal = "REACH"
	GoalShow               Goal = "SHOW"
	GoalValue              Goal = "VALUE"
	GoalEngagedView        Goal = "ENGAGED_VIEW"
	GoalVideoView          Goal = "VIDEO_VIEW"
	GoalLiveRoom           Goal = "MT_LIVE_ROOM"
	GoalProductClickInLive Goal = "PRODUCT_CLICK_IN_LIVE"
)

// BillingEvent is what is paid for.
type BillingEvent string

// The billing events. OCPM, CPA and GD are known but not offered yet.
const (
	CPC  BillingEvent = "CPC"
	CPM  BillingEvent = "CPM"
	CPV  BillingEvent = "CPV"
	OCPM BillingEvent = "OCPM"
	CPA  BillingEvent = "CPA"
	GD   BillingEvent = "GD"
)

// BudgetMode says how a budget is spread.
type BudgetMode string

// The budget modes.
const (
	BudgetInfinite     BudgetMode = "BUDGET_MODE_INFINITE"
	BudgetDay          BudgetMode = "BUDGET_MODE_DAY"
	BudgetTotal        BudgetMode = "BUDGET_MODE_TOTAL"
	BudgetDynamicDaily BudgetMode = "BUDGET_MODE_DYNAMIC_DAILY_BUDGET"
)

// Daily reports a budget that starts anew every day.
func (m BudgetMode) Daily() bool { return m == BudgetDay || m == BudgetDynamicDaily }

// BidType is how a bid is made.
type BidType string

// The bid types. BID_TYPE_NO_BID is known but not offered yet.
const (
	BidCustom BidType = "BID_TYPE_CUSTOM"
	BidNone   BidType = "BID_TYPE_NO_BID"
)

// Pacing is how fast a budget is spent.
type Pacing string

// The pacing modes.
const (
	PacingSmooth Pacing = "PACING_MODE_SMOOTH"
	PacingFast   Pacing = "PACING_MODE_FAST"
)

// ScheduleType is whether an ad group has an end.
type ScheduleType string

// The schedule types.
const (
	ScheduleFromNow  ScheduleType = "SCHEDULE_FROM_NOW"
	ScheduleStartEnd ScheduleType = "SCHEDULE_START_END"
)

// PlacementType is who chooses the placements.
type PlacementType string

// The placement types.
const (
	PlacementAutomatic PlacementType = "PLACEMENT_TYPE_AUTOMATIC"
	PlacementNormal    PlacementType = "PLACEMENT_TYPE_NORMAL"
)

// Placement is where in the app, or outside it, an ad may appear.
type Placement string

// The placements of the app that runs Mazad, and the exchange (OpenRTB).
const (
	PlacementFeed     Placement = "PLACEMENT_FEED"
	PlacementSearch   Placement = "PLACEMENT_SEARCH"
	PlacementLive     Placement = "PLACEMENT_LIVE"
	PlacementProfile  Placement = "PLACEMENT_PROFILE"
	PlacementExchange Placement = "PLACEMENT_EXCHANGE"
)

// AgeGroup is a band of ages.
type AgeGroup string

// The age groups.
const (
	Age13to17  AgeGroup = "AGE_13_17"
	Age18to24  AgeGroup = "AGE_18_24"
	Age25to34  AgeGroup = "AGE_25_34"
	Age35to44  AgeGroup = "AGE_35_44"
	Age45to54  AgeGroup = "AGE_45_54"
	Age55to100 AgeGroup = "AGE_55_100"
)

// Gender is whom an ad group is for.
type Gender string

// The genders.
const (
	GenderUnlimited Gender = "GENDER_UNLIMITED"
	GenderMale      Gender = "GENDER_MALE"
	GenderFemale    Gender = "GENDER_FEMALE"
)

// OperatingSystem is a device's system.
type OperatingSystem string

// The operating systems.
const (
	Android OperatingSystem = "ANDROID"
	IOS     OperatingSystem = "IOS"
)

// Industry is a special industry, where the law narrows targeting.
type Industry string

// The special industries.
const (
	Housing    Industry = "HOUSING"
	Employment Industry = "EMPLOYMENT"
	Credit     Industry = "CREDIT"
)

// Window is how long after an event a conversion counts.
type Window string

// The attribution windows.
const (
	WindowOff       Window = "OFF"
	WindowDay       Window = "ONE_DAY"
	WindowWeek      Window = "SEVEN_DAYS"
	WindowTwoWeeks  Window = "FOURTEEN_DAYS"
	WindowFourWeeks Window = "TWENTY_EIGHT_DAYS"
)

// Days is the length of the window.
func (w Window) Days() int {
	switch w {
	case WindowDay:
		return 1
	case WindowWeek:
		return 7
	case WindowTwoWeeks:
		return 14
	case WindowFourWeeks:
		return 28
	}
	return 0
}

// EventCount is how many conversions of one click count.
type EventCount string

// The event counts.
const (
	CountEvery EventCount = "EVERY"
	CountOnce  EventCount = "ONCE"
)

// AdFormat is the shape of a creative.
type AdFormat string

// The ad formats. The last two wait for catalogs and live sessions.
const (
	SingleVideo     AdFormat = "SINGLE_VIDEO"
	SingleImage     AdFormat = "SINGLE_IMAGE"
	CarouselAds     AdFormat = "CAROUSEL_ADS"
	CatalogCarousel AdFormat = "CATALOG_CAROUSEL"
	LiveContent     AdFormat = "LIVE_CONTENT"
)

// IdentityType is in whose name an ad speaks.
type IdentityType string

// The identity types.
const (
	IdentityCustom IdentityType = "CUSTOMIZED_USER"
	IdentityCode   IdentityType = "AUTH_CODE"
	IdentityUser   IdentityType = "TT_USER"
	IdentityBC     IdentityType = "BC_AUTH_TT"
)

// ReviewStatus is what review says of an ad.
type ReviewStatus string

// The review statuses.
const (
	ReviewPending  ReviewStatus = "IN_REVIEW"
	ReviewApproved ReviewStatus = "APPROVED"
	ReviewRejected ReviewStatus = "REJECTED"
)

// AdvertiserStatus is the operator's word on an account.
type AdvertiserStatus string

// The advertiser statuses.
const (
	AdvertiserEnabled  AdvertiserStatus = "STATUS_ENABLE"
	AdvertiserDisabled AdvertiserStatus = "STATUS_DISABLE"
	AdvertiserPending  AdvertiserStatus = "STATUS_PENDING_VERIFIED"
)

// callsToAction is TikTok's list as far as our creatives can show it.
var callsToAction = []string{
	"APPLY_NOW", "BOOK_NOW", "BUY_TICKETS_NOW", "CALL_NOW", "CONTACT_US", "DOWNLOAD_NOW", "EXPERIENCE_NOW",
	"GET_QUOTE", "GET_SHOWTIMES", "GET_TICKETS_NOW", "INSTALL_NOW", "INTERESTED", "JOIN_THIS_HASHTAG",
	"LEARN_MORE", "LISTEN_NOW", "ORDER_NOW", "PLAY_GAME", "PREORDER_NOW", "READ_MORE", "SEND_MESSAGE",
	"SHOOT_WITH_THIS_EFFECT", "SHOP_NOW", "SIGN_UP", "SUBSCRIBE", "VIEW_NOW", "VIEW_PROFILE",
	"VIEW_VIDEO_WITH_THIS_EFFECT", "VISIT_STORE", "WATCH_LIVE", "WATCH_NOW",
}

// goalBilling pairs each goal with the one billing event it is paid by.
var goalBilling = map[Goal]BillingEvent{
	GoalClick: CPC, GoalReach: CPM, GoalShow: CPM, GoalEngagedView: CPV, GoalVideoView: CPV,
	GoalConvert: OCPM, GoalInstall: OCPM, GoalValue: OCPM, GoalLiveRoom: OCPM, GoalProductClickInLive: OCPM,
}

// objectiveGoals lists the goals that serve each objective.
var objectiveGoals = map[Objective][]Goal{
	ObjectiveReach:          {GoalReach, GoalShow},
	ObjectiveVideoViews:     {GoalEngagedView, GoalVideoView},
	ObjectiveTraffic:        {GoalClick, GoalShow},
	ObjectiveEngagement:     {GoalClick, GoalEngagedView, GoalVideoView},
	ObjectiveLeadGeneration: {GoalClick, GoalConvert},
	ObjectiveAppPromotion:   {GoalClick, GoalInstall, GoalValue},
	ObjectiveWebConversions: {GoalClick, GoalConvert, GoalValue},
	ObjectiveProductSales:   {GoalClick, GoalConvert, GoalValue, GoalLiveRoom, GoalProductClickInLive},
}

// member reports a value that its enum knows.
func member[T comparable](v T, known ...T) bool { return slices.Contains(known, v) }

// words joins the values of an enum for a message.
func words[T ~string](known ...T) string {
	s := ""
	for i, k := range known {
		if i > 0 {
			s += ", "
		}
		s += string(k)
	}
	return s
}
