package targeting

import (
	"fmt"
	"strconv"
	"strings"
)

// OS is the operating system of the device.
type OS uint8

// The systems that can be told apart. Other is a known system that is neither
// Android nor iOS.
const (
	OSUnknown OS = iota
	Android
	IOS
	Other
	osCount
)

var osNames = [osCount]string{"UNKNOWN", "ANDROID", "IOS", "OTHER"}

func (o OS) String() string {
	if o < osCount {
		return osNames[o]
	}
	return osNames[OSUnknown]
}

// ParseOS reads ANDROID, IOS or OTHER.
func ParseOS(s string) (OS, error) {
	for o := Android; o < osCount; o++ {
		if osNames[o] == s {
			return o, nil
		}
	}
	return 0, fmt.Errorf("operating system %q: want ANDROID, IOS or OTHER", clip(s))
}

// OSSet is a set of systems, bit o for OS o. The empty set is no constraint;
// OSUnknown is never a member.
type OSSet uint8

const allOS OSSet = 1<<osCount - 2

// OSOf is the set of the given systems.
func OSOf(systems ...OS) OSSet {
	var s OSSet
	for _, o := range systems {
		s |= 1 << o
	}
	return s
}

// Has reports whether o is a member.
func (s OSSet) Has(o OS) bool { return o < osCount && s&allOS>>o&1 == 1 }

// Version is an operating system version, major<<16|minor<<8|patch, so that
// versions compare as numbers. Zero is unknown.
type Version uint32

// ParseVersion reads one to three numbers joined by dots, "13" or "13.4.1":
// major up to 65535, minor and patch up to 255. Anything after a third dot is
// refused.
func ParseVersion(s string) (Version, error) {
	var v Version
	parts := strings.Split(s, ".")
	if len(parts) > 3 || len(s) > 16 {
		return 0, fmt.Errorf("version %q: want at most three numbers joined by dots", clip(s))
	}
	for i, limit := range [3]uint64{65535, 255, 255} {
		v <<= 8
		if i >= len(parts) {
			continue
		}
		n, err := strconv.ParseUint(parts[i], 10, 32)
		if err != nil || n > limit {
			return 0, fmt.Errorf("version %q: part %d: want a number from 0 to %d", clip(s), i+1, limit)
		}
		v |= Version(n)
	}
	return v, nil
}

func (v Version) String() string {
	s := strconv.Itoa(int(v>>16)) + "." + strconv.Itoa(int(v>>8&255))
	if v&255 != 0 {
		s += "." + strconv.Itoa(int(v&255))
	}
	return s
}

// Placement is where in the app, or through which door, the slot is shown.
type Placement uint8

// The placements. PlacementExchange is a slot offered over OpenRTB.
const (
	PlacementUnknown Placement = iota
	PlacementFeed
	PlacementSearch
	PlacementLive
	PlacementProfile
	PlacementExchange
	placementCount
)

var placementNames = [placementCount]string{"PLACEMENT_UNKNOWN", "PLACEMENT_FEED", "PLACEMENT_SEARCH", "PLACEMENT_LIVE", "PLACEMENT_PROFILE", "PLACEMENT_EXCHANGE"}

func (p Placement) String() string {
	if p < placementCount {
		return placementNames[p]
	}
	return placementNames[PlacementUnknown]
}

// ParsePlacement reads a name such as PLACEMENT_FEED.
func ParsePlacement(s string) (Placement, error) {
	for p := PlacementFeed; p < placementCount; p++ {
		if placementNames[p] == s {
			return p, nil
		}
	}
	return 0, fmt.Errorf("placement %q: want one of %s", clip(s), strings.Join(placementNames[1:], ", "))
}

// PlacementSet is a set of placements, bit p for Placement p. The empty set is
// no constraint; PlacementUnknown is never a member.
type PlacementSet uint8

const allPlacements PlacementSet = 1<<placementCount - 2

// PlacementsOf is the set of the given placements.
func PlacementsOf(places ...Placement) PlacementSet {
	var s PlacementSet
	for _, p := range places {
		s |= 1 << p
	}
	return s
}

// Has reports whether p is a member.
func (s PlacementSet) Has(p Placement) bool {
	return p < placementCount && s&allPlacements>>p&1 == 1
}
