package campaign_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"mazad/campaign"
	"mazad/internal/clock"
	"mazad/internal/id"

	"pgregory.net/rapid"
)

func TestCampaigns(t *testing.T) {
	f := func(change func(*campaign.Campaign), want ...string) {
		t.Helper()
		c := validCampaign()
		change(&c)
		mistakes(t, c.Validate(), want...)
	}
	f(func(c *campaign.Campaign) {})
	f(func(c *campaign.Campaign) { c.Name = strings.Repeat("é", campaign.MaxName) })
	f(func(c *campaign.Campaign) { c.Name = "  " }, "campaign_name REQUIRED")
	f(func(c *campaign.Campaign) { c.Name = strings.Repeat("é", campaign.MaxName+1) }, "campaign_name TOO_LONG")
	f(func(c *campaign.Campaign) { c.Name = "a\x00b" }, "campaign_name MALFORMED")
	f(func(c *campaign.Campaign) { c.Name = "a\nb" }, "campaign_name MALFORMED")
	f(func(c *campaign.Campaign) { c.Name = "a\xffb" }, "campaign_name MALFORMED")
	f(func(c *campaign.Campaign) { c.Objective = "reach" }, "objective_type UNKNOWN_VALUE")
	f(func(c *campaign.Campaign) { c.Objective = "" }, "objective_type REQUIRED")
	f(func(c *campaign.Campaign) { c.BudgetMode, c.Budget = campaign.BudgetDay, 0 }, "budget OUT_OF_RANGE")
	f(func(c *campaign.Campaign) { c.Budget = 1 }, "budget NOT_ALLOWED_TOGETHER")
	f(func(c *campaign.Campaign) { c.BudgetOptimizeOn = true }, "budget_mode REQUIRED")
	f(func(c *campaign.Campaign) { c.SpecialIndustries = []campaign.Industry{"HOUSING", "HOUSING", "WAR"} },
		"special_industries[1] DUPLICATE_VALUE", "special_industries[2] UNKNOWN_VALUE")
	f(func(c *campaign.Campaign) { c.PONumber = strings.Repeat("1", campaign.MaxPONumber+1) }, "po_number TOO_LONG")
	f(func(c *campaign.Campaign) { c.OperationStatus = "FROZEN" }, "operation_status UNKNOWN_VALUE")
}

func TestAdvertisers(t *testing.T) {
	g := func(change func(*campaign.Advertiser), want ...string) {
		t.Helper()
		a := campaign.Advertiser{Name: "Oud", Currency: "SAR", Zone: "Asia/Riyadh"}
		change(&a)
		a.Defaults()
		mistakes(t, a.Validate(), want...)
	}
	g(func(a *campaign.Advertiser) {})
	g(func(a *campaign.Advertiser) { a.Zone = "Asia/Kathmandu" })
	g(func(a *campaign.Advertiser) { a.Zone = "" }, "timezone UNKNOWN_VALUE")
	g(func(a *campaign.Advertiser) { a.Zone = "Local" }, "timezone UNKNOWN_VALUE")
	g(func(a *campaign.Advertiser) { a.Zone = "../../etc/passwd" }, "timezone UNKNOWN_VALUE")
	g(func(a *campaign.Advertiser) { a.Zone = "Mars/Base" }, "timezone UNKNOWN_VALUE")
	g(func(a *campaign.Advertiser) { a.Currency = "sar" }, "currency UNKNOWN_VALUE")
	g(func(a *campaign.Advertiser) { a.SpendCap = -1 }, "spend_cap OUT_OF_RANGE")
	g(func(a *campaign.Advertiser) { a.Status = "STATUS_LIMBO" }, "status UNKNOWN_VALUE")
}

