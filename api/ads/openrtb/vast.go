package openrtb

import "mazad/serving"

// viewMS is after how much playing a view is counted, as TikTok's six-second
// view; a shorter video counts when it ends.
const viewMS = 6000

// protocolOf is the inline protocol that an impression is answered with.
func protocolOf(imp *Imp) uint8 {
	if imp.Protocol == 0 {
		return newestProtocol
	}
	return imp.Protocol
}

// appendVAST appends an inline linear ad. Elements stand in the order of the
// schema of VAST 4.2; older versions take any order but do not know the elements
// that came with 4.0.
func (e *Encoder) appendVAST(dst []byte, protocol uint8, p *serving.Placed, resp *serving.Response) []byte {
	c, four := p.Creative, protocol >= 7
	dst = append(dst, `<?xml version="1.0" encoding="UTF-8"?><VAST version="`...)
	dst = append(dst, vastOf[protocol]...)
	if four {
		dst = append(dst, `" xmlns="http://www.iab.com/VAST`...)
	}
	dst = append(dst, `"><Ad id="`...)
	dst = append(dst, c.AdID...)
	dst = append(dst, `"><InLine><AdSystem version="1">Mazad</AdSystem><Impression>`...)
	dst = e.cdata(dst, "i", p.Token)
	dst = append(dst, `</Impression>`...)
	if four {
		dst = append(dst, `<AdServingId>`...)
		dst = resp.AuctionID.Append(dst)
		dst = append(dst, '-')
		dst = appendInt(dst, int64(p.Slot))
		dst = append(dst, `</AdServingId>`...)
	}
	dst = append(dst, `<AdTitle>`...)
	dst = appendMarkup(dst, c.Text)
	dst = append(dst, `</AdTitle>`...)
	if protocol >= 3 && c.DisplayName != "" {
		dst = append(dst, `<Advertiser>`...)
		dst = appendMarkup(dst, c.DisplayName)
		dst = append(dst, `</Advertiser>`...)
	}
	dst = append(dst, `<Creatives><Creative id="`...)
	dst = append(dst, c.AdID...)
	dst = append(dst, `" sequence="1"><Linear>`...)
	dst = e.linear(dst, protocol, p)
	dst = append(dst, `</Linear>`...)
	if four {
		dst = append(dst, `<UniversalAdId idRegistry="unknown">`...)
		if protocol == 7 { // 4.0 wants the id in an attribute too
			dst = append(dst[:len(dst)-1], ` idValue="`...)
			dst = append(append(dst, c.AdID...), `">`...)
		}
		dst = append(dst, c.AdID...)
		dst = append(dst, `</UniversalAdId>`...)
	}
	return append(dst, `</Creative></Creatives></InLine></Ad></VAST>`...)
}

func (e *Encoder) linear(dst []byte, protocol uint8, p *serving.Placed) []byte {
	c := p.Creative
	if protocol >= 3 && (c.DurationMS == 0 || c.DurationMS > viewMS) {
		dst = append(dst, `<TrackingEvents><Tracking event="progress" offset="`...)
		dst = appendClock(dst, viewMS)
		dst = append(dst, `">`...)
	} else {
		dst = append(dst, `<TrackingEvents><Tracking event="complete">`...)
	}
	dst = e.cdata(dst, "v", p.Token)
	dst = append(dst, `</Tracking></TrackingEvents><Duration>`...)
	dst = appendClock(dst, c.DurationMS)
	dst = append(dst, `</Duration><MediaFiles><MediaFile delivery="progressive" type="video/mp4" width="`...)
	dst = appendInt(dst, int64(c.W))
	dst = append(dst, `" height="`...)
	dst = appendInt(dst, int64(c.H))
	dst = append(dst, `">`...)
	dst = appendMarkup(dst, c.VideoURL)
	// The click goes through our redirect, which counts it; a ClickTracking
	// beside it would report each click twice.
	dst = append(dst, `</MediaFile></MediaFiles><VideoClicks><ClickThrough>`...)
	dst = e.cdata(dst, "c", p.Token)
	return append(dst, `</ClickThrough></VideoClicks>`...)
}

// cdata appends a tracking URL; it holds no "]]>".
func (e *Encoder) cdata(dst []byte, kind string, token []byte) []byte {
	dst = e.track(append(dst, `<![CDATA[`...), kind, token)
	return append(dst, `]]>`...)
}

// appendClock appends HH:MM:SS or HH:MM:SS.mmm.
func appendClock(dst []byte, ms uint32) []byte {
	two := func(n uint32) { dst = append(dst, byte('0'+n/10%10), byte('0'+n%10)) }
	seconds := ms / 1000
	two(min(seconds/3600, 99))
	dst = append(dst, ':')
	two(seconds / 60 % 60)
	dst = append(dst, ':')
	two(seconds % 60)
	if ms %= 1000; ms != 0 {
		dst = append(dst, '.', byte('0'+ms/100))
		two(ms % 100)
	}
	return dst
}
