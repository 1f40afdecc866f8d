package openrtb

import (
	"mazad/internal/money"
	"mazad/serving"
)

// Encoder writes bid responses. The zero value with PublicURL and Currency set
// is ready.
type Encoder struct {
	PublicURL string // where the tracking endpoints are reached: https://ads.example.com
	Currency  money.Currency
	Seat      string // empty = none

	adm  []byte // markup being built
	vast []byte // VAST inside a native answer
}

// Append appends the response to a request that was decoded by d, and returns
// the number of bids in it. With none the answer is 204 and dst is unchanged.
func (e *Encoder) Append(dst []byte, d *Decoder, req *serving.Request, resp *serving.Response) ([]byte, int) {
	begin, bids := len(dst), 0
	dst = append(dst, `{"id":`...)
	dst = AppendBytes(dst, req.ID)
	dst = append(dst, `,"bidid":"`...)
	dst = resp.AuctionID.Append(dst)
	dst = append(dst, `","cur":"`...)
	dst = append(dst, e.Currency...)
	dst = append(dst, `","seatbid":[{"bid":[`...)
	for i := range resp.Ads {
		p := &resp.Ads[i]
		imp := d.impOf(p.Slot)
		if imp == nil {
			continue
		}
		media := e.render(imp, p, resp)
		if media == 0 {
			continue
		}
		if bids > 0 {
			dst = append(dst, ',')
		}
		dst = e.bid(dst, imp, p, media, resp)
		bids++
	}
	if bids == 0 {
		return dst[:begin], 0
	}
	dst = append(dst, ']')
	if e.Seat != "" {
		dst = append(dst, `,"seat":`...)
		dst = AppendString(dst, e.Seat)
	}
	return append(dst, `}]}`...), bids
}

func (d *Decoder) impOf(slot int) *Imp {
	for i := range d.Imps {
		if d.Imps[i].Slot == slot {
			return &d.Imps[i]
		}
	}
	return nil
}

// render builds the markup of a creative in e.adm as the medium of the
// impression that suits it, and names the medium; 0 when none does.
func (e *Encoder) render(imp *Imp, p *serving.Placed, resp *serving.Response) Media {
	c := p.Creative
	e.adm = e.adm[:0]
	switch {
	case imp.Media&Video != 0 && c.Format == serving.FormatVideo && c.VideoURL != "":
		e.adm = e.appendVAST(e.adm, protocolOf(imp), p, resp)
		return Video
	case imp.Media&Banner != 0 && c.Format&(serving.FormatImage|serving.FormatCarousel) != 0 && c.ImageURL != "":
		e.adm = e.appendBanner(e.adm, p)
		return Banner
	case imp.Media&Native != 0:
		out, ok := e.appendNative(e.adm, imp, p, resp)
		e.adm = out
		if ok {
			return Native
		}
	}
	return 0
}

// mtype is the markup type of bid.mtype: 1 banner, 2 video, 4 native.
func mtype(m Media) int64 {
	switch m {
	case Banner:
		return 1
	case Video:
		return 2
	}
	return 4
}

func (e *Encoder) bid(dst []byte, imp *Imp, p *serving.Placed, media Media, resp *serving.Response) []byte {
	c := p.Creative
	dst = append(dst, `{"id":"`...)
	dst = resp.AuctionID.Append(dst)
	dst = append(dst, '-')
	dst = appendInt(dst, int64(p.Slot))
	dst = append(dst, `","impid":`...)
	dst = AppendBytes(dst, imp.ID)
	dst = append(dst, `,"price":`...)
	dst = money.AppendMicros(dst, money.Micros(p.Price)) // nanos per impression are micros of CPM
	dst = e.notice(dst, `,"nurl":"`, "w", p.Token, "?p=${AUCTION_PRICE}&c=${AUCTION_CURRENCY}")
	dst = e.notice(dst, `,"burl":"`, "b", p.Token, "?p=${AUCTION_PRICE}&c=${AUCTION_CURRENCY}")
	dst = e.notice(dst, `,"lurl":"`, "l", p.Token, "?r=${AUCTION_LOSS}")
	dst = append(dst, `,"adm":`...)
	dst = AppendBytes(dst, e.adm)
	dst = member(dst, "adid", c.AdID)
	dst = member(dst, "cid", c.CampaignID)
	dst = member(dst, "crid", c.AdID)
	if c.Domain != "" {
		dst = append(dst, `,"adomain":[`...)
		dst = append(AppendString(dst, c.Domain), ']')
	}
	if c.Category != "" {
		dst = append(dst, `,"cat":[`...)
		dst = append(AppendString(dst, c.Category), ']')
	}
	dst = append(dst, `,"mtype":`...)
	dst = appendInt(dst, mtype(media))
	if c.W > 0 && c.H > 0 && media != Native {
		dst = append(dst, `,"w":`...)
		dst = appendInt(dst, int64(c.W))
		dst = append(dst, `,"h":`...)
		dst = appendInt(dst, int64(c.H))
	}
	if media == Video {
		dst = append(dst, `,"protocol":`...)
		dst = appendInt(dst, int64(protocolOf(imp)))
		if c.DurationMS > 0 {
			dst = append(dst, `,"dur":`...)
			dst = appendInt(dst, int64(c.DurationMS+999)/1000)
		}
	}
	return append(dst, '}')
}

func member(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(append(append(dst, `,"`...), name...), `":`...)
	return AppendString(dst, value)
}

// track appends the URL of a tracking endpoint.
func (e *Encoder) track(dst []byte, kind string, token []byte) []byte {
	dst = append(dst, e.PublicURL...)
	dst = append(append(append(dst, "/t/"...), kind...), '/')
	return append(dst, token...)
}

// notice appends a member that is a notice URL. PublicURL was checked to need no
// escape, tokens are URL-safe.
func (e *Encoder) notice(dst []byte, name, kind string, token []byte, query string) []byte {
	dst = e.track(append(dst, name...), kind, token)
	return append(append(dst, query...), '"')
}

// appendBanner appends an image in a link, and the impression pixel.
func (e *Encoder) appendBanner(dst []byte, p *serving.Placed) []byte {
	c := p.Creative
	dst = append(dst, `<a href="`...)
	dst = e.track(dst, "c", p.Token)
	dst = append(dst, `" target="_blank" rel="noopener"><img src="`...)
	dst = appendMarkup(dst, c.ImageURL)
	if c.W > 0 && c.H > 0 {
		dst = append(dst, `" width="`...)
		dst = appendInt(dst, int64(c.W))
		dst = append(dst, `" height="`...)
		dst = appendInt(dst, int64(c.H))
	}
	dst = append(dst, `" alt="`...)
	dst = appendMarkup(dst, c.Text)
	dst = append(dst, `" style="border:0"></a><img src="`...)
	dst = e.track(dst, "i", p.Token)
	return append(dst, `" width="1" height="1" alt="" style="position:absolute;visibility:hidden">`...)
}