func TestAds(t *testing.T) {
	f := func(change func(*campaign.Ad, *campaign.Campaign), want ...string) {
		t.Helper()
		c := validCampaign()
		a := campaign.Ad{Name: "Lantern", Format: campaign.SingleVideo, VideoURL: "https://cdn.example/v.mp4", LandingPageURL: "https://shop.example/a?b=c#d"}
		change(&a, &c)
		a.Defaults()
		mistakes(t, a.Validate(&c), want...)
	}
	u := func(landing string, want ...string) {
		t.Helper()
		f(func(a *campaign.Ad, _ *campaign.Campaign) { a.LandingPageURL = landing }, want...)
	}
	u("http://shop.example:8080/")
	u("https://shop.example/%D9%82?q={gclid}")
	u("https://متجر.example/")
	u("", "landing_page_url REQUIRED")
	const bad = "landing_page_url MALFORMED"
	for _, s := range []string{"shop.example", "//shop.example", "/path", "https:///path", "https://", "javascript:alert(1)", "ftp://shop.example",
		"https://a@shop.example", "https://a:b@shop.example", "https://shop.example/a b", "https://shop.example/\n", "https://shop.example/<script>",
		"https://shop.example/\"", `https:\\shop.example`, "https://[::1", "https://shop.example/%zz", "http://:80/"} {
		u(s, bad)
	}
	u("https://shop.example/"+strings.Repeat("a", campaign.MaxURL), "landing_page_url TOO_LONG")
	f(func(a *campaign.Ad, c *campaign.Campaign) {
		a.LandingPageURL, c.Objective = "", campaign.ObjectiveReach
	})
	f(func(a *campaign.Ad, _ *campaign.Campaign) { a.Deeplink = "qahwa://item/7" })
	f(func(a *campaign.Ad, _ *campaign.Campaign) { a.Deeplink = "JavaScript:alert(1)" }, "deeplink MALFORMED")
	f(func(a *campaign.Ad, _ *campaign.Campaign) { a.Deeplink = "item/7" }, "deeplink MALFORMED")
	f(func(a *campaign.Ad, _ *campaign.Campaign) { a.Text = strings.Repeat("ق", campaign.MaxAdText) })
	f(func(a *campaign.Ad, _ *campaign.Campaign) { a.Text = strings.Repeat("ق", campaign.MaxAdText+1) }, "ad_text TOO_LONG")
	f(func(a *campaign.Ad, _ *campaign.Campaign) { a.CallToAction = "SHOP_LATER" }, "call_to_action UNKNOWN_VALUE")
	f(func(a *campaign.Ad, _ *campaign.Campaign) { a.VideoURL = "" }, "video_id REQUIRED")
	f(func(a *campaign.Ad, _ *campaign.Campaign) { a.VideoID = "a b" }, "video_id MALFORMED")
	f(func(a *campaign.Ad, _ *campaign.Campaign) { a.Format = campaign.SingleImage }, "image_ids REQUIRED", "video_id NOT_ALLOWED_TOGETHER")
	f(func(a *campaign.Ad, _ *campaign.Campaign) {
		a.Format, a.VideoURL, a.ImageIDs = campaign.CarouselAds, "", []string{"one"}
	}, "image_ids REQUIRED")
	f(func(a *campaign.Ad, _ *campaign.Campaign) {
		a.Format, a.VideoURL, a.ImageURLs = campaign.SingleImage, "", []string{"https://cdn.example/1.png", "nowhere"}
	}, "image_ids TOO_MANY", "image_urls[1] MALFORMED")
	f(func(a *campaign.Ad, _ *campaign.Campaign) { a.Format = campaign.LiveContent }, "ad_format NOT_OFFERED_YET", "video_id NOT_ALLOWED_TOGETHER")
	f(func(a *campaign.Ad, _ *campaign.Campaign) { a.Width = 720 }, "width REQUIRED")
	f(func(a *campaign.Ad, _ *campaign.Campaign) {
		a.Width, a.Height, a.DurationMS = -1, campaign.MaxPixels+1, -1
	},
		"width OUT_OF_RANGE", "height OUT_OF_RANGE", "duration_ms OUT_OF_RANGE")
	f(func(a *campaign.Ad, _ *campaign.Campaign) { a.IdentityType = "ANON" }, "identity_type UNKNOWN_VALUE")
	mistakes(t, campaign.CheckReview(campaign.ReviewRejected, []string{""}), "reject_reasons[0] REQUIRED")
	mistakes(t, campaign.CheckReview("MAYBE", nil), "review_status UNKNOWN_VALUE")
}

// Every field of a patch exists in its object with the same type.
func TestPatchesFit(t *testing.T) {
	f := func(object, patch reflect.Type) {
		for i := range patch.NumField() {
			p := patch.Field(i)
			if o, ok := object.FieldByName(p.Name); !ok || p.Type != reflect.PointerTo(o.Type) {
				t.Errorf("%s.%s does not fit %s", patch.Name(), p.Name, object.Name())
			}
		}
	}
	f(reflect.TypeFor[campaign.Advertiser](), reflect.TypeFor[campaign.AdvertiserPatch]())
	f(reflect.TypeFor[campaign.Campaign](), reflect.TypeFor[campaign.CampaignPatch]())
	f(reflect.TypeFor[campaign.AdGroup](), reflect.TypeFor[campaign.AdGroupPatch]())
	f(reflect.TypeFor[campaign.Ad](), reflect.TypeFor[campaign.AdPatch]())

	g, name, none := validAdGroup(), "new", []string(nil)
	g.Languages = []string{"ar"}
	campaign.Apply(&g, campaign.AdGroupPatch{Name: &name, Languages: &none})
	if g.Name != "new" || g.Languages != nil || g.BidPrice != unit {
		t.Errorf("patched to %+v", g)
	}
}

