// Package openrtb is the OpenRTB 2.5/2.6 side of the hot door: it decodes bid
// requests into serving.Request, strictly, and writes bid responses with their
// markup (HTML banner, VAST 4.2, Native 1.2).
//
// Contract: a request is either refused, with the field, value, limit, line and
// column of the first fault, or understood; what the specification allows but we
// do not sell (audio, private deals, foreign currencies) makes the impression
// unsellable with a reason, never the request faulty. Members that are unknown
// and every `ext` but those of the privacy signals are skipped. Rules are those
// of the specification as prebid-server enforces them; a test runs its samples.
//
// We are a bidder: the price in the response is the bid, in units per thousand
// impressions, exact (one micro of CPM is one nano per impression); `burl` is the
// billable notice. Floors are rounded up to the next micro, so that a bid at the
// floor never lies below it.
//
// Privacy fails closed: regs.gdpr=1, a consent string, any GPP section or an
// opt-out in us_privacy means that permission is not proven, and the request is
// served contextually, until consent strings are parsed. The age is the youngest
// that the year of birth allows.
//
// Units: prices are money.Nanos per impression, which is micros of CPM.
//
// Concurrency: a Decoder and an Encoder belong to one goroutine at a time.
//
// Limits: MaxImps, MaxAssets, and the limits of serving.Request. What passes
// them is refused, except tags and sizes, of which the first ones are kept.
//
// Source: github.com/InteractiveAdvertisingBureau/openrtb2.x 2.6.md, OpenRTB
// Native 1.2, VAST 4.2.
package openrtb
