package campaign

import (
	"mazad/internal/id"
)

// Ad is a creative in an ad group.
type Ad struct {
	ID              id.Ad           `json:"ad_id,string"`
	AdGroup         id.AdGroup      `json:"adgroup_id,string"`
	Campaign        id.Campaign     `json:"campaign_id,string"`
	Advertiser      id.Advertiser   `json:"advertiser_id,string"`
	Name            string          `json:"ad_name"`
	OperationStatus OperationStatus `json:"operation_status"`

	Format     AdFormat `json:"ad_format"`
	Text       string   `json:"ad_text,omitempty"`
	VideoID    string   `json:"video_id,omitempty"`
	VideoURL   string   `json:"video_url,omitempty"`
	ImageIDs   []string `json:"image_ids,omitempty"`
	ImageURLs  []string `json:"image_urls,omitempty"`
	Width      int      `json:"width,omitempty"`  // pixels
	Height     int      `json:"height,omitempty"` // pixels
	DurationMS int      `json:"duration_ms,omitempty"`

	CallToAction   string       `json:"call_to_action,omitempty"`
	LandingPageURL string       `json:"landing_page_url,omitempty"`
	Deeplink       string       `json:"deeplink,omitempty"`
	DisplayName    string       `json:"display_name,omitempty"`
	IdentityType   IdentityType `json:"identity_type"`
	IdentityID     string       `json:"identity_id,omitempty"`

	Review        ReviewStatus `json:"review_status"`
	ReviewReasons []string     `json:"reject_reasons,omitempty"`
	Meta
}

// AdPatch is a partial update; nil leaves a field as it is. A change of what
// people see sends the ad back to review.
type AdPatch struct {
	Name           *string
	Text           *string
	VideoID        *string
	VideoURL       *string
	ImageIDs       *[]string
	ImageURLs      *[]string
	Width          *int
	Height         *int
	DurationMS     *int
	CallToAction   *string
	LandingPageURL *string
	Deeplink       *string
	DisplayName    *string
	IdentityType   *IdentityType
	IdentityID     *string
}

// Defaults fills what may be left out.
func (a *Ad) Defaults() {
	fill(&a.OperationStatus, Enable)
	fill(&a.IdentityType, IdentityCustom)
}

// Validate checks an ad against the campaign it will run for.
func (a *Ad) Validate(c *Campaign) error {
	var l list
	l.name("ad_name", a.Name, MaxName)
	enum(&l, "operation_status", a.OperationStatus, Enable, Disable, Delete)
	l.text("ad_text", a.Text, 0, MaxAdText)
	l.text("display_name", a.DisplayName, 0, MaxDisplayName)
	a.checkMedia(&l)
	if a.CallToAction != "" {
		enum(&l, "call_to_action", a.CallToAction, callsToAction...)
	}
	enum(&l, "identity_type", a.IdentityType, IdentityCustom, IdentityCode, IdentityUser, IdentityBC)
	l.assetID("identity_id", a.IdentityID)
	switch {
	case a.LandingPageURL != "":
		l.webURL("landing_page_url", a.LandingPageURL)
	case !member(c.Objective, ObjectiveReach, ObjectiveVideoViews, ObjectiveEngagement):
		l.add(CodeRequired, "landing_page_url", "", "", "must be given when objective_type is %s", c.Objective)
	}
	if a.Deeplink != "" {
		l.deeplink("deeplink", a.Deeplink)
	}
	return l.err()
}

func (a *Ad) checkMedia(l *list) {
	video := a.VideoID != "" || a.VideoURL != ""
	images := len(a.ImageIDs) + len(a.ImageURLs)
	switch a.Format {
	case SingleVideo:
		if !video {
			l.add(CodeRequired, "video_id", "", "", "or video_url must be given for %s", a.Format)
		}
		if images > 1 { // one picture is the cover
			l.add(CodeTooMany, "image_ids", "", "1", "a video takes one picture, its cover")
		}
	case SingleImage:
		a.checkPictures(l, images, 1, 1)
	case CarouselAds:
		a.checkPictures(l, images, MinCarousel, MaxImages)
	case CatalogCarousel, LiveContent:
		l.add(CodeNotOffered, "ad_format", string(a.Format), words(SingleVideo, SingleImage, CarouselAds), "is not offered yet")
	default:
		enum(l, "ad_format", a.Format, SingleVideo, SingleImage, CarouselAds)
	}
	if video && a.Format != SingleVideo {
		l.add(CodeNotTogether, "video_id", "", "", "must be left out for %s", a.Format)
	}
	l.assetID("video_id", a.VideoID)
	if a.VideoURL != "" {
		l.webURL("video_url", a.VideoURL)
	}
	for i, s := range a.ImageIDs[:min(len(a.ImageIDs), MaxImages)] {
		l.assetID(index("image_ids", i), s)
	}
	for i, s := range a.ImageURLs[:min(len(a.ImageURLs), MaxImages)] {
		l.webURL(index("image_urls", i), s)
	}
	if (a.Width == 0) != (a.Height == 0) {
		l.add(CodeRequired, "width", "", "", "and height must be given together")
	}
	l.between("width", a.Width, 0, MaxPixels)
	l.between("height", a.Height, 0, MaxPixels)
	l.between("duration_ms", a.DurationMS, 0, MaxDurationMS)
}

func (a *Ad) checkPictures(l *list, n, least, most int) {
	if n < least {
		l.add(CodeRequired, "image_ids", "", "", "or image_urls must name at least %d for %s", least, a.Format)
	}
	if n > most {
		l.add(CodeTooMany, "image_ids", "", "", "and image_urls must name at most %d for %s", most, a.Format)
	}
}

// SameMaterial reports whether people would see no difference between a and b.
func (a *Ad) SameMaterial(b *Ad) bool {
	return a.Text == b.Text && a.VideoID == b.VideoID && a.VideoURL == b.VideoURL &&
		equal(a.ImageIDs, b.ImageIDs) && equal(a.ImageURLs, b.ImageURLs) && a.CallToAction == b.CallToAction &&
		a.LandingPageURL == b.LandingPageURL && a.Deeplink == b.Deeplink && a.DisplayName == b.DisplayName &&
		a.IdentityType == b.IdentityType && a.IdentityID == b.IdentityID
}

// CheckReview checks an operator's decision on an ad.
func CheckReview(s ReviewStatus, reasons []string) error {
	var l list
	enum(&l, "review_status", s, ReviewPending, ReviewApproved, ReviewRejected)
	if s == ReviewRejected && len(reasons) == 0 {
		l.add(CodeRequired, "reject_reasons", "", "", "must be given with %s", s)
	}
	if l.count("reject_reasons", len(reasons), MaxReasons) {
		for i, r := range reasons {
			l.text(index("reject_reasons", i), r, 1, MaxReason)
		}
	}
	return l.err()
}
