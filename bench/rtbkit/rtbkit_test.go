package rtbkit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"mazad/api/ads/openrtb"
	"mazad/bench/rtbkit"
	"mazad/serving"
)

const adx = `{"!!CV":"0.1","exchange":"dblclk_adx","id":"a-1","ipAddress":"192.0.2.1","language":"en",` +
	`"location":{"cityName":"Milwaukee","countryCode":"US","dma":617,"postalCode":"414","regionCode":"WI","timezoneOffsetMinutes":-360},` +
	`"protocolVersion":"0.2","provider":"AdGear","restrictions":{"clickUrl":["a.example","b.example"],"creativeAttribute":[7,13],"vertical":[10672]},` +
	`"segments":{"adgear":null,"adxVerticals":[[299,0.1907270252704620],[529,0.8092729449272156]]},` +
	`"spots":[{"formats":["728x90","468x60"],"id":"1","position":"NONE","reservePrice":0}],"timestamp":1326240000.064852,` +
	`"url":"https://Shop.example/a?b=1","userAgent":"Mozilla/5.0,gzip(gfe)","userIds":{"adx":"u1","xchg":"u1","ag":"p1","prov":"p1"}}`

const contextWeb = `{"!!CV":"0.1","exchange":"context_web","id":"c-1","location":{"countryCode":"A1","timezoneOffsetMinutes":300},` +
	`"protocolVersion":"0.2","provider":"AdGear","segments":{"adgear":[5]},` +
	`"spots":[{"formats":["300x250"],"id":"1","position":"ABOVE","reservePrice":3}],"timestamp":1326240000,"url":"file:///x.html","userIds":{}}`

