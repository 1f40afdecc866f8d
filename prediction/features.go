package prediction

import (
	"mazad/internal/id"
	"mazad/internal/money"
)

// Contextual is what may be known of a request in the contextual universe.
type Contextual struct {
	Placement uint8
	Slot      uint8
	OS        uint8
	AgeBand   uint8
	HourUTC   uint8
	Language  uint16 // as targeting packs it
	Country   uint16 // as targeting packs it
}

// Personal is what may be known of a request in the personal universe.
type Personal struct {
	Contextual
	Age       uint8 // years, 0 unknown
	Gender    uint8
	OSVersion uint32
	City      uint32
	Interests []uint32
	Segments  []uint32
}

// Goal is what is predicted.
type Goal uint8

// The goals.
const (
	Click Goal = iota
	View
	goals
)

// Key names an ad and what it backs off to.
type Key struct {
	Ad       id.Ad
	AdGroup  id.AdGroup
	Campaign id.Campaign
}

// Contextual predicts for a request of the contextual universe. The prior reads
// no feature yet; the learner that follows it will.
func (m *Model) Contextual(goal Goal, k *Key, _ *Contextual) money.PPB { return m.Rate(goal, k) }

// Personal predicts for a request of the personal universe.
func (m *Model) Personal(goal Goal, k *Key, _ *Personal) money.PPB { return m.Rate(goal, k) }
