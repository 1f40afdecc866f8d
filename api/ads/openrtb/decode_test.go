package openrtb_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"mazad/api/ads/openrtb"
	"mazad/audience"
	"mazad/serving"
	"mazad/targeting"
)

func decode(t testing.TB, body string) (*openrtb.Decoder, *serving.Request) {
	t.Helper()
	d, req := newDecoder(t), &serving.Request{}
	if !d.Decode([]byte(body), now, req) {
		t.Fatalf("%s: refused: %v", body, d.Fault())
	}
	return d, req
}

func typical(t testing.TB) []byte {
	t.Helper()
	body, err := os.ReadFile("testdata/request.json")
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestTypicalRequest(t *testing.T) {
	d, req := decode(t, string(typical(t)))
	if len(req.Slots) != 2 || len(d.Imps) != 2 {
		t.Fatalf("%d slots", len(req.Slots))
	}
	a, b := req.Slots[0], req.Slots[1]
	if string(a.ID) != "1" || a.Formats != serving.FormatImage || len(a.Sizes) != 4 || a.Floor != 350_000 || !req.Secure {
		t.Errorf("banner: %+v", a)
	}
	if string(b.ID) != "2" || b.Formats != serving.FormatNative || b.MinSize != (serving.Size{W: 300, H: 200}) || b.NeedsVideo || len(d.Imps[1].Assets) != 5 {
		t.Errorf("native: %+v %+v", b, d.Imps[1])
	}
	if string(req.UserID) != "u-8830412" || req.Signals.Age != 31 || req.Gender != targeting.Female || req.Country.String() != "US" || req.Region.String() != "US-CA" {
		t.Errorf("user: %+v", req)
	}
	if req.OS != targeting.Android || req.OSVersion != 14<<16 || req.IP24 != [3]byte{203, 0, 113} || req.Language.String() != "en" || req.Placement != targeting.PlacementExchange {
		t.Errorf("device: %+v", req)
	}
	tag := func(s string) targeting.Tag { return targeting.TagOf([]byte(s)) }
	if len(req.Tags) != 9 || req.Tags[0] != tag("cat:IAB1") || req.Tags[3] != tag("cat:IAB17") || req.Tags[4] != tag("fitness") {
		t.Errorf("tags: %v", req.Tags)
	}
	if len(req.BlockedCategories) != 3 || req.BlockedDomains[1] != uint64(tag("other.example")) || d.TMaxMS != 120 {
		t.Errorf("rest: %+v", req)
	}
}

// request wraps an impression and further members into a request.
func request(imp, rest string) string {
	return `{"id":"r","site":{"id":"s"},"imp":[` + imp + `]` + rest + `}`
}

const banner = `{"id":"1","banner":{"w":300,"h":250}}`

func TestPermissionFailsClosed(t *testing.T) {
	f := func(rest string, want audience.Signals) {
		t.Helper()
		if _, req := decode(t, request(banner, rest)); req.Signals != want {
			t.Errorf("%s: %+v, want %+v", rest, req.Signals, want)
		}
	}
	f(``, audience.Signals{})
	f(`,"regs":{"coppa":1}`, audience.Signals{COPPA: true})
	f(`,"regs":{"gdpr":1}`, audience.Signals{GDPR: true})
	f(`,"regs":{"ext":{"gdpr":1}}`, audience.Signals{GDPR: true})
	f(`,"user":{"consent":"CPXx"}`, audience.Signals{GDPR: true})
	f(`,"user":{"ext":{"consent":"CPXx"}}`, audience.Signals{GDPR: true})
	f(`,"regs":{"gpp":"DBACNYA~1YNN"}`, audience.Signals{Consent: audience.ConsentDenied})
	f(`,"regs":{"gpp_sid":[7]}`, audience.Signals{Consent: audience.ConsentDenied})
	f(`,"regs":{"gpp_sid":[]}`, audience.Signals{})
	f(`,"regs":{"us_privacy":"1YYN"}`, audience.Signals{Consent: audience.ConsentDenied})
	f(`,"regs":{"us_privacy":"1YNN"}`, audience.Signals{})
	f(`,"regs":{"us_privacy":"1---"}`, audience.Signals{})
	f(`,"regs":{"us_privacy":"{invalid}"}`, audience.Signals{Consent: audience.ConsentDenied})
	f(`,"regs":{"ext":{"gpc":"1"}}`, audience.Signals{GPC: true})
	f(`,"device":{"lmt":1}`, audience.Signals{LMT: true})
	f(`,"device":{"dnt":1,"lmt":0}`, audience.Signals{LMT: true})
	f(`,"user":{"yob":2008}`, audience.Signals{Age: 17})
	f(`,"user":{"yob":2026}`, audience.Signals{Age: 1})
	f(`,"user":{"yob":2008,"yob":1980}`, audience.Signals{Age: 17})
	f(`,"regs":{"coppa":1,"coppa":0},"regs":{"coppa":0}`, audience.Signals{COPPA: true})
	f(`,"user":{"yob":1800}`, audience.Signals{})
	f(`,"device":{"geo":{"country":"DEU"}}`, audience.Signals{Country: [2]byte{'D', 'E'}})
	f(`,"user":{"geo":{"country":"DEU"}}`, audience.Signals{})
}

func TestUnsoldImpressionsHaveAReason(t *testing.T) {
	f := func(imp, rest string, want serving.Reason) {
		t.Helper()
		d, req := decode(t, request(imp, rest))
		if d.Reason != want || len(req.Slots) != 0 && want != serving.ReasonNone {
			t.Errorf("%s%s: %v with %d slots, want %v", imp, rest, d.Reason, len(req.Slots), want)
		}
	}
	f(banner, ``, serving.ReasonNone)
	f(`{"id":"1","audio":{"mimes":["audio/mp4"]}}`, ``, serving.ReasonUnsupported)
	f(`{"id":"1","video":{"mimes":["video/x-flv"]}}`, ``, serving.ReasonUnsupported)
	f(`{"id":"1","video":{"mimes":["video/mp4"],"protocols":[5,6]}}`, ``, serving.ReasonUnsupported)
	f(`{"id":"1","video":{"mimes":["video/mp4"],"linearity":2}}`, ``, serving.ReasonUnsupported)
	f(`{"id":"1","banner":{"format":[{"wmin":100,"wratio":3,"hratio":2}]}}`, ``, serving.ReasonUnsupported)
	f(`{"id":"1","banner":{"w":1,"h":1,"btype":[2]}}`, ``, serving.ReasonUnsupported)
	f(`{"id":"1","banner":{"w":1,"h":1},"pmp":{"private_auction":1}}`, ``, serving.ReasonUnsupported)
	f(`{"id":"1","banner":{"w":1,"h":1},"bidfloor":1,"bidfloorcur":"EUR"}`, ``, serving.ReasonCurrency)
	f(`{"id":"1","banner":{"w":1,"h":1},"bidfloorcur":"EUR"}`, ``, serving.ReasonNone)
	f(banner, `,"cur":["EUR","GBP"]`, serving.ReasonCurrency)
	f(banner, `,"cur":["EUR","USD"]`, serving.ReasonNone)
	f(`{"id":"1","native":{"request":"{\"assets\":[{\"id\":1,\"required\":1,\"data\":{\"type\":3}}]}"}}`, ``, serving.ReasonUnsupported)
	f(`{"id":"1","native":{"request":"{\"native\":{\"assets\":[{\"id\":1,\"required\":1,\"data\":{\"type\":2}}]}}"}}`, ``, serving.ReasonNone)
}

func TestMoreImpressionsThanSlots(t *testing.T) {
	var imps []string
	for i := range 15 {
		imps = append(imps, `{"id":"`+string(rune('a'+i))+`","banner":{"w":300,"h":250}}`)
	}
	d, req := decode(t, request(strings.Join(imps, ","), ""))
	if len(req.Slots) != serving.MaxSlots || len(d.Imps) != 15 || d.Imps[14].Reason != serving.ReasonNoSlot || d.Imps[9].Slot != 9 || string(req.Slots[9].ID) != "j" {
		t.Fatalf("%d slots, %+v", len(req.Slots), d.Imps[14])
	}
}

func TestRefusalsNameTheField(t *testing.T) {
	f := func(body, field string, words ...string) {
		t.Helper()
		d := newDecoder(t)
		if d.Decode([]byte(body), now, &serving.Request{}) {
			t.Errorf("%s: accepted", body)
			return
		}
		if got := d.Fault().Field(); got != field {
			t.Errorf("%s: field %q, want %q", body, got, field)
		}
		for _, w := range words {
			if !strings.Contains(d.Fault().Error(), w) {
				t.Errorf("%s: %v does not say %q", body, d.Fault(), w)
			}
		}
	}
	f(request(`{"id":"1","banner":{"w":1,"h":1},"bidfloor":-0.01}`, ""), "imp[0].bidfloor", "-0.01", "at least 0")
	f(request(`{"id":"1","banner":{"w":1,"h":1},"bidfloor":1e30}`, ""), "imp[0].bidfloor", "1e30", "at most")
	f(request(`{"id":"1","banner":{"w":"x","h":1}}`, ""), "imp[0].banner.w", "a number")
	f(request(banner, `,"badv":[1]`), "badv[0]", "a string")
	f(request(banner, `,"bcat":[`+strings.Repeat(`"a",`, 256)+`"a"]`), "bcat[256]", "at most 256 elements")
	f(request(banner, `,"test":2`), "test", "at most 1")
	f(request(banner, `,"user":{"yob":"19x4"}`), "user.yob", "four digits")
	f(request(banner, `,"device":{"ua":5}`), "device.ua", "a string")
	f(request(`{"id":"1","native":{}}`, ""), "imp[0].native.request", "required")
	f(request(`{"id":"1","native":{"request":"{\"assets\":[}"}}`, ""), "imp[0].native.request.assets[0]", "column 12")
	f(`{"id":"r"`, "", "the document ends", "line 1, column 10")
	f("{\"id\":\"r\",\n \"imp\" [] }", "", "line 2, column 8")
	f(`[]`, "", "an object")
	f(`{"id":"`+strings.Repeat("x", 257)+`"}`, "id", "at most 256 bytes")
}

func TestFloorIsRoundedUp(t *testing.T) {
	_, req := decode(t, request(`{"id":"1","banner":{"w":1,"h":1},"bidfloor":1.0000001}`, ""))
	if req.Slots[0].Floor != 1_000_001 {
		t.Errorf("%d", req.Slots[0].Floor)
	}
}

func TestAgents(t *testing.T) {
	agents, err := openrtb.NewAgents(100)
	if err != nil {
		t.Fatal(err)
	}
	defer agents.Close()
	f := func(ua string, os targeting.OS, version targeting.Version) {
		t.Helper()
		for range 2 { // the second comes from the cache, or not: no difference
			if o, v := agents.Of([]byte(ua)); o != os || v != version {
				t.Errorf("%s: %v %v", ua, o, v)
			}
		}
	}
	f("Mozilla/5.0 (Linux; U; Android 4.3; en-us; SCH-I535 Build/JSS15J) AppleWebKit/534.30", targeting.Android, 4<<16|3<<8)
	f("Mozilla/5.0 (iPhone; CPU iPhone OS 17_4_1 like Mac OS X) AppleWebKit/605.1.15", targeting.IOS, 17<<16|4<<8|1)
	f("Mozilla/5.0 (iPad; CPU OS 9_3 like Mac OS X)", targeting.IOS, 9<<16|3<<8)
	f("Mozilla/5.0 (iPhone; U; like Mac OS X; en)", targeting.IOS, 0)
	f("Mozilla/5.0 (Windows Phone 10.0; Android 6.0.1; Microsoft; Lumia 950)", targeting.Other, 0)
	f("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", targeting.Other, 0)
	f("Dalvik/2.1.0 (Linux; Android)", targeting.Android, 0)
	f("Android 99999999999", targeting.Android, 0)
	f("curl/8.0", targeting.OSUnknown, 0)
}

func TestDeviceOSFromTheAgent(t *testing.T) {
	_, req := decode(t, request(banner, `,"device":{"ua":"Mozilla/5.0 (Linux; Android 13; Pixel)"}`))
	if req.OS != targeting.Android || req.OSVersion != 13<<16 {
		t.Errorf("%v %v", req.OS, req.OSVersion)
	}
	_, req = decode(t, request(banner, `,"device":{"sua":{"platform":{"brand":"iOS","version":["16","2"]}},"ua":"Android 13"}`))
	if req.OS != targeting.IOS || req.OSVersion != 16<<16 {
		t.Errorf("%v %v", req.OS, req.OSVersion)
	}
}

// A decoder never panics, accepts only JSON, and keeps every limit.
func FuzzDecode(f *testing.F) {
	f.Add(typical(f))
	f.Add([]byte(request(banner, `,"cur":["EUR"],"regs":{"ext":{"gdpr":1}},"user":{"yob":"1984"}`)))
	f.Add([]byte(request(`{"id":"1","video":{"mimes":["video/mp4"],"protocols":[2,3,7]},"native":{"request":"{\"native\":{\"assets\":[{\"title\":{\"len\":1}}]}}"}}`, "")))
	d, req := newDecoder(f), &serving.Request{}
	f.Fuzz(func(t *testing.T, body []byte) {
		req.Reset() // the memory of earlier requests is used again, as on the path
		ok := d.Decode(body, now, req)
		if ok && !json.Valid(body) {
			t.Fatalf("%q: accepted, is not JSON", body)
		}
		if !ok {
			if fault := d.Fault(); fault.Error() == "" || fault.Code == "" || fault.Line < 1 {
				t.Fatalf("%q: a fault without a reason: %+v", body, fault)
			}
			return
		}
		if len(req.Slots) > serving.MaxSlots || len(req.Tags) > serving.MaxTags || len(req.UserID) > serving.MaxUserID || len(req.BlockedDomains) > serving.MaxBlocked ||
			len(req.UserAgent) > serving.MaxUserAgent || len(d.Imps) == 0 || len(d.Imps) > openrtb.MaxImps || len(req.ID) == 0 {
			t.Fatalf("%q: past a limit: %+v", body, req)
		}
		if (len(req.Slots) == 0) != (d.Reason != serving.ReasonNone) {
			t.Fatalf("%q: %d slots, reason %v", body, len(req.Slots), d.Reason)
		}
		for i := range req.Slots {
			if s := &req.Slots[i]; s.Formats == 0 || len(s.Sizes) > serving.MaxSizes || s.Floor < 0 || len(s.ID) == 0 {
				t.Fatalf("%q: slot %+v", body, s)
			}
		}
	})
}