func TestMintedIDsRise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := clock.NewFake(now)
		node := rapid.Uint16Range(0, 1023).Draw(t, "node")
		m, err := campaign.NewMinter(c, node, 0)
		if err != nil {
			t.Fatal(err)
		}
		last := int64(0)
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			c.Advance(time.Duration(rapid.Int64Range(-5, 5).Draw(t, "ms")) * time.Millisecond)
			for range rapid.SampledFrom([]int{1, 3, 5000}).Draw(t, "burst") {
				next := m.Next()
				if next <= last || next>>12&1023 != int64(node) {
					t.Fatalf("%d follows %d on node %d", next, last, node)
				}
				last = next
			}
		}
		after, err := campaign.NewMinter(c, node, last)
		if err != nil {
			t.Fatal(err)
		}
		c.Set(now.Add(-time.Hour))
		if next := after.Next(); next <= last {
			t.Fatalf("%d follows %d after a restart", next, last)
		}
	})
	m, err := campaign.NewMinter(clock.NewFake(now), 5, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := campaign.MintedAt(m.Next()); !got.Equal(now) {
		t.Errorf("minted at %v, want %v", got, now)
	}
	if _, err := campaign.NewMinter(clock.NewFake(now), 1024, 0); err == nil {
		t.Error("node 1024 was accepted")
	}
}

func TestErrors(t *testing.T) {
	cause := errors.New("disk full")
	err := error(campaign.InternalError(cause, "write"))
	if campaign.KindOf(err) != campaign.Internal || !errors.Is(err, cause) || campaign.KindOf(cause) != campaign.Internal {
		t.Errorf("%v", err)
	}
	if campaign.KindOf(nil) != 0 || campaign.ErrorsOf(nil) != nil {
		t.Error("nil is an error")
	}
	if err := campaign.NotFoundError("campaign_id", id.Campaign(7)); err.Error() != "campaign_id 7: does not exist" {
		t.Errorf("%q", err)
	}
	g, c := validAdGroup(), validCampaign()
	g.BidPrice = 101 * unit
	err = g.Validate(campaign.Context{Now: now, Campaign: &c})
	if want := `bid_price "101": must not be greater than the budget (limit 100)`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// A key for ads, or for events of everybody, is the operator's alone: the door
// for machines takes a key without an owner for the operator's.
func TestTokensFitTheirScope(t *testing.T) {
	f := func(tok campaign.Token, field string) {
		t.Helper()
		tok.Name = "x"
		es := campaign.ErrorsOf(tok.Validate())
		switch {
		case field == "" && es != nil:
			t.Errorf("%+v: %v", tok, es)
		case field != "" && (len(es) != 1 || es[0].Field != field):
			t.Errorf("%+v: %v, want a fault of %s", tok, es, field)
		}
	}
	f(campaign.Token{Scope: campaign.ScopeManagement, Advertiser: 5}, "")
	f(campaign.Token{Scope: campaign.ScopeManagement, BusinessCenter: 9}, "")
	f(campaign.Token{Scope: campaign.ScopeManagement}, "advertiser_id")
	f(campaign.Token{Scope: campaign.ScopeManagement, Advertiser: 5, BusinessCenter: 9}, "bc_id")
	f(campaign.Token{Scope: campaign.ScopeEvent}, "")
	f(campaign.Token{Scope: campaign.ScopeEvent, Advertiser: 5}, "")
	f(campaign.Token{Scope: campaign.ScopeEvent, BusinessCenter: 9}, "bc_id")
	f(campaign.Token{Scope: campaign.ScopeDecision}, "")
	f(campaign.Token{Scope: campaign.ScopeDecision, Advertiser: 5}, "scope")
	f(campaign.Token{Scope: campaign.ScopeDecision, BusinessCenter: 9}, "scope")
	f(campaign.Token{Scope: "admin", Advertiser: 5}, "scope")
}

func TestTokensCoverTheirOwn(t *testing.T) {
	f := func(tok campaign.Token, want bool) {
		t.Helper()
		if got := tok.Covers(&campaign.Advertiser{ID: 5, BusinessCenter: 9}); got != want {
			t.Errorf("%+v covers: %v", tok, got)
		}
	}
	f(campaign.Token{Advertiser: 5}, true)
	f(campaign.Token{Advertiser: 6}, false)
	f(campaign.Token{BusinessCenter: 9}, true)
	f(campaign.Token{BusinessCenter: 8}, false)
	f(campaign.Token{}, false)
	f(campaign.Token{Advertiser: 5, RevokedAt: now}, false)
	var alone campaign.Token
	if alone.Covers(&campaign.Advertiser{ID: 5}) {
		t.Error("a token of nobody covers an advertiser of no business center")
	}
	if _, _, err := campaign.NewSecret(campaign.ScopeEvent, strings.NewReader("short")); err == nil {
		t.Error("a token was made of too little randomness")
	}
}
