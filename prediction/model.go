package prediction

import (
	"fmt"
	"math/bits"

	"mazad/internal/id"
	"mazad/internal/money"
)

// MinRate is the least that is ever predicted: at zero an ad could never
// compete again, and so never show that the zero was wrong.
const MinRate money.PPB = 1000

// Config sets the prior. The zero value of a field means its default.
type Config struct {
	ClickRate money.PPB      // of an ad nobody knows, before any observation; default 0.5 %
	ViewRate  money.PPB      // default 20 %
	Strength  [Levels]uint64 // impressions that the level above counts for; defaults in defaultStrength
	MaxAds    int            // default 2^21
}

// Level is a step of the back-off.
type Level uint8

// The levels, the broadest first.
const (
	Global Level = iota
	Campaign
	AdGroup
	Ad
	Levels
)

// defaultStrength: at a click rate of 0.5 % a thousand impressions bring five
// clicks, a standard error of 45 %, about the spread between siblings; the
// broader a level, the less its members have in common and the less it should
// hold them back.
var defaultStrength = [Levels]uint64{Global: 1000, Campaign: 500, AdGroup: 1000, Ad: 1000}

func (c Config) withDefaults() (Config, error) {
	if c.ClickRate == 0 {
		c.ClickRate = money.One / 200
	}
	if c.ViewRate == 0 {
		c.ViewRate = money.One / 5
	}
	if c.MaxAds == 0 {
		c.MaxAds = 1 << 21
	}
	for l := range c.Strength {
		if c.Strength[l] == 0 {
			c.Strength[l] = defaultStrength[l]
		}
		if c.Strength[l] > 1<<32 {
			return c, fmt.Errorf("prediction strength[%d] is %d impressions, want at most %d", l, c.Strength[l], 1<<32)
		}
	}
	switch {
	case c.ClickRate > money.One:
		return c, fmt.Errorf("prediction click_rate is %d parts per billion, want at most %d", c.ClickRate, money.One)
	case c.ViewRate > money.One:
		return c, fmt.Errorf("prediction view_rate is %d parts per billion, want at most %d", c.ViewRate, money.One)
	case c.MaxAds < 0 || c.MaxAds > 1<<26:
		return c, fmt.Errorf("prediction max_ads is %d, want 1 to %d", c.MaxAds, 1<<26)
	}
	return c, nil
}

type rates [goals]money.PPB

// Model is an immutable set of rates.
type Model struct {
	version   uint64
	global    rates
	campaigns map[id.Campaign]rates
	adGroups  map[id.AdGroup]rates
	ads       map[id.Ad]rates
}

// Version names the model in decision records.
func (m *Model) Version() uint64 { return m.version }

// Rate is the expected number of events per impression, from MinRate to
// money.One, by the narrowest level that has been observed. A publisher may
// call it once per ad and snapshot instead of once per candidate.
func (m *Model) Rate(goal Goal, k *Key) money.PPB {
	if r, ok := m.ads[k.Ad]; ok {
		return r[goal]
	}
	if r, ok := m.adGroups[k.AdGroup]; ok {
		return r[goal]
	}
	if r, ok := m.campaigns[k.Campaign]; ok {
		return r[goal]
	}
	return m.global[goal]
}

// smooth returns (events + strength x prior) / (impressions + strength),
// rounded half up, within [MinRate, One].
func smooth(events, impressions, strength uint64, prior money.PPB) money.PPB {
	total, over := bits.Add64(impressions, strength, 0)
	if over != 0 || events >= total {
		return money.One
	}
	hi, lo := bits.Mul64(events, uint64(money.One))
	h, l := bits.Mul64(strength, uint64(prior))
	lo, carry := bits.Add64(lo, l, 0)
	hi += h + carry
	lo, carry = bits.Add64(lo, total/2, 0)
	hi += carry
	if hi >= total {
		return money.One
	}
	q, _ := bits.Div64(hi, lo, total)
	return min(max(money.PPB(q), MinRate), money.One)
}
