// Package rtbkit turns bid requests in RTBkit's canonical JSON, as one ad exchange
// router logged them in January 2012, into OpenRTB 2.6 bid requests.
//
// Contract: every well-formed line becomes one request that keeps what OpenRTB
// has a place for, and nothing is made up. What has no place is counted by name,
// never dropped in silence. The same line gives the same bytes.
//
//	RTBkit                              OpenRTB 2.6
//	id                                  id
//	spots[].id, formats                 imp[].id, imp[].banner.format (w and h: the first)
//	spots[].reservePrice                imp[].bidfloor, where not zero: counted, its unit is unknown
//	spots[].position                    imp[].banner.pos (ABOVE 1, BELOW 3; NONE is left out)
//	url                                 site.page, site.domain; imp[].secure for https
//	exchange                            site.publisher.id; site.id where there is no page
//	language                            device.language
//	ipAddress, userAgent                device.ip, device.ua (without the ",gzip(gfe)" that a proxy added)
//	location.countryCode                device.geo.country (two letters become three)
//	location.regionCode, cityName       device.geo.region, city
//	location.dma, postalCode            device.geo.metro, zip
//	location.timezoneOffsetMinutes      device.geo.utcoffset (context_web counts west of UTC: negated)
//	userIds.xchg                        user.id
//	userIds.prov                        user.buyeruid
//	restrictions.clickUrl               badv
//	segments.adxVerticals               site.content.data[name=adx_verticals].segment[].id, value
//	timestamp                           Auction.Time (OpenRTB has no time)
//	always                              at=2, cur=[USD], tmax=100
//
// Counted as unsupported: creative attributes, sensitive categories and
// verticals in restrictions (AdX's own numbers, not IAB's), no page or one that is
// not http or https, the pseudo country A1, segments of the provider, and members
// this list does not know.
//
// Units: Auction.Time is UTC.
//
// Concurrency: a Converter belongs to one goroutine.
//
// Limits: a line has at most 64 KiB.
//
// Source: rtbkit/rtbkit, core/router/testing; OpenRTB 2.6 section 3.
package rtbkit
