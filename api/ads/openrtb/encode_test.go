package openrtb_test

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"mazad/api/ads/openrtb"
	"mazad/internal/id"
	"mazad/serving"
)

func video() *serving.Creative {
	return &serving.Creative{AdID: "11", CampaignID: "7", Format: serving.FormatVideo, DisplayName: "Müller & Söhne", Text: `Say "hi" <b> to ]]> now` + "\x01",
		VideoURL: "https://cdn.example/v.mp4?a=1&b=2", ImageURL: "https://cdn.example/p.jpg", Domain: "shop.example", Category: "IAB22", CallToAction: "Shop now", W: 720, H: 1280, DurationMS: 15250}
}

func image() *serving.Creative {
	return &serving.Creative{AdID: "12", CampaignID: "7", Format: serving.FormatImage, DisplayName: "Acme", Text: `5" pipe & more`, ImageURL: `https://cdn.example/i.png?x="&y=<1`, Domain: "acme.example", W: 300, H: 250}
}

type bidResponse struct {
	ID, BidID, Cur string
	SeatBid        []struct {
		Seat string
		Bid  []struct {
			ID, ImpID, NURL, BURL, LURL, Adm, CID, CRID string
			Price                                       json.Number
			ADomain, Cat                                []string
			W, H, Dur, MType, Protocol                  int
		}
	}
}

var encoder = openrtb.Encoder{PublicURL: "https://ads.example.com", Currency: "USD", Seat: "mazad"}

func answer(t testing.TB, body string, creatives ...*serving.Creative) (r bidResponse, raw string) {
	t.Helper()
	d, req := decode(t, body)
	resp := &serving.Response{AuctionID: id.MakeEvent(1000, 1, 2, 3)}
	for i, c := range creatives {
		resp.Ads = append(resp.Ads, serving.Placed{Slot: i, Creative: c, Price: 2_500_001, Token: []byte("TOK")})
	}
	e := encoder
	out, n := e.Append([]byte("prefix"), d, req, resp)
	raw = strings.TrimPrefix(string(out), "prefix")
	if n == 0 {
		if raw != "" {
			t.Fatalf("no bids but %s", raw)
		}
		return r, ""
	}
	if err := json.Unmarshal([]byte(raw), &r); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return r, raw
}

func TestBannerBid(t *testing.T) {
	r, _ := answer(t, request(banner, ""), image())
	b := r.SeatBid[0].Bid[0]
	if r.ID != "r" || r.Cur != "USD" || r.SeatBid[0].Seat != "mazad" || b.ImpID != "1" || b.Price != "2.500001" || b.CRID != "12" || b.MType != 1 || b.W != 300 || b.ADomain[0] != "acme.example" {
		t.Errorf("%+v", r)
	}
	if b.NURL != "https://ads.example.com/t/w/TOK?p=${AUCTION_PRICE}&c=${AUCTION_CURRENCY}" || b.BURL != "https://ads.example.com/t/b/TOK?p=${AUCTION_PRICE}&c=${AUCTION_CURRENCY}" || b.LURL != "https://ads.example.com/t/l/TOK?r=${AUCTION_LOSS}" {
		t.Errorf("%+v", b)
	}
	for _, want := range []string{`href="https://ads.example.com/t/c/TOK"`, `src="https://cdn.example/i.png?x=&#34;&amp;y=&lt;1"`, `alt="5&#34; pipe &amp; more"`, `src="https://ads.example.com/t/i/TOK"`} {
		if !strings.Contains(b.Adm, want) {
			t.Errorf("%s\nlacks %s", b.Adm, want)
		}
	}
}

// elements lists the start elements of an XML document in order.
func elements(t *testing.T, doc string) (names []string, texts map[string]string) {
	t.Helper()
	texts = map[string]string{}
	dec := xml.NewDecoder(strings.NewReader(doc))
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			return names, texts
		}
		if err != nil {
			t.Fatalf("%v in %s", err, doc)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			names = append(names, tok.Name.Local)
		case xml.CharData:
			texts[names[len(names)-1]] += string(tok)
		}
	}
}

