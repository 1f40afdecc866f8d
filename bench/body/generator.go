package body

import (
	"fmt"
	"math/rand/v2"
)

// Sizes of the bodies, in bytes.
const (
	OpenRTBBytes = 3100
	FeedBytes    = 1024
)

// Generator makes bodies.
type Generator struct {
	rng    *rand.Rand
	users  uint64
	serial uint64
	seed   uint64
}

// New returns a Generator. Users is how many different user ids appear ("u0"
// to "u<users-1>"); 0 means a million.
func New(seed, users uint64) *Generator {
	if users == 0 {
		users = 1_000_000
	}
	return &Generator{rng: rand.New(rand.NewPCG(seed, 0x626f6479)), users: users, seed: seed}
}

// market is a country with its languages and a few regions and cities.
type market struct {
	alpha2, alpha3, language, region, city, zone string
	cityID                                       uint32 // GeoNames
	utcOffset                                    int
	weight                                       int
}

// markets are where the made-up users live, by weight.
var markets = []market{
	{"US", "USA", "en", "CA", "Los Angeles", "America/Los_Angeles", 5368361, -480, 24},
	{"ID", "IDN", "id", "JK", "Jakarta", "Asia/Jakarta", 1642911, 420, 14},
	{"BR", "BRA", "pt", "SP", "Sao Paulo", "America/Sao_Paulo", 3448439, -180, 12},
	{"MX", "MEX", "es", "CMX", "Mexico City", "America/Mexico_City", 3530597, -360, 9},
	{"VN", "VNM", "vi", "SG", "Ho Chi Minh City", "Asia/Ho_Chi_Minh", 1566083, 420, 8},
	{"SA", "SAU", "ar", "01", "Riyadh", "Asia/Riyadh", 108410, 180, 7},
	{"GB", "GBR", "en", "ENG", "London", "Europe/London", 2643743, 0, 7},
	{"DE", "DEU", "de", "BE", "Berlin", "Europe/Berlin", 2950159, 60, 6},
	{"FR", "FRA", "fr", "IDF", "Paris", "Europe/Paris", 2988507, 60, 5},
	{"EG", "EGY", "ar", "C", "Cairo", "Africa/Cairo", 360630, 120, 5},
	{"JP", "JPN", "ja", "13", "Tokyo", "Asia/Tokyo", 1850147, 540, 3},
}

// Market is what a world needs to know to sell to the users of a country.
type Market struct {
	Country, Language string // ISO 3166-1 and 639-1
	City              uint32 // GeoNames
}

// Markets are the countries of the users, those with most users first.
func Markets() []Market {
	out := make([]Market, len(markets))
	for i, m := range markets {
		out[i] = Market{m.alpha2, m.language, m.cityID}
	}
	return out
}

// handset is a device with the user agent it would send.
type handset struct {
	make, model, os, osv, ua string
}

var handsets = []handset{
	{"Apple", "iPhone15,3", "iOS", "18.1.1", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"},
	{"Apple", "iPhone13,2", "iOS", "17.6", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"},
	{"Samsung", "SM-S921B", "Android", "15", "Mozilla/5.0 (Linux; Android 15; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36"},
	{"Xiaomi", "23049PCD8G", "Android", "14", "Mozilla/5.0 (Linux; Android 14; 23049PCD8G) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36"},
	{"OPPO", "CPH2591", "Android", "13", "Mozilla/5.0 (Linux; Android 13; CPH2591) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Mobile Safari/537.36"},
}

var topics = []string{"dance", "football", "cooking", "travel", "makeup", "gaming", "fitness", "comedy", "cars", "fashion", "music", "pets", "diy", "books", "news", "study"}

// draw is the person, device and content of one request.
type draw struct {
	serial uint64
	user   uint64
	market *market
	device *handset
	age    int
	female bool
	topics [3]string
	ip     [4]int
}

func (g *Generator) draw() draw {
	d := draw{serial: g.serial, user: g.rng.Uint64N(g.users), device: &handsets[g.rng.IntN(len(handsets))]}
	g.serial++
	total := 0
	for i := range markets {
		total += markets[i].weight
	}
	at := g.rng.IntN(total)
	for i := range markets {
		if at -= markets[i].weight; at < 0 {
			d.market = &markets[i]
			break
		}
	}
	d.age, d.female = 18+g.rng.IntN(47), g.rng.IntN(2) == 0
	first := g.rng.IntN(len(topics))
	for i := range d.topics {
		d.topics[i] = topics[(first+i*5)%len(topics)] // five and sixteen have no common divisor: three different
	}
	// 192.0.2.0/24, 198.51.100.0/24 and 203.0.113.0/24 are for documentation.
	net := [][3]int{{192, 0, 2}, {198, 51, 100}, {203, 0, 113}}[g.rng.IntN(3)]
	d.ip = [4]int{net[0], net[1], net[2], 1 + g.rng.IntN(254)}
	return d
}

// fill lengthens a body to size by writing letters at the marker, which every
// template has inside a string. A template that is too long is our mistake.
func (g *Generator) fill(dst []byte, marker, size int) []byte {
	lack := size - len(dst)
	if lack < 0 {
		panic(fmt.Sprintf("body: %d bytes before filling, want at most %d", len(dst), size))
	}
	tail := string(dst[marker:])
	dst = dst[:marker]
	for len(dst) < marker+lack {
		word := topics[g.rng.IntN(len(topics))]
		dst = append(dst, word...)
		dst = append(dst, ',')
	}
	dst = dst[:marker+lack]
	return append(dst, tail...)
}
