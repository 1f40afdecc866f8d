package body

import "fmt"

// FeedSlots is how many slots a feed body asks for.
const FeedSlots = 3

// Feed appends a request of POST /v1/ads for three slots to dst, which must be
// empty but may have memory.
func (g *Generator) Feed(dst []byte) []byte {
	d := g.draw()
	gender := "male"
	if d.female {
		gender = "female"
	}
	dst = fmt.Appendf(dst[:0], `{"request_id":"%016x%08x","user_id":"u%d","session_id":"s-%016x","slots":%d,"placement":"feed","formats":["video","image","carousel"],"floor_cpm":"0.%02d",`,
		g.seed, d.serial, d.user, g.rng.Uint64(), FeedSlots, 5+g.rng.IntN(40))
	dst = fmt.Appendf(dst, `"country":"%s","region":"%s-%s","city":%d,"language":"%s","age":%d,"gender":"%s",`,
		d.market.alpha2, d.market.alpha2, d.market.region, d.market.cityID, d.market.language, d.age, gender)
	dst = fmt.Appendf(dst, `"device":{"os":"%s","os_version":"%s","ip":"%d.%d.%d.%d","user_agent":"%s","lmt":false},`,
		osName(d.device.os), d.device.osv, d.ip[0], d.ip[1], d.ip[2], d.ip[3], d.device.ua)
	dst = append(dst, `"consent":{"personalized_ads":true,"gdpr":false,"gpc":false,"coppa":false},"recent_ads":[`...)
	for i := range 4 {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = fmt.Appendf(dst, `"%d"`, 1_800_000_000_000_000+g.rng.Uint64N(1e12))
	}
	dst = fmt.Appendf(dst, `],"context":{"hashtags":["%s","%s","%s"],"categories":["%s"],"sound":"snd-%d","creator_id":"c-%d","caption":"`,
		d.topics[0], d.topics[1], d.topics[2], d.topics[0], g.rng.IntN(5000), g.rng.IntN(20_000))
	marker := len(dst)
	dst = append(dst, `"}}`...)
	return g.fill(dst, marker, FeedBytes)
}

func osName(openrtb string) string {
	if openrtb == "iOS" {
		return "ios"
	}
	return "android"
}
