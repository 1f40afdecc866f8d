package serving

import (
	"strconv"
	"strings"
	"testing"

	"mazad/targeting"
)

func TestFitsSlot(t *testing.T) {
	image := Creative{Format: FormatImage, W: 300, H: 250, ImageURL: "https://a.example/i.jpg"}
	video := Creative{Format: FormatVideo, W: 720, H: 1280, DurationMS: 15000, VideoURL: "https://a.example/v.mp4"}
	f := func(what string, c Creative, s Slot, want Reason) {
		t.Helper()
		fit := fitOf(&c)
		if got := fitsSlot(&fit, &s); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	banner := Slot{Formats: FormatImage, Sizes: []Size{{728, 90}, {300, 250}}}
	f("image of a listed size", image, banner, ReasonNone)
	f("video in a banner", video, banner, ReasonFormat)
	banner.Sizes = banner.Sizes[:1]
	f("image of another size", image, banner, ReasonSize)
	both := Slot{Formats: FormatImage | FormatVideo, Sizes: []Size{{728, 90}}, MaxDurationMS: 30000}
	f("video where banners have sizes", video, both, ReasonNone)
	both.MaxDurationMS = 10000
	f("video that is too long", video, both, ReasonDuration)
	both.MaxDurationMS, both.MinDurationMS = 0, 20000
	f("video that is too short", video, both, ReasonDuration)
	native := Slot{Formats: FormatNative}
	f("image in a native slot", image, native, ReasonNone)
	native.NeedsVideo = true
	f("image where a video is needed", image, native, ReasonFormat)
	f("video where a video is needed", video, native, ReasonNone)
	native = Slot{Formats: FormatNative, MinSize: Size{600, 400}}
	f("image that is too small", image, native, ReasonFormat)
	f("carousel in a native slot", Creative{Format: FormatCarousel}, Slot{Formats: FormatNative}, ReasonFormat)
}

func TestABlockCoversWhatIsBelow(t *testing.T) {
	c := newCreative(&campaignAd, BillingCPM)
	c.CategoryTags = tagsUp("IAB7-1", "-", lastDash)
	fit := fitOf(&c)
	snap := &Snapshot{}
	for i := range 200 { // neighbours, so that numbers pass a word
		name := "shop" + strconv.Itoa(i) + ".example"
		snap.labels.add("domain ", name, tagsUp(name, ".", strings.Index))
	}
	fit.domain, fit.category = snap.labels.add("domain ", c.Domain, c.DomainTags), snap.labels.add("category ", "IAB7-1", c.CategoryTags)
	w := worker{req: &Request{}, snap: snap}
	f := func(what string, domain, category string, want Reason) {
		t.Helper()
		w.req.BlockedDomains, w.req.BlockedCategories = nil, nil
		if domain != "" {
			w.req.BlockedDomains = []uint64{uint64(targeting.TagOf([]byte(domain)))}
		}
		if category != "" {
			w.req.BlockedCategories = []uint64{uint64(targeting.TagOf([]byte(category)))}
		}
		w.look()
		if got := w.fits(&fit, &Slot{Formats: FormatImage}); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	f("nothing blocked", "", "", ReasonNone)
	f("its domain", "eu.shop.example", "", ReasonBlockedDomain)
	f("the domain above", "shop.example", "", ReasonBlockedDomain)
	f("a domain beside", "us.shop.example", "", ReasonNone)
	f("its category", "", "IAB7-1", ReasonBlockedCategory)
	f("the category above", "", "IAB7", ReasonBlockedCategory)
	f("another category", "", "IAB7-10", ReasonNone)
}
