package ads_test

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"mazad/api/ads"
	"mazad/audience/store"
	"mazad/internal/clock"
	"mazad/internal/id"
	"mazad/serving"

	"github.com/valyala/fasthttp"
)

// house is a server with doubles behind it.
type house struct {
	*ads.Server
	engine  *engine
	confirm *confirmer
	users   *users
}

// engine places the creatives it was given into the first slots.
type engine struct {
	creatives []*serving.Creative
	reason    serving.Reason
	check     func(*serving.Request)
	hold      chan struct{} // when set, Decide waits for it
	inside    chan struct{}
}

var token = []byte("dG9rZW4tb2YtNjQtYnl0ZXMtb3Itc28tYW5kLXVybC1zYWZlLWFzLWl0LWlz")

func (e *engine) Decide(req *serving.Request, resp *serving.Response) {
	if e.check != nil {
		e.check(req)
	}
	if e.hold != nil {
		e.inside <- struct{}{}
		<-e.hold
	}
	resp.AuctionID, resp.Reason = id.MakeEvent(1_000, 1, 2, 3), e.reason
	for i, c := range e.creatives {
		if i < len(req.Slots) {
			resp.Ads = append(resp.Ads, serving.Placed{Slot: i, Creative: c, Price: 2_500_000, Token: token})
		}
	}
}

func (e *engine) Explain(req *serving.Request, resp *serving.Response, dst []byte) []byte {
	e.Decide(req, resp)
	return append(dst, `{"why":"because"}`...)
}

// confirmer remembers what it was asked and answers status.
type confirmer struct {
	mu          sync.Mutex
	beacons     []serving.Beacon
	conversions []serving.Conversion
	status      serving.BeaconStatus
	redirect    string
	forget      bool // remember nothing: for benchmarks
}

func (c *confirmer) Confirm(_ context.Context, b *serving.Beacon) serving.Receipt {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forget {
		return serving.Receipt{Status: c.status}
	}
	kept := *b
	kept.Token = append([]byte(nil), b.Token...)
	c.beacons = append(c.beacons, kept)
	if string(b.Token) == "forged" {
		return serving.Receipt{Status: serving.BeaconForged}
	}
	return serving.Receipt{Status: c.status, EventID: id.MakeEvent(1, 1, 1, 1)}
}

func (c *confirmer) ConfirmAll(ctx context.Context, beacons []serving.Beacon, receipts []serving.Receipt) {
	for i := range beacons {
		receipts[i] = c.Confirm(ctx, &beacons[i])
	}
}

func (c *confirmer) ClickRedirect(ctx context.Context, token []byte) serving.Receipt {
	r := c.Confirm(ctx, &serving.Beacon{Signal: serving.SignalClick, Token: token})
	if r.Status != serving.BeaconForged {
		r.Redirect = c.redirect
	}
	return r
}

func (c *confirmer) Convert(_ context.Context, v *serving.Conversion) serving.Receipt {
	c.mu.Lock()
	defer c.mu.Unlock()
	if string(v.ClickToken) == "forged" {
		return serving.Receipt{Status: serving.BeaconForged}
	}
	c.conversions = append(c.conversions, *v)
	return serving.Receipt{Status: serving.BeaconFree, EventID: id.MakeEvent(2, 1, 1, 1)}
}

// users remembers what was upserted.
type users struct {
	all []store.User
	err error
}

func (u *users) Upsert(_ context.Context, all []store.User) error {
	if u.err == nil {
		u.all = append(u.all, all...)
	}
	return u.err
}

func (u *users) Forget(_ context.Context, user []byte) (bool, error) {
	return string(user) == "u/1", u.err
}

// keys knows one key of each kind.
type keys struct{}

