package prediction

import (
	"mazad/internal/id"
	"mazad/internal/money"
)

// Event is what a Learner is told.
type Event uint8

// The events.
const (
	SawImpression Event = iota
	SawClick
	SawView
	events
)

// counts are numbers of events at one level.
type counts [events]uint64

// adCounts also remembers what the ad backs off to.
type adCounts struct {
	counts
	adGroup id.AdGroup
}

type groupCounts struct {
	counts
	campaign id.Campaign
}

// Learner counts. Use NewLearner.
type Learner struct {
	cfg       Config
	global    counts
	campaigns map[id.Campaign]*counts
	adGroups  map[id.AdGroup]*groupCounts
	ads       map[id.Ad]*adCounts
	untracked uint64
}

// NewLearner returns a Learner that has seen nothing.
func NewLearner(cfg Config) (*Learner, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Learner{
		cfg:       cfg,
		campaigns: map[id.Campaign]*counts{},
		adGroups:  map[id.AdGroup]*groupCounts{},
		ads:       map[id.Ad]*adCounts{},
	}, nil
}

// Observe counts one event of an ad.
func (l *Learner) Observe(k *Key, e Event) {
	if e >= events {
		return
	}
	l.global[e]++
	c := l.campaigns[k.Campaign]
	if c == nil {
		c = new(counts)
		l.campaigns[k.Campaign] = c
	}
	c[e]++
	g := l.adGroups[k.AdGroup]
	if g == nil {
		g = &groupCounts{campaign: k.Campaign}
		l.adGroups[k.AdGroup] = g
	}
	g.counts[e]++
	a := l.ads[k.Ad]
	if a == nil {
		if len(l.ads) >= l.cfg.MaxAds {
			l.untracked++
			return
		}
		a = &adCounts{adGroup: k.AdGroup}
		l.ads[k.Ad] = a
	}
	a.counts[e]++
}

// Stats says how much is known.
type Stats struct {
	Impressions, Clicks, Views uint64
	Ads, AdGroups, Campaigns   int
	Untracked                  uint64 // events counted with the ad group only: MaxAds was reached
}

// Stats counts what was observed.
func (l *Learner) Stats() Stats {
	return Stats{
		Impressions: l.global[SawImpression], Clicks: l.global[SawClick], Views: l.global[SawView],
		Ads: len(l.ads), AdGroups: len(l.adGroups), Campaigns: len(l.campaigns), Untracked: l.untracked,
	}
}

// Publish computes a Model from the counts so far.
func (l *Learner) Publish(version uint64) *Model {
	prior := rates{Click: l.cfg.ClickRate, View: l.cfg.ViewRate}
	m := &Model{
		version:   version,
		global:    l.rates(Global, &l.global, prior),
		campaigns: make(map[id.Campaign]rates, len(l.campaigns)),
		adGroups:  make(map[id.AdGroup]rates, len(l.adGroups)),
		ads:       make(map[id.Ad]rates, len(l.ads)),
	}
	for k, c := range l.campaigns {
		m.campaigns[k] = l.rates(Campaign, c, m.global)
	}
	for k, g := range l.adGroups {
		m.adGroups[k] = l.rates(AdGroup, &g.counts, m.campaigns[g.campaign])
	}
	for k, a := range l.ads {
		m.ads[k] = l.rates(Ad, &a.counts, m.adGroups[a.adGroup])
	}
	return m
}

func (l *Learner) rates(level Level, c *counts, above rates) rates {
	n, s := c[SawImpression], l.cfg.Strength[level]
	var r [goals]money.PPB
	r[Click] = smooth(c[SawClick], n, s, above[Click])
	r[View] = smooth(c[SawView], n, s, above[View])
	return r
}
