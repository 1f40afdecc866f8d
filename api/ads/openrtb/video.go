package openrtb

import (
	"mazad/api/ads/scan"
	"mazad/serving"
)

// vastOf maps the inline protocols of list 5.8 to what is written in the
// version attribute. Wrapper protocols are not here: we serve inline.
var vastOf = [...]string{2: "2.0", 3: "3.0", 7: "4.0", 11: "4.1", 13: "4.2", 15: "4.3"}

const (
	newestProtocol = 13 // VAST 4.2, which the encoder writes
	knownProtocols = 16
)

// video reads a linear video impression.
func (d *Decoder) video(imp *Imp, slot *serving.Slot) {
	c, in := &d.c, &d.imp
	mimes := 0
	in.inline = true // until protocols say otherwise
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		switch string(key) {
		case "mimes":
			mimes, in.mp4 = d.mimes("video/mp4")
		case "protocols":
			_, imp.Protocol = d.protocols()
			in.inline = imp.Protocol != 0
		case "minduration":
			slot.MinDurationMS = millis(c.Int(0, maxCount))
		case "maxduration":
			slot.MaxDurationMS = millis(c.Int(0, maxCount))
		case "linearity":
			in.nonlinear = c.Int(0, maxCount) == 2
		case "w", "h", "minbitrate", "maxbitrate", "placement", "plcmt", "skip", "skipmin", "skipafter", "sequence":
			c.Int(0, maxCount)
		case "startdelay":
			c.Int(-maxCount, maxCount)
		default:
			c.Skip()
		}
		if c.Failed() {
			c.In(key)
			return
		}
	}
	if mimes == 0 {
		c.FailAt("mimes", scan.Missing, "at least one MIME type")
	}
}

// audio is not sold, but must be in order.
func (d *Decoder) audio() {
	c := &d.c
	mimes := 0
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		switch string(key) {
		case "mimes":
			mimes, _ = d.mimes("")
		case "minduration", "maxduration", "minbitrate", "maxbitrate", "sequence", "maxseq", "feed", "stitched", "nvol":
			c.Int(0, maxCount)
		case "startdelay":
			c.Int(-maxCount, maxCount)
		default:
			c.Skip()
		}
		if c.Failed() {
			c.In(key)
			return
		}
	}
	if mimes == 0 {
		c.FailAt("mimes", scan.Missing, "at least one MIME type")
	}
}

// mimes counts the types and looks for one.
func (d *Decoder) mimes(want string) (n int, found bool) {
	return mimesOf(&d.c, want)
}

func mimesOf(c *scan.Cursor, want string) (n int, found bool) {
	c.Array()
	for ; c.Item(); n++ {
		found = string(c.Str(MaxText)) == want || found
		if c.Failed() {
			c.InItem(n)
		}
	}
	return n, found
}

// protocols returns how many there are and the best inline one that we write.
func (d *Decoder) protocols() (n int, best uint8) {
	c := &d.c
	c.Array()
	for ; c.Item(); n++ {
		p := c.Int(1, maxCount)
		if p <= newestProtocol && vastOf[p] != "" {
			best = max(best, uint8(p))
		}
		if p == 15 {
			best = newestProtocol // a 4.3 player plays 4.2
		}
		if c.Failed() {
			c.InItem(n)
		}
	}
	return n, best
}

// millis converts seconds; what does not fit is no limit worth keeping.
func millis(seconds int64) uint32 {
	const most = 1<<32 - 1
	return uint32(min(seconds*1000, most))
}