func TestVideoBid(t *testing.T) {
	imp := `{"id":"1","video":{"mimes":["video/mp4"],"protocols":[2,3,7,13],"w":640,"h":360}}`
	r, _ := answer(t, request(imp, ""), video())
	b := r.SeatBid[0].Bid[0]
	if b.MType != 2 || b.Protocol != 13 || b.Dur != 16 || b.Cat[0] != "IAB22" {
		t.Errorf("%+v", b)
	}
	names, texts := elements(t, b.Adm)
	want := "VAST Ad InLine AdSystem Impression AdServingId AdTitle Advertiser Creatives Creative Linear TrackingEvents Tracking Duration MediaFiles MediaFile VideoClicks ClickThrough UniversalAdId"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	for name, text := range map[string]string{"Impression": "https://ads.example.com/t/i/TOK", "Tracking": "https://ads.example.com/t/v/TOK", "ClickThrough": "https://ads.example.com/t/c/TOK",
		"MediaFile": "https://cdn.example/v.mp4?a=1&b=2", "Duration": "00:00:15.250", "AdTitle": `Say "hi" <b> to ]]> now`, "Advertiser": "Müller & Söhne"} {
		if texts[name] != text {
			t.Errorf("%s is %q, want %q", name, texts[name], text)
		}
	}
	for protocols, version := range map[string]string{"[2]": `version="2.0"`, "[3,6]": `version="3.0"`, "[7]": `version="4.0"`, "[15]": `version="4.2"`} {
		r, _ := answer(t, request(strings.Replace(imp, "[2,3,7,13]", protocols, 1), ""), video())
		if adm := r.SeatBid[0].Bid[0].Adm; !strings.Contains(adm, "<VAST "+version) {
			t.Errorf("%s: %.80s", protocols, adm)
		}
	}
}

func TestNativeBid(t *testing.T) {
	imp := func(ver, doc string) string {
		quoted, _ := json.Marshal(doc)
		return request(`{"id":"1","native":{"ver":"`+ver+`","request":`+string(quoted)+`}}`, "")
	}
	doc := `{"assets":[{"id":5,"required":1,"title":{"len":8}},{"id":6,"required":1,"img":{"type":3}},{"id":7,"data":{"type":1}},{"id":8,"data":{"type":3}},{"id":9,"video":{"mimes":["video/mp4"],"minduration":1,"maxduration":30,"protocols":[3]}}]}`
	r, _ := answer(t, imp("1.2", doc), video())
	b := r.SeatBid[0].Bid[0]
	var native struct {
		Ver    string
		Assets []struct {
			ID    int
			Title struct{ Text string }
			Img   struct{ URL string }
			Data  struct{ Value string }
			Video struct{ VASTTag string }
		}
		Link          struct{ URL string }
		EventTrackers []struct {
			Event, Method int
			URL           string
		}
	}
	if err := json.Unmarshal([]byte(b.Adm), &native); err != nil {
		t.Fatalf("%v: %s", err, b.Adm)
	}
	a := native.Assets
	if b.MType != 4 || len(a) != 4 || a[0].ID != 5 || a[0].Title.Text != `Say "hi"` || a[1].Img.URL != "https://cdn.example/p.jpg" || a[2].Data.Value != "Müller & Söhne" || !strings.Contains(a[3].Video.VASTTag, "<VAST") {
		t.Errorf("%s", b.Adm)
	}
	if native.Link.URL != "https://ads.example.com/t/c/TOK" || native.EventTrackers[0].URL != "https://ads.example.com/t/i/TOK" || native.EventTrackers[0].Method != 1 {
		t.Errorf("%s", b.Adm)
	}
	r, _ = answer(t, imp("1.0", `{"native":`+doc+`}`), video())
	if adm := r.SeatBid[0].Bid[0].Adm; !strings.HasPrefix(adm, `{"native":{`) || !strings.Contains(adm, `"imptrackers":["https://ads.example.com/t/i/TOK"]`) {
		t.Errorf("%s", adm)
	}
	if _, raw := answer(t, imp("1.2", `{"assets":[{"id":1,"required":1,"video":{"mimes":["video/mp4"],"minduration":1,"maxduration":30,"protocols":[3]}}]}`), image()); raw != "" {
		t.Errorf("a required video was left out: %s", raw)
	}
}

func TestTheMarkupSuitsTheCreative(t *testing.T) {
	both := `{"id":"1","banner":{"w":300,"h":250},"video":{"mimes":["video/mp4"]}}`
	r, _ := answer(t, request(both, ""), image())
	if r.SeatBid[0].Bid[0].MType != 1 {
		t.Error("an image was not a banner")
	}
	if r, _ = answer(t, request(both, ""), video()); r.SeatBid[0].Bid[0].MType != 2 {
		t.Error("a video was not VAST")
	}
	if _, raw := answer(t, request(banner, ""), video()); raw != "" {
		t.Errorf("a video in a banner: %s", raw)
	}
}

func TestNoAllocations(t *testing.T) {
	body := typical(t)
	d, req := newDecoder(t), &serving.Request{}
	e := encoder
	resp := &serving.Response{AuctionID: id.MakeEvent(1000, 1, 2, 3), Ads: []serving.Placed{{Slot: 0, Creative: image(), Price: 1, Token: []byte("TOK")}, {Slot: 1, Creative: video(), Price: 2, Token: []byte("TOK")}}}
	var out []byte
	once := func() {
		req.Reset()
		if !d.Decode(body, now, req) {
			t.Fatal(d.Fault())
		}
		out, _ = e.Append(out[:0], d, req, resp)
	}
	once()
	if n := testing.AllocsPerRun(200, once); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