func convert(t *testing.T, text string) (*rtbkit.Auction, []rtbkit.Count) {
	t.Helper()
	v := rtbkit.NewConverter()
	a, err := v.Convert([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return a, v.Unsupported()
}

func TestConvert(t *testing.T) {
	a, counts := convert(t, adx)
	want := `{"id":"a-1","imp":[{"id":"1","banner":{"w":728,"h":90,"format":[{"w":728,"h":90},{"w":468,"h":60}]},"secure":1}],` +
		`"site":{"domain":"shop.example","page":"https://Shop.example/a?b=1","publisher":{"id":"dblclk_adx"},"content":{"data":[{"name":"adx_verticals","segment":[{"id":"299","value":"0.1907270252704620"},{"id":"529","value":"0.8092729449272156"}]}]}},` +
		`"device":{"ua":"Mozilla/5.0","ip":"192.0.2.1","language":"en","geo":{"country":"USA","region":"WI","metro":"617","city":"Milwaukee","zip":"414","utcoffset":-360}},` +
		`"user":{"id":"u1","buyeruid":"p1"},"at":2,"tmax":100,"cur":["USD"],"badv":["a.example","b.example"]}`
	if string(a.Body) != want {
		t.Errorf("got  %s\nwant %s", a.Body, want)
	}
	if a.ID != "a-1" || a.Time.UnixMicro() != 1326240000064852 {
		t.Errorf("auction %s at %s", a.ID, a.Time)
	}
	if len(counts) != 2 || counts[0] != (rtbkit.Count{Part: "restrictions.creativeAttribute", N: 2}) || counts[1] != (rtbkit.Count{Part: "restrictions.vertical", N: 1}) {
		t.Errorf("counts %v", counts)
	}
}

func TestWhatHasNoPlaceIsCounted(t *testing.T) {
	a, counts := convert(t, contextWeb)
	want := `{"id":"c-1","imp":[{"id":"1","banner":{"w":300,"h":250,"format":[{"w":300,"h":250}],"pos":1},"secure":0}],` +
		`"site":{"id":"context_web","publisher":{"id":"context_web"}},"device":{"geo":{"utcoffset":-300}},"at":2,"tmax":100,"cur":["USD"]}`
	if string(a.Body) != want {
		t.Errorf("got  %s\nwant %s", a.Body, want)
	}
	var parts []string
	for _, c := range counts {
		parts = append(parts, c.Part)
	}
	if got := strings.Join(parts, "; "); got != "location.countryCode A1; segments.adgear; spots.reservePrice: unknown unit; url: scheme file" {
		t.Errorf("counted %q", got)
	}
	if _, counts := convert(t, strings.Replace(adx, `"language"`, `"mood":"good","language"`, 1)); !strings.Contains(counts[2].Part, "mood") {
		t.Errorf("an unknown member is not counted: %v", counts)
	}
}

func TestBadLinesNameTheField(t *testing.T) {
	f := func(want, from, to string) {
		t.Helper()
		err := rtbkit.NewConverter().Read(strings.NewReader(adx+"\n"+strings.Replace(adx, from, to, 1)), func(*rtbkit.Auction) error { return nil })
		if err == nil || !strings.Contains(err.Error(), "line 2: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
	f("canonical JSON", `"id":"a-1"`, `"id":`)
	f("id: 0 characters", `"id":"a-1"`, `"id":""`)
	f("spots: 0", `"spots":[{"formats":["728x90","468x60"],"id":"1","position":"NONE","reservePrice":0}]`, `"spots":[]`)
	f("spots[0].formats: empty", `["728x90","468x60"]`, `[]`)
	f(`spots[0].formats: "wide"`, `468x60`, `wide`)
	f("timestamp", `1326240000.064852`, `-1`)
	stop := errors.New("enough")
	if err := rtbkit.NewConverter().Read(strings.NewReader(adx), func(*rtbkit.Auction) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error %v, want %v", err, stop)
	}
	if err := rtbkit.NewConverter().Read(bytes.NewReader(bytes.Repeat([]byte("x"), 70<<10)), nil); err == nil || !strings.Contains(err.Error(), "line 1: ") {
		t.Errorf("a line that is too long: %v", err)
	}
}

func TestEveryRecordedAuctionConverts(t *testing.T) {
	file := rtbkit.File(os.Getenv("MAZAD_DATA"))
	if _, err := os.Stat(file); err != nil {
		t.Skip("DATA MISSING: set MAZAD_DATA to a folder with rtbkit-auctions to convert the 14,000 recorded auctions")
	}
	agents, err := openrtb.NewAgents(10_000)
	if err != nil {
		t.Fatal(err)
	}
	defer agents.Close()
	v, n, ids := rtbkit.NewConverter(), 0, map[string]bool{}
	bidder, req := openrtb.NewDecoder(&openrtb.Config{Currency: "USD", Agents: agents}), serving.Request{}
	err = v.ReadFile(file, func(a *rtbkit.Auction) error {
		n++
		ids[a.ID] = true
		req.Reset()
		if !bidder.Decode(a.Body, a.Time, &req) || len(req.Slots) == 0 || a.Time.Year() != 2012 {
			t.Errorf("auction %s at %s: %v %v: %s", a.ID, a.Time, bidder.Fault(), bidder.Reason, a.Body)
		}
		return nil
	})
	if err != nil || n != 14_000 || len(ids) != n {
		t.Fatalf("%d auctions with %d ids, %v", n, len(ids), err)
	}
	want := map[string]int{
		"restrictions.creativeAttribute": 59_820, "restrictions.sensitiveCategoryAttribute": 26_299,
		"restrictions.vertical": 7_364, "location.countryCode A1": 4, "url: scheme file": 1, "url: none": 471,
	}
	for _, c := range v.Unsupported() {
		t.Logf("%-44s %6d", c.Part, c.N)
		if w, ok := want[c.Part]; ok && c.N != w {
			t.Errorf("%s: counted %d, want %d", c.Part, c.N, w)
		}
		delete(want, c.Part)
	}
	if len(want) > 0 {
		t.Errorf("not counted: %v", want)
	}
}

func FuzzConvert(f *testing.F) {
	f.Add([]byte(adx))
	f.Add([]byte(contextWeb))
	f.Add([]byte(`{"id":"x","timestamp":1,"spots":[{"formats":["1x1"]}],"location":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := rtbkit.NewConverter().Convert(text)
		if err == nil && !json.Valid(a.Body) {
			t.Errorf("not JSON: %s", a.Body)
		}
	})
}
