package ads

import (
	"bytes"

	"mazad/api/ads/openrtb"
	"mazad/api/ads/scan"
	"mazad/serving"
	"mazad/targeting"
)

// context reads what the content around the slot is about.
func (d *feedDecoder) context() {
	c := &d.c
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		switch string(key) {
		case "hashtags":
			d.tags("")
		case "categories":
			d.tags("cat:")
		case "sound":
			d.tag("sound:", c.Str(maxWord))
		case "creator_id":
			d.tag("creator:", c.Str(maxWord))
		case "live_session_id":
			d.tag("live:", c.Str(maxWord))
		default:
			c.Skip()
		}
		if c.Failed() {
			c.In(key)
			return
		}
	}
}

func (d *feedDecoder) tags(kind string) {
	c := &d.c
	c.Array()
	for i := 0; c.Item(); i++ {
		d.tag(kind, bytes.TrimPrefix(c.Str(maxWord), []byte{'#'}))
		if c.Failed() {
			c.InItem(i)
			return
		}
	}
}

// tag adds one tag; hashtags stand plain, other kinds are named in front.
func (d *feedDecoder) tag(kind string, value []byte) {
	if d.c.Failed() || len(value) == 0 {
		return
	}
	if len(d.req.Tags) == serving.MaxTags {
		d.c.Many(serving.MaxTags)
		return
	}
	if kind != "" {
		d.word = append(append(d.word[:0], kind...), value...)
		value = d.word
	}
	d.req.Tags = append(d.req.Tags, targeting.TagOf(value))
}

func (d *feedDecoder) device() {
	c := &d.c
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		if !d.deviceMember(key) {
			c.Skip()
		}
		if c.Failed() {
			c.In(key)
			return
		}
	}
}

// deviceMember reads a member of device, which may stand at the top too.
func (d *feedDecoder) deviceMember(key []byte) bool {
	c, req := &d.c, d.req
	switch string(key) {
	case "os":
		if req.OS = openrtb.OSOf(c.Str(maxWord)); req.OS == targeting.OSUnknown {
			c.Fail(scan.Unknown, "a name as android, ios or other")
		}
	case "os_version":
		raw := c.Str(32)
		if req.OSVersion = openrtb.VersionOf(raw); req.OSVersion == 0 && !c.Failed() {
			c.Fail(scan.Invalid, "numbers joined by dots, as 17.4.1")
		}
	case "ip":
		openrtb.SetIP24(&req.IP24, c.Str(45))
	case "user_agent":
		agent := c.Str(4096)
		req.UserAgent = agent[:min(len(agent), serving.MaxUserAgent)]
	case "lmt":
		if c.Flag() {
			req.Signals.LMT = true
		}
	default:
		return false
	}
	return true
}
