package openrtb

import (
	"bytes"
	"fmt"
	"hash/maphash"

	"mazad/targeting"

	"github.com/dgraph-io/ristretto/v2"
)

// Agents tells the operating system from a user agent string. Results are kept
// in a bounded cache: traffic repeats a few thousand strings. It is safe for
// concurrent use.
type Agents struct {
	cache *ristretto.Cache[uint64, uint64]
	seed  maphash.Seed
}

// NewAgents returns a cache of at most `entries` strings; each costs about 100 bytes.
func NewAgents(entries int64) (*Agents, error) {
	cache, err := ristretto.NewCache(&ristretto.Config[uint64, uint64]{
		NumCounters: entries * 10, // as ristretto's documentation advises
		MaxCost:     entries,
		BufferItems: 64,
		// Otherwise every entry is charged its own overhead and the cost of one
		// entry is no longer 1.
		IgnoreInternalCost: true,
	})
	if err != nil {
		return nil, fmt.Errorf("cache of %d user agents: %w", entries, err)
	}
	return &Agents{cache: cache, seed: maphash.MakeSeed()}, nil
}

// Close ends the cache's goroutines.
func (a *Agents) Close() { a.cache.Close() }

// Of returns the system and its version, zero where unknown.
func (a *Agents) Of(agent []byte) (targeting.OS, targeting.Version) {
	key := maphash.Bytes(a.seed, agent)
	if packed, ok := a.cache.Get(key); ok {
		return targeting.OS(packed >> 32), targeting.Version(packed)
	}
	os, version := classify(agent)
	a.cache.Set(key, uint64(os)<<32|uint64(version), 1)
	return os, version
}

// classify looks for the words by which each system is known. Windows Phone
// calls itself Android and iPhone too, so it comes first.
func classify(agent []byte) (targeting.OS, targeting.Version) {
	find := func(word string) []byte {
		_, after, found := bytes.Cut(agent, []byte(word))
		if !found {
			return nil
		}
		return after
	}
	if find("Windows") != nil {
		return targeting.Other, 0
	}
	if after := find("Android"); after != nil {
		return targeting.Android, versionOf(bytes.TrimLeft(after, " /-"))
	}
	if find("iPhone") != nil || find("iPad") != nil || find("iPod") != nil {
		for _, word := range [...]string{"iPhone OS ", "CPU OS ", "iOS "} {
			if after := find(word); after != nil {
				return targeting.IOS, versionOf(after)
			}
		}
		return targeting.IOS, 0
	}
	for _, word := range [...]string{"Mac OS X", "Macintosh", "Linux", "CrOS", "Tizen", "Web0S", "BlackBerry", "PlayStation"} {
		if find(word) != nil {
			return targeting.Other, 0
		}
	}
	return targeting.OSUnknown, 0
}

// OSOf reads the name of an operating system as devices and exchanges write it.
func OSOf(name []byte) targeting.OS { return osOf(name) }

func osOf(name []byte) targeting.OS {
	var low [16]byte
	if len(name) == 0 {
		return targeting.OSUnknown
	}
	if len(name) > len(low) {
		return targeting.Other
	}
	for i, b := range name {
		if b >= 'A' && b <= 'Z' {
			b += 'a' - 'A'
		}
		low[i] = b
	}
	switch string(low[:len(name)]) {
	case "android", "google android":
		return targeting.Android
	case "ios", "iphone os", "ipados", "iphone", "ipad", "apple ios":
		return targeting.IOS
	case "unknown":
		return targeting.OSUnknown
	}
	return targeting.Other
}

// VersionOf reads up to three leading numbers, "14.4.2", "6_1 like", "4.3-b2";
// zero when there is none or it cannot be packed.
func VersionOf(s []byte) targeting.Version { return versionOf(s) }

func versionOf(s []byte) targeting.Version {
	limits := [3]uint32{65535, 255, 255}
	var parts [3]uint32
	i := 0
	for part := 0; part < len(parts); part++ {
		from := i
		for i < len(s) && s[i]-'0' <= 9 {
			parts[part] = parts[part]*10 + uint32(s[i]-'0')
			if parts[part] > limits[part] {
				return 0
			}
			i++
		}
		if i == from || i == len(s) || s[i] != '.' && s[i] != '_' {
			break
		}
		i++
	}
	return targeting.Version(parts[0]<<16 | parts[1]<<8 | parts[2])
}
