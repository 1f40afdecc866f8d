package openrtb_test

import (
	"testing"

	"mazad/internal/id"
	"mazad/serving"

	"github.com/valyala/fastjson"
)

func BenchmarkDecode(b *testing.B) {
	body := typical(b)
	d, req := newDecoder(b), &serving.Request{}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		req.Reset()
		d.Decode(body, now, req)
	}
}

// The reference: a tree parser that checks less and picks nothing yet.
func BenchmarkFastjsonParse(b *testing.B) {
	body := typical(b)
	var p fastjson.Parser
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.ParseBytes(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFastjsonValidateAndParse(b *testing.B) {
	body := typical(b)
	var p fastjson.Parser
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if err := fastjson.ValidateBytes(body); err != nil {
			b.Fatal(err)
		}
		if _, err := p.ParseBytes(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	d, req := newDecoder(b), &serving.Request{}
	if !d.Decode(typical(b), now, req) {
		b.Fatal(d.Fault())
	}
	e := encoder
	for name, ads := range map[string][]serving.Placed{
		"banner":        {{Slot: 0, Creative: image(), Price: 1, Token: []byte("TOK")}},
		"banner+native": {{Slot: 0, Creative: image(), Price: 1, Token: []byte("TOK")}, {Slot: 1, Creative: image(), Price: 2, Token: []byte("TOK")}},
	} {
		b.Run(name, func(b *testing.B) {
			resp := &serving.Response{AuctionID: id.MakeEvent(1000, 1, 2, 3), Ads: ads}
			var out []byte
			b.ReportAllocs()
			for b.Loop() {
				out, _ = e.Append(out[:0], d, req, resp)
			}
			b.SetBytes(int64(len(out)))
		})
	}
}

func BenchmarkAgent(b *testing.B) {
	d := newDecoder(b)
	body := []byte(request(banner, `,"device":{"ua":"Mozilla/5.0 (Linux; Android 14; Pixel 8 Pro Build/UD1A.231105.004) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/119.0.6045.163 Mobile Safari/537.36"}`))
	req := &serving.Request{}
	b.ReportAllocs()
	for b.Loop() {
		req.Reset()
		d.Decode(body, now, req)
	}
}
