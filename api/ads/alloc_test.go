package ads_test

import (
	"net"
	"os"
	"testing"

	"mazad/serving"

	"github.com/valyala/fasthttp"
)

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

func TestHandlerAllocatesNothing(t *testing.T) {
	h := open(t, nil)
	h.engine.creatives = []*serving.Creative{image(), image(), image()}
	for uri, body := range map[string]string{"/v1/ads": feedBody, "/openrtb2/bid": typicalBid(t)} {
		send := h.request(uri, body)
		if status := send(); status != 200 {
			t.Fatalf("%s: %d", uri, status)
		}
		for range 10 {
			send()
		}
		if n := testing.AllocsPerRun(200, func() { send() }); n != 0 {
			t.Errorf("%s: %v allocations", uri, n)
		}
	}
}

func BenchmarkHandler(b *testing.B) {
	h := open(b, nil)
	h.engine.creatives = []*serving.Creative{image(), image(), image()}
	for name, c := range map[string][2]string{"feed": {"/v1/ads", feedBody}, "bid": {"/openrtb2/bid", typicalBid(b)}} {
		b.Run(name, func(b *testing.B) {
			send := h.request(c[0], c[1])
			b.SetBytes(int64(len(c[1])))
			b.ReportAllocs()
			for b.Loop() {
				send()
			}
		})
	}
}
