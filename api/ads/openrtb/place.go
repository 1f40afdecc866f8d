package openrtb

import (
	"bytes"

	"mazad/api/ads/scan"
	"mazad/serving"
	"mazad/targeting"
)

// channel reads site, app or dooh: what the content around the ad is about.
func (d *Decoder) channel(site bool) {
	c := &d.c
	d.source++
	d.site = d.site || site
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		switch string(key) {
		case "id", "page":
			if len(c.Str(MaxText)) > 0 {
				d.place = true
			}
		case "cat", "sectioncat", "pagecat":
			d.categories()
		case "keywords":
			d.keywords()
		case "content":
			d.content()
		default:
			c.Skip()
		}
		if c.Failed() {
			c.In(key)
			return
		}
	}
}

func (d *Decoder) content() {
	c := &d.c
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		switch string(key) {
		case "cat":
			d.categories()
		case "keywords":
			d.keywords()
		default:
			c.Skip()
		}
		if c.Failed() {
			c.In(key)
			return
		}
	}
}

// categories reads a list of content categories; old exchanges send one as a
// plain string.
func (d *Decoder) categories() {
	c := &d.c
	if c.Kind() == scan.String {
		d.tag("cat:", c.Str(MaxText))
		return
	}
	c.Array()
	for i := 0; c.Item(); i++ {
		d.tag("cat:", c.Str(MaxText))
		if c.Failed() {
			c.InItem(i)
		}
	}
}

// keywords reads a comma-separated list.
func (d *Decoder) keywords() {
	list := d.c.Str(MaxText * 4)
	for len(list) > 0 && len(d.req.Tags) < serving.MaxTags {
		var word []byte
		word, list, _ = bytes.Cut(list, []byte{','})
		d.tag("", bytes.TrimSpace(word))
	}
}

// tag adds one tag of the content; those beyond the limit are left out, which
// only makes the request match less.
func (d *Decoder) tag(kind string, value []byte) {
	if len(value) == 0 || len(d.req.Tags) == serving.MaxTags {
		return
	}
	if kind != "" {
		d.word = append(append(d.word[:0], kind...), value...)
		value = d.word
	}
	d.req.Tags = append(d.req.Tags, targeting.TagOf(value))
}

// languageOf takes the first two letters of "en", "EN", "en-US" or "en_US".
func languageOf(s []byte) targeting.Language {
	if len(s) < 2 || len(s) > 2 && s[2] != '-' && s[2] != '_' {
		return 0
	}
	a, b := s[0]|0x20, s[1]|0x20
	if a < 'a' || a > 'z' || b < 'a' || b > 'z' {
		return 0
	}
	return targeting.Language(a)<<8 | targeting.Language(b) // packed as targeting does
}

// regionOf reads geo.region, with or without its country: "CA", "US-CA".
func (d *Decoder) regionOf(country targeting.Country, code []byte) targeting.Region {
	if country == 0 || len(code) == 0 || len(code) > 6 {
		return 0
	}
	b := d.word[:0]
	if len(code) < 4 || code[2] != '-' {
		b = append(b, byte(country>>8), byte(country), '-')
	}
	b = append(b, code...)
	for i, x := range b {
		if x >= 'a' && x <= 'z' {
			b[i] = x - 'a' + 'A'
		}
	}
	d.word = b
	r, err := targeting.ParseRegion(text(b))
	if err != nil || r.Country() != country {
		return 0
	}
	return r
}

// SetIP24 keeps the first three bytes of an IPv4 address.
func SetIP24(to *[3]byte, ip []byte) {
	var out [3]byte
	part, n := 0, -1
	for _, b := range ip {
		switch {
		case b >= '0' && b <= '9':
			n = max(n, 0)*10 + int(b-'0')
			if n > 255 {
				return
			}
		case b == '.' && n >= 0 && part < 3:
			out[part] = byte(n)
			part, n = part+1, -1
		default:
			return
		}
	}
	if part == 3 {
		*to = out
	}
}