func (keys) Check(key []byte, kind ads.KeyKind) (ads.Principal, bool) {
	switch {
	case kind == ads.KeyDecision && string(key) == "decide":
		return ads.Principal{}, true
	case kind == ads.KeyDecision && string(key) == "explain":
		return ads.Principal{Explain: true}, true
	case kind == ads.KeyEvent && string(key) == "operator":
		return ads.Principal{}, true
	case kind == ads.KeyEvent && string(key) == "advertiser":
		return ads.Principal{Advertiser: 77}, true
	}
	return ads.Principal{}, false
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func video() *serving.Creative {
	return &serving.Creative{Ad: 11, AdID: "11", CampaignID: "7", AdvertiserID: "5", Format: serving.FormatVideo, DisplayName: "Müller & Söhne", Text: `Say "hi" <b>`,
		VideoURL: "https://cdn.example/v.mp4?a=1&b=2", ImageURL: "https://cdn.example/p.jpg", Domain: "shop.example", Category: "IAB22", CallToAction: "Shop now",
		W: 720, H: 1280, DurationMS: 15250, FeedJSON: []byte(`"ad_id":"11","video_url":"https://cdn.example/v.mp4"`)}
}

func image() *serving.Creative {
	return &serving.Creative{Ad: 12, AdID: "12", CampaignID: "7", AdvertiserID: "5", Format: serving.FormatImage, DisplayName: "Acme", Text: `5" pipe & more`,
		ImageURL: `https://cdn.example/i.png?x="&y=1`, Domain: "acme.example", W: 300, H: 250, FeedJSON: []byte(`"ad_id":"12"`)}
}

func config(h *house) ads.Config {
	return ads.Config{Engine: h.engine, Confirm: h.confirm, Users: h.users, Keys: keys{}, PublicURL: "https://ads.example.com", Currency: "USD", Clock: clock.NewFake(noon)}
}

func open(t testing.TB, change func(*ads.Config)) *house {
	t.Helper()
	h := &house{engine: &engine{}, confirm: &confirmer{redirect: "https://shop.example/landing?a=1"}, users: &users{}}
	cfg := config(h)
	if change != nil {
		change(&cfg)
	}
	s, err := ads.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h.Server = s
	t.Cleanup(func() { _ = s.Shutdown(context.Background()) })
	return h
}

// do sends one request through the handler; header is "Name: value" lines.
func (h *house) do(method, uri, body string, header ...string) *fasthttp.Response {
	var ctx fasthttp.RequestCtx
	var req fasthttp.Request
	req.Header.SetMethod(method)
	req.SetRequestURI(uri)
	req.SetBodyString(body)
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	ctx.Init(&req, &net.TCPAddr{IP: net.IPv4(203, 0, 113, 9)}, nil)
	h.Handler(&ctx)
	out := &fasthttp.Response{}
	ctx.Response.CopyTo(out)
	return out
}

// post asks with the decision key.
func (h *house) post(uri, body string, header ...string) *fasthttp.Response {
	return h.do("POST", uri, body, append([]string{"X-Api-Key: decide"}, header...)...)
}

func parsed(t testing.TB, r *fasthttp.Response) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(r.Body(), &m); err != nil {
		t.Fatalf("status %d, not JSON: %v: %s", r.StatusCode(), err, r.Body())
	}
	return m
}

// count is the sum of a counter over the labels that contain word.
func (h *house) count(name, word string) (n uint64) {
	h.Stats().Each(func(s ads.Sample) {
		if s.Name != name {
			return
		}
		for _, l := range s.Labels {
			if word == "" || l.Value == word {
				n += s.Value
				return
			}
		}
		if word == "" {
			n += s.Value
		}
	})
	return n
}

// request returns a function that sends one request through the handler, in the
// way the server does: the context is reused.
func (h *house) request(uri, body string) func() int {
	ctx := &fasthttp.RequestCtx{}
	conn, _ := net.Pipe()
	ctx.Init2(conn, nil, false) // keeps the body's buffer, as a connection does
	ctx.Request.Header.SetMethod("POST")
	ctx.Request.SetRequestURI(uri)
	ctx.Request.SetBodyString(body)
	ctx.Request.Header.Set("X-Api-Key", "decide")
	return func() int {
		ctx.Response.Reset()
		h.Handler(ctx)
		return ctx.Response.StatusCode()
	}
}

func typicalBid(t testing.TB) string {
	t.Helper()
	body, err := os.ReadFile("openrtb/testdata/request.json")
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// feedBody is about 1 KB, as the app sends on a scroll.
const feedBody = `{"request_id":"5f0c9a3e-2b1d-4c7f-9e1a-3d5b7f9a1c2e","user_id":"u-883041277","session_id":"s-4f6e1b2c3d","age":27,"gender":"female","language":"de","country":"DE","region":"DE-BE","city":2950159,
"os":"android","os_version":"14","placement":"feed","slots":3,"floor_cpm":"0.80","formats":["video","image"],"max_duration_ms":60000,
"context":{"hashtags":["fitness","homeworkout","hiit","berlin"],"sound":"7001234567890","creator_id":"c-99120034","categories":["IAB17","IAB7-18"],"recent_videos":["v_1","v_2","v_3","v_4","v_5","v_6","v_7","v_8"]},
"recent_ads":["71234567890123","71234567890124","71234567890125","71234567890126"],
"consent":{"personalized_ads":true,"gdpr":true,"gpc":false,"lmt":false,"coppa":false},
"device":{"ip":"203.0.113.77","user_agent":"ShortVideo/31.4.1 (Linux; Android 14; Pixel 8 Pro Build/UD1A.231105.004)","model":"Pixel 8 Pro","carrier":"Example","connection":"wifi","width":1344,"height":2992},"app":{"version":"31.4.1","build":20231}}`
