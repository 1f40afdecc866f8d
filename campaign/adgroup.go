package campaign

import (
	"time"

	"mazad/internal/id"
	"mazad/internal/money"
)

// AdGroup is what competes: targeting, bid, budget and schedule. The fields are
// TikTok's; AdGroup.Rule compiles the targeting for the index.
type AdGroup struct {
	ID              id.AdGroup      `json:"adgroup_id,string"`
	Campaign        id.Campaign     `json:"campaign_id,string"`
	Advertiser      id.Advertiser   `json:"advertiser_id,string"`
	Name            string          `json:"adgroup_name"`
	OperationStatus OperationStatus `json:"operation_status"`

	// Where and to whom.
	PlacementType       PlacementType     `json:"placement_type"`
	Placements          []Placement       `json:"placements,omitempty"`
	LocationIDs         []string          `json:"location_ids,omitempty"` // "SA", "SA-01" or a GeoNames city id
	ExcludedLocationIDs []string          `json:"excluded_location_ids,omitempty"`
	AgeGroups           []AgeGroup        `json:"age_groups,omitempty"`
	Gender              Gender            `json:"gender"`
	Languages           []string          `json:"languages,omitempty"` // ISO 639-1
	OperatingSystems    []OperatingSystem `json:"operating_systems,omitempty"`
	MinAndroidVersion   string            `json:"min_android_version,omitempty"`
	MinIOSVersion       string            `json:"min_ios_version,omitempty"`
	InterestCategoryIDs []string          `json:"interest_category_ids,omitempty"`
	ContextualTagIDs    []string          `json:"contextual_tag_ids,omitempty"`    // hashtags, sounds, categories; any of
	AudienceIDs         []string          `json:"audience_ids,omitempty"`          // any of
	AudienceRule        [][]string        `json:"audience_rule,omitempty"`         // AND of ORs, besides audience_ids
	ExcludedAudienceIDs []string          `json:"excluded_audience_ids,omitempty"` // none of

	// Money.
	BudgetMode    BudgetMode   `json:"budget_mode"`
	Budget        money.Micros `json:"budget_micros"`
	Goal          Goal         `json:"optimization_goal"`
	BillingEvent  BillingEvent `json:"billing_event"`
	BidType       BidType      `json:"bid_type"`
	BidPrice      money.Micros `json:"bid_price_micros"` // per billing event; per thousand for CPM
	Pacing        Pacing       `json:"pacing"`
	Frequency     int          `json:"frequency,omitempty"`          // impressions per user; 0 = no cap
	FrequencyDays int          `json:"frequency_schedule,omitempty"` // in this many days

	// When.
	ScheduleType  ScheduleType `json:"schedule_type"`
	ScheduleStart time.Time    `json:"schedule_start_time"`
	ScheduleEnd   time.Time    `json:"schedule_end_time,omitzero"` // zero = no end
	Dayparting    string       `json:"dayparting,omitempty"`       // "" = always

	// Attribution.
	ClickWindow       Window     `json:"click_attribution_window"`
	ViewWindow        Window     `json:"view_attribution_window"`
	EngagedViewWindow Window     `json:"engaged_view_attribution_window"`
	EventCount        EventCount `json:"attribution_event_count"`

	CommentDisabled       bool `json:"comment_disabled,omitempty"`
	ShareDisabled         bool `json:"share_disabled,omitempty"`
	VideoDownloadDisabled bool `json:"video_download_disabled,omitempty"`
	Meta
}

// AdGroupPatch is a partial update; nil leaves a field as it is and a pointer
// to the zero value clears it. What is not here is fixed at creation: the goal and
// the billing event cannot change under tokens that are already out, nor the
// budget mode under what has been spent.
type AdGroupPatch struct {
	Name                  *string
	PlacementType         *PlacementType
	Placements            *[]Placement
	LocationIDs           *[]string
	ExcludedLocationIDs   *[]string
	AgeGroups             *[]AgeGroup
	Gender                *Gender
	Languages             *[]string
	OperatingSystems      *[]OperatingSystem
	MinAndroidVersion     *string
	MinIOSVersion         *string
	InterestCategoryIDs   *[]string
	ContextualTagIDs      *[]string
	AudienceIDs           *[]string
	AudienceRule          *[][]string
	ExcludedAudienceIDs   *[]string
	Budget                *money.Micros
	BidPrice              *money.Micros
	Pacing                *Pacing
	Frequency             *int
	FrequencyDays         *int
	ScheduleType          *ScheduleType
	ScheduleStart         *time.Time
	ScheduleEnd           *time.Time
	Dayparting            *string
	ClickWindow           *Window
	ViewWindow            *Window
	EngagedViewWindow     *Window
	EventCount            *EventCount
	CommentDisabled       *bool
	ShareDisabled         *bool
	VideoDownloadDisabled *bool
}

// Defaults fills what may be left out; now becomes the start of an ad group
// that runs from now.
func (g *AdGroup) Defaults(now time.Time) {
	fill(&g.OperationStatus, Enable)
	fill(&g.PlacementType, PlacementAutomatic)
	fill(&g.Gender, GenderUnlimited)
	fill(&g.BudgetMode, BudgetInfinite)
	fill(&g.BidType, BidCustom)
	fill(&g.Pacing, PacingSmooth)
	fill(&g.ScheduleType, ScheduleFromNow)
	fill(&g.ClickWindow, WindowWeek)
	fill(&g.ViewWindow, WindowDay)
	fill(&g.EngagedViewWindow, WindowDay)
	fill(&g.EventCount, CountEvery)
	if g.ScheduleStart.IsZero() && g.ScheduleType == ScheduleFromNow {
		g.ScheduleStart = now.UTC().Truncate(time.Second)
	}
	g.ScheduleStart, g.ScheduleEnd = g.ScheduleStart.UTC(), g.ScheduleEnd.UTC()
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
