package openrtb

import (
	"mazad/api/ads/scan"
	"mazad/audience"
	"mazad/serving"
	"mazad/targeting"
)

// device reads what is known of the device and where it is.
func (d *Decoder) device() {
	c, req := &d.c, d.req
	var osv, sua []byte
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		switch string(key) {
		case "ua":
			d.agent = c.Str(MaxText)
		case "ip":
			SetIP24(&req.IP24, c.Str(MaxText))
		case "os":
			req.OS = osOf(c.Str(MaxText))
		case "osv":
			osv = c.Str(MaxText)
		case "sua":
			sua = d.structuredAgent()
		case "language":
			if l := languageOf(c.Str(MaxText)); l != 0 {
				req.Language = l
			}
		case "langb":
			if l := languageOf(c.Str(MaxText)); req.Language == 0 {
				req.Language = l
			}
		case "geo":
			d.geo(true)
		case "lmt", "dnt":
			if c.Flag() {
				req.Signals.LMT = true
			}
		case "w", "h", "ppi", "devicetype":
			c.Int(0, maxCount)
		default:
			c.Skip()
		}
		if c.Failed() {
			c.In(key)
			return
		}
	}
	req.UserAgent = d.agent[:min(len(d.agent), serving.MaxUserAgent)]
	if len(osv) == 0 {
		osv = sua
	}
	req.OSVersion = versionOf(osv)
}

// structuredAgent reads device.sua: the operating system where os is absent.
func (d *Decoder) structuredAgent() (version []byte) {
	c := &d.c
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		if string(key) == "platform" {
			version = d.platform()
		} else {
			c.Skip()
		}
		if c.Failed() {
			c.In(key)
		}
	}
	return version
}

func (d *Decoder) platform() (version []byte) {
	c := &d.c
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		switch string(key) {
		case "brand":
			if o := osOf(c.Str(MaxText)); d.req.OS == targeting.OSUnknown {
				d.req.OS = o
			}
		case "version":
			c.Array()
			for i := 0; c.Item(); i++ {
				if part := c.Str(MaxText); i == 0 {
					version = part
				}
				if c.Failed() {
					c.InItem(i)
				}
			}
		default:
			c.Skip()
		}
		if c.Failed() {
			c.In(key)
		}
	}
	return version
}

// geo reads a place; only the device's is where the user is now.
func (d *Decoder) geo(device bool) {
	c := &d.c
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		switch string(key) {
		case "country":
			if code := c.Str(MaxText); device {
				d.req.Country = countryOf(code)
			}
		case "region":
			if code := c.Str(MaxText); device {
				d.region = code
			}
		case "accuracy":
			c.Int(0, maxCount)
		default:
			c.Skip()
		}
		if c.Failed() {
			c.In(key)
			return
		}
	}
}

// user reads who is asking. buyeruid is our own id of the user where the
// exchange has matched it, and goes before the exchange's id.
func (d *Decoder) user() {
	c, req := &d.c, d.req
	var theirs, ours []byte
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		switch string(key) {
		case "id":
			theirs = c.Str(MaxText)
		case "buyeruid":
			ours = c.Str(MaxText)
		case "yob":
			if age := d.youngest(d.year()); age != 0 && (req.Signals.Age == 0 || age < req.Signals.Age) {
				req.Signals.Age = age // given twice, the younger counts
			}
		case "gender":
			req.Gender = genderOf(c.Str(MaxText))
		case "keywords":
			c.Str(MaxText * 4) // of the user, not of the content: no tags
		case "geo":
			d.geo(false)
		case "consent":
			d.consent()
		case "ext":
			d.userExt()
		default:
			c.Skip()
		}
		if c.Failed() {
			c.In(key)
			return
		}
	}
	if len(ours) == 0 {
		ours = theirs
	}
	if len(ours) <= serving.MaxUserID {
		req.UserID = ours // a longer one cannot be one of ours
	}
}

// year reads user.yob; exchanges send it as a string too.
func (d *Decoder) year() (year int64) {
	if d.c.Kind() != scan.String {
		return d.c.Int(0, 9999)
	}
	digits := d.c.Str(MaxText)
	for _, b := range digits {
		if b < '0' || b > '9' || len(digits) > 4 {
			d.c.Fail(scan.WrongType, "a year of four digits")
			return 0
		}
		year = year*10 + int64(b-'0')
	}
	return year
}

// youngest is the least age that a year of birth allows, 0 when the year says nothing.
func (d *Decoder) youngest(year int64) uint8 {
	age := int64(d.now.Year()) - year - 1
	if year < 1900 || age < -1 || age > audience.MaxAge {
		return 0
	}
	return uint8(max(age, 1))
}

// consent reads a TCF string. Until it is parsed, its presence proves nothing
// but that GDPR may apply.
func (d *Decoder) consent() {
	if len(d.c.Str(MaxText*4)) > 0 {
		d.req.Signals.GDPR = true
	}
}

func (d *Decoder) userExt() {
	c := &d.c
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		if string(key) == "consent" {
			d.consent()
		} else {
			c.Skip()
		}
		if c.Failed() {
			c.In(key)
		}
	}
}

// regs reads the regulations, in the members of 2.6 and in the ext of 2.5.
func (d *Decoder) regs() {
	c := &d.c
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		switch string(key) {
		case "coppa":
			if c.Flag() {
				d.req.Signals.COPPA = true
			}
		case "ext":
			c.Object()
			for key, ok := c.Key(); ok; key, ok = c.Key() {
				d.regulation(key)
				if c.Failed() {
					c.In(key)
				}
			}
		default:
			d.regulation(key)
		}
		if c.Failed() {
			c.In(key)
			return
		}
	}
}

func (d *Decoder) regulation(key []byte) {
	c, sig := &d.c, &d.req.Signals
	switch string(key) {
	case "gdpr":
		if c.Flag() {
			sig.GDPR = true
		}
	case "us_privacy":
		if usOptOut(c.Str(MaxText)) {
			sig.Consent = audience.ConsentDenied
		}
	case "gpp":
		if len(c.Str(MaxText*4)) > 0 {
			sig.Consent = audience.ConsentDenied
		}
	case "gpp_sid":
		c.Array()
		for i := 0; c.Item(); i++ {
			if c.Int(-1, maxCount) > 0 {
				sig.Consent = audience.ConsentDenied
			}
			if c.Failed() {
				c.InItem(i)
			}
		}
	case "gpc":
		if c.Kind() == scan.String {
			sig.GPC = string(c.Str(MaxText)) == "1" || sig.GPC
		} else {
			sig.GPC = c.Flag() || sig.GPC
		}
	default:
		c.Skip()
	}
}

// usOptOut reads a us_privacy string, "1YNN": version, notice, opt-out, LSPA. A
// string that is not one proves no permission.
func usOptOut(s []byte) bool {
	if len(s) == 0 {
		return false
	}
	if len(s) != 4 || s[0] != '1' {
		return true
	}
	return s[2] != 'N' && s[2] != 'n' && s[2] != '-'
}

func genderOf(s []byte) targeting.Gender {
	switch string(s) {
	case "M", "m":
		return targeting.Male
	case "F", "f":
		return targeting.Female
	}
	return targeting.GenderUnlimited
}
