package rtbkit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// canonical is one line of the input. Members that only need counting stay raw.
type canonical struct {
	ID           string          `json:"id"`
	Timestamp    json.Number     `json:"timestamp"`
	Exchange     string          `json:"exchange"`
	URL          string          `json:"url"`
	Language     string          `json:"language"`
	IPAddress    string          `json:"ipAddress"`
	UserAgent    string          `json:"userAgent"`
	Location     *place          `json:"location"`
	Spots        []spot          `json:"spots"`
	Restrictions restrictions    `json:"restrictions"`
	Segments     segments        `json:"segments"`
	UserIDs      userIDs         `json:"userIds"`
	Version      json.RawMessage `json:"!!CV"`
	Protocol     json.RawMessage `json:"protocolVersion"`
	Provider     json.RawMessage `json:"provider"`
}

type place struct {
	CountryCode   string `json:"countryCode"`
	RegionCode    string `json:"regionCode"`
	CityName      string `json:"cityName"`
	PostalCode    string `json:"postalCode"`
	DMA           int    `json:"dma"`
	OffsetMinutes int    `json:"timezoneOffsetMinutes"`
}

type spot struct {
	ID           string      `json:"id"`
	Formats      []string    `json:"formats"`
	Position     string      `json:"position"`
	ReservePrice json.Number `json:"reservePrice"`
}

type restrictions struct {
	ClickURL  []string          `json:"clickUrl"`
	Attribute []json.RawMessage `json:"creativeAttribute"`
	Sensitive []json.RawMessage `json:"sensitiveCategoryAttribute"`
	Vertical  []json.RawMessage `json:"vertical"`
}

type segments struct {
	Verticals []vertical        `json:"adxVerticals"`
	Provider  []json.RawMessage `json:"adgear"`
}

// vertical is a topic of the page: a number, or a number and its weight.
type vertical struct{ id, weight json.Number }

func (v *vertical) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] != '[' {
		return json.Unmarshal(text, &v.id)
	}
	var pair [2]json.Number
	if err := json.Unmarshal(text, &pair); err != nil {
		return err
	}
	v.id, v.weight = pair[0], pair[1]
	return nil
}

type userIDs struct {
	Exchange string `json:"xchg"`
	Provider string `json:"prov"`
	AdX      string `json:"adx"`  // the same id under the exchange's name
	Context  string `json:"cweb"` // likewise
	AdGear   string `json:"ag"`   // the same as prov
}

// parse reads one line. A member that canonical does not know is no error: its
// name is returned, to be counted.
func parse(text []byte) (c canonical, unknown string, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	err = dec.Decode(&c)
	if err != nil {
		var known canonical
		if again := json.Unmarshal(text, &known); again != nil {
			return c, "", fmt.Errorf("not RTBkit's canonical JSON: %w", again)
		}
		return known, err.Error(), nil
	}
	return c, "", nil
}

func (c *canonical) validate() error {
	switch {
	case c.ID == "" || len(c.ID) > 128:
		return fmt.Errorf("id: %d characters, want 1 to 128", len(c.ID))
	case len(c.Spots) == 0 || len(c.Spots) > 64:
		return fmt.Errorf("spots: %d, want 1 to 64", len(c.Spots))
	}
	for i := range c.Spots {
		if slices.Contains(c.Spots[i].Formats, "") || len(c.Spots[i].Formats) == 0 {
			return fmt.Errorf("spots[%d].formats: empty", i)
		}
	}
	return nil
}
