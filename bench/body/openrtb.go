package body

import "fmt"

// OpenRTB appends an OpenRTB 2.6 request of an app with one impression that takes
// a banner or a video to dst, which must be empty but may have memory. One
// impression, one bid: what published figures of bidders count.
func (g *Generator) OpenRTB(dst []byte) []byte {
	d := g.draw()
	dst = fmt.Appendf(dst[:0], `{"id":"%016x%08x","at":1,"tmax":120,"cur":["USD"],"test":0,"allimps":0,`, g.seed, d.serial)
	dst = append(dst, `"imp":[`...)
	dst = fmt.Appendf(dst, `{"id":"1","tagid":"feed-top","secure":1,"instl":0,"bidfloor":%d.%02d,"bidfloorcur":"USD","displaymanager":"feedkit","displaymanagerver":"7.4.1",`, 0, 5+g.rng.IntN(90))
	dst = append(dst, `"banner":{"id":"b1","w":320,"h":480,"format":[{"w":320,"h":480},{"w":300,"h":250},{"w":320,"h":50}],"pos":1,"btype":[4],"battr":[1,2,5,8,9],"mimes":["image/jpeg","image/png","image/gif"],"api":[5,7],"topframe":1},`...)
	dst = append(dst, `"video":{"mimes":["video/mp4","video/webm"],"minduration":5,"maxduration":60,"protocols":[2,3,5,6,7,8],"w":720,"h":1280,"startdelay":0,"placement":4,"plcmt":4,"linearity":1,"skip":1,"skipmin":6,"skipafter":5,"minbitrate":300,"maxbitrate":4000,"playbackmethod":[1,6],"delivery":[2],"pos":7,"api":[7],"playbackend":1},`...)
	dst = append(dst, `"pmp":{"private_auction":0,"deals":[{"id":"open-feed-18","bidfloor":2.5,"bidfloorcur":"USD","at":1}]},"exp":1800,`...)
	dst = append(dst, `"ext":{"skadn":{"version":"4.0","sourceapp":"1234567890","skadnetids":["cstr6suwn9.skadnetwork","4fzdc2evr5.skadnetwork","2fnua5tdw4.skadnetwork"]}}}],`...)
	dst, marker := g.app(dst, &d)
	dst = g.person(dst, &d)
	dst = append(dst, `"regs":{"coppa":0,"gdpr":0,"us_privacy":"1YNN","ext":{"dsa":{"dsarequired":0,"pubrender":0,"datatopub":2}}},`...)
	dst = append(dst, `"bcat":["IAB7-39","IAB8-18","IAB8-5","IAB9-9","IAB14-1","IAB23","IAB24","IAB25","IAB26"],"badv":["ads.example","casino.example","lottery.example","loans.example","vape.example"],"bapp":["com.example.rival"],`...)
	dst = fmt.Appendf(dst, `"source":{"fd":0,"tid":"%016x%016x","pchain":"","schain":{"ver":"1.0","complete":1,"nodes":[{"asi":"exchange.example","sid":"pub-4711","hp":1,"rid":"%016x"},{"asi":"mediation.example","sid":"88","hp":1}]}}}`,
		g.rng.Uint64(), g.rng.Uint64(), g.rng.Uint64())
	return g.fill(dst, marker, OpenRTBBytes)
}

// app appends the app and its content, and says where its keywords may be
// lengthened to bring the body to its size.
func (g *Generator) app(dst []byte, d *draw) ([]byte, int) {
	dst = append(dst, `"app":{"id":"a-501","name":"Clips","bundle":"com.example.clips","domain":"clips.example","storeurl":"https://store.example/apps/com.example.clips","ver":"41.2.0","cat":["IAB1","IAB1-6"],"privacypolicy":1,"paid":0,"publisher":{"id":"pub-4711","name":"Clips Media","domain":"clips.example"},`...)
	dst = fmt.Appendf(dst, `"content":{"id":"v-%d","title":"%s and %s in one minute","genre":"%s","language":"%s","len":%d,"context":1,"userrating":"4.6","livestream":0,"cattax":7,"cat":["%d","%d"]},`,
		g.rng.IntN(1e9), d.topics[0], d.topics[1], d.topics[0], d.market.language, 10+g.rng.IntN(170), 1+g.rng.IntN(700), 1+g.rng.IntN(700))
	dst = fmt.Appendf(dst, `"keywords":"%s,%s,%s,`, d.topics[0], d.topics[1], d.topics[2])
	marker := len(dst)
	return append(dst, `"},`...), marker
}

func (g *Generator) person(dst []byte, d *draw) []byte {
	gender, connection := "M", 2
	if d.female {
		gender, connection = "F", 6
	}
	dst = fmt.Appendf(dst, `"device":{"ua":"%s","ip":"%d.%d.%d.%d","geo":{"lat":%d.%03d,"lon":%d.%03d,"type":2,"accuracy":20000,"ipservice":3,"country":"%s","region":"%s","city":"%s","utcoffset":%d},`,
		d.device.ua, d.ip[0], d.ip[1], d.ip[2], d.ip[3], 10+g.rng.IntN(50), g.rng.IntN(1000), g.rng.IntN(100), g.rng.IntN(1000), d.market.alpha3, d.market.region, d.market.city, d.market.utcOffset)
	dst = fmt.Appendf(dst, `"make":"%s","model":"%s","os":"%s","osv":"%s","hwv":"%s","w":1080,"h":2340,"ppi":420,"pxratio":2.625,"js":1,"language":"%s","carrier":"Example Mobile","mccmnc":"310-005","connectiontype":%d,"devicetype":4,"dnt":0,"lmt":0,"ifa":"%08x-%04x-4%03x-a%03x-%012x"},`,
		d.device.make, d.device.model, d.device.os, d.device.osv, d.device.model, d.market.language, connection,
		g.rng.Uint32(), g.rng.IntN(1<<16), g.rng.IntN(1<<12), g.rng.IntN(1<<12), g.rng.Uint64N(1<<48))
	return fmt.Appendf(dst, `"user":{"id":"u%d","buyeruid":"u%d","yob":%d,"gender":"%s","data":[{"id":"dmp-1","name":"example.dmp","segment":[{"id":"%d","name":"%s"},{"id":"%d","name":"%s"}]}]},`,
		d.user, d.user, birthYear(d.age), gender, 1000+g.rng.IntN(9000), d.topics[0], 1000+g.rng.IntN(9000), d.topics[1])
}

// birthYear is early enough that a user of that age is an adult in every month
// of the year the templates were made in.
func birthYear(age int) int { return 2025 - age }
