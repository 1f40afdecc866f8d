package rtbkit

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Auction is one converted bid request.
type Auction struct {
	ID   string
	Time time.Time // when the exchange sent it
	Body []byte    // OpenRTB 2.6 JSON
}

// Count is how often a part of the input found no place in OpenRTB.
type Count struct {
	Part string
	N    int
}

// Converter converts lines and counts what it could not keep.
type Converter struct {
	counts map[string]int
}

// NewConverter returns a Converter that has counted nothing.
func NewConverter() *Converter { return &Converter{counts: map[string]int{}} }

// Unsupported lists the counted parts by name.
func (v *Converter) Unsupported() []Count {
	var list []Count
	for _, part := range slices.Sorted(maps.Keys(v.counts)) {
		list = append(list, Count{part, v.counts[part]})
	}
	return list
}

func (v *Converter) count(part string, n int) {
	if n > 0 {
		v.counts[part] += n
	}
}

// Convert converts one line.
func (v *Converter) Convert(text []byte) (*Auction, error) {
	c, unknown, err := parse(text)
	if err == nil {
		err = c.validate()
	}
	if err != nil {
		return nil, err
	}
	if unknown != "" {
		v.count("unknown member: "+unknown, 1)
	}
	seconds, err := strconv.ParseFloat(c.Timestamp.String(), 64)
	if err != nil || seconds < 0 || seconds > math.MaxInt32 {
		return nil, fmt.Errorf("timestamp: %q is not a number of seconds since 1970", c.Timestamp)
	}
	r := bidRequest{ID: c.ID, Auction: 2, MaxMS: 100, Cur: []string{"USD"}, BAdv: c.Restrictions.ClickURL}
	r.Site = v.site(&c)
	for i := range c.Spots {
		m, err := v.imp(&c.Spots[i], strings.HasPrefix(r.Site.Page, "https:"))
		if err != nil {
			return nil, fmt.Errorf("spots[%d].%w", i, err)
		}
		r.Imp = append(r.Imp, m)
	}
	r.Device = v.device(&c)
	r.User = v.user(&c)
	v.count("restrictions.creativeAttribute", len(c.Restrictions.Attribute))
	v.count("restrictions.sensitiveCategoryAttribute", len(c.Restrictions.Sensitive))
	v.count("restrictions.vertical", len(c.Restrictions.Vertical))
	v.count("segments.adgear", len(c.Segments.Provider))
	body, err := json.Marshal(&r)
	if err != nil {
		return nil, fmt.Errorf("write OpenRTB: %w", err)
	}
	return &Auction{ID: c.ID, Time: time.UnixMicro(int64(math.Round(seconds * 1e6))).UTC(), Body: body}, nil
}

func (v *Converter) imp(s *spot, secure bool) (imp, error) {
	m := imp{ID: s.ID}
	if secure {
		m.Secure = 1
	}
	for _, text := range s.Formats {
		ws, hs, _ := strings.Cut(text, "x")
		w, errW := strconv.ParseUint(ws, 10, 16)
		h, errH := strconv.ParseUint(hs, 10, 16)
		if errW != nil || errH != nil || w == 0 || h == 0 {
			return m, fmt.Errorf("formats: %q is not a width and height such as 300x250", text)
		}
		m.Banner.Format = append(m.Banner.Format, format{int(w), int(h)})
	}
	m.Banner.W, m.Banner.H = m.Banner.Format[0].W, m.Banner.Format[0].H
	switch s.Position {
	case "ABOVE":
		m.Banner.Pos = 1
	case "BELOW":
		m.Banner.Pos = 3
	case "NONE", "":
	default:
		v.count("spots.position "+s.Position, 1)
	}
	if p := s.ReservePrice.String(); p != "" && p != "0" {
		v.count("spots.reservePrice: unknown unit", 1)
	}
	return m, nil
}

func (v *Converter) site(c *canonical) site {
	var s site
	if c.Exchange != "" {
		s.Publisher = &publisher{c.Exchange}
	}
	switch u, err := url.Parse(c.URL); {
	case c.URL == "":
		v.count("url: none", 1)
	case err != nil:
		v.count("url: not a URL", 1)
	case u.Scheme != "http" && u.Scheme != "https":
		v.count("url: scheme "+u.Scheme, 1)
	default:
		s.Page, s.Domain = c.URL, strings.ToLower(u.Hostname())
	}
	if s.Page == "" {
		s.ID = c.Exchange // all that is known of the place
	}
	if len(c.Segments.Verticals) > 0 {
		d := data{Name: "adx_verticals"}
		for _, w := range c.Segments.Verticals {
			d.Segment = append(d.Segment, segment{w.id.String(), w.weight.String()})
		}
		s.Content = &content{Data: []data{d}}
	}
	return s
}

// alpha3 maps the two-letter country codes of the input to OpenRTB's three.
var alpha3 = map[string]string{"US": "USA", "CA": "CAN", "GB": "GBR", "JM": "JAM", "JE": "JEY"}

func (v *Converter) device(c *canonical) device {
	d := device{UA: strings.TrimSuffix(c.UserAgent, ",gzip(gfe)"), IP: c.IPAddress, Language: c.Language}
	p := c.Location
	if p == nil {
		return d
	}
	d.Geo = &geo{Country: alpha3[p.CountryCode], Region: p.RegionCode, City: p.CityName, Zip: p.PostalCode, UTCOffset: p.OffsetMinutes}
	if p.CountryCode != "" && d.Geo.Country == "" {
		v.count("location.countryCode "+p.CountryCode, 1)
	}
	if p.DMA != 0 {
		d.Geo.Metro = strconv.Itoa(p.DMA)
	}
	if c.Exchange == "context_web" {
		d.Geo.UTCOffset = -p.OffsetMinutes
	}
	return d
}

func (v *Converter) user(c *canonical) *user {
	for _, other := range []string{c.UserIDs.AdX, c.UserIDs.Context} {
		if other != "" && other != c.UserIDs.Exchange {
			v.count("userIds: another id of the exchange", 1)
		}
	}
	if c.UserIDs.AdGear != "" && c.UserIDs.AdGear != c.UserIDs.Provider {
		v.count("userIds.ag", 1)
	}
	if c.UserIDs.Exchange == "" && c.UserIDs.Provider == "" {
		return nil
	}
	return &user{ID: c.UserIDs.Exchange, BuyerUID: c.UserIDs.Provider}
}
