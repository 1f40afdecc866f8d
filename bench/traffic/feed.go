package traffic

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"mazad/bench/load"
)

// FeedConfig says how people use the feed.
type FeedConfig struct {
	Address  string // host:port of the ads door
	EventKey string // for purchases; empty sends none
	Users    int    // user-0 to user-(n-1)
	Rate     int    // requests per second
	Workers  int    // default 8
	Seed     uint64
}

// FeedStats counts what the feed did. All fields are atomic.
type FeedStats struct {
	Requests, Filled, Ads, Impressions, Clicks, Views, Purchases, Failed atomic.Uint64
}

// Feed sends feed requests and what people do with the ads.
type Feed struct {
	cfg   FeedConfig
	stats FeedStats
}

// NewFeed checks cfg.
func NewFeed(cfg FeedConfig) (*Feed, error) {
	if cfg.Workers == 0 {
		cfg.Workers = 8
	}
	switch {
	case cfg.Rate < 1 || cfg.Rate > 1_000_000:
		return nil, fmt.Errorf("traffic rate: %d: want 1 to 1000000 a second", cfg.Rate)
	case cfg.Users < 1:
		return nil, fmt.Errorf("traffic users: %d: want at least 1", cfg.Users)
	case cfg.Workers < 1 || cfg.Workers > 1024:
		return nil, fmt.Errorf("traffic workers: %d: want 1 to 1024", cfg.Workers)
	}
	return &Feed{cfg: cfg}, nil
}

// Stats are the counters.
func (f *Feed) Stats() *FeedStats { return &f.stats }

// Run sends until ctx ends.
func (f *Feed) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	errs := make(chan error, f.cfg.Workers)
	for w := range f.cfg.Workers {
		wg.Go(func() {
			if err := f.work(ctx, w); err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

// scroller is one worker: a few people on one connection.
type scroller struct {
	f      *Feed
	rng    *rand.Rand
	client *load.Client
	body   bytes.Buffer
}

func (f *Feed) work(ctx context.Context, w int) error {
	client, err := load.Dial(f.cfg.Address, 5*time.Second)
	if err != nil {
		return err
	}
	defer client.Close()
	s := &scroller{f: f, rng: rand.New(rand.NewPCG(f.cfg.Seed, uint64(w)+1)), client: client}
	every := time.Second * time.Duration(f.cfg.Workers) / time.Duration(f.cfg.Rate)
	t := time.NewTicker(max(every, time.Microsecond))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			s.scroll(ctx)
		}
	}
}

// scene is a place and its people.
var scenes = []struct {
	country, region, language string
	weight                    int
}{
	{"SA", "SA-01", "ar", 30}, {"SA", "SA-02", "ar", 15}, {"AE", "AE-DU", "ar", 15}, {"EG", "EG-C", "ar", 15},
	{"DE", "DE-BE", "de", 10}, {"US", "US-CA", "en", 15},
}

var hashtags = []string{"food", "travel", "football", "beauty", "gaming", "cars", "fitness", "fashion", "comedy", "music"}

// scroll asks for ads once and lets the person react.
func (s *scroller) scroll(ctx context.Context) {
	user := s.rng.IntN(s.f.cfg.Users)
	s.ask(user)
	st := &s.f.stats
	st.Requests.Add(1)
	status, body, err := s.client.Do(load.Request("POST", s.f.cfg.Address, "/v1/ads", s.body.Bytes(), load.Header{Name: "Content-Type", Value: "application/json"}))
	if err != nil || status != 200 {
		st.Failed.Add(1)
		return
	}
	var answer struct {
		Ads []struct {
			AdID     string `json:"ad_id"`
			ImpURL   string `json:"imp_url"`
			ClickURL string `json:"click_url"`
			ViewURL  string `json:"view_url"`
		} `json:"ads"`
	}
	if json.Unmarshal(body, &answer) != nil {
		st.Failed.Add(1)
		return
	}
	if len(answer.Ads) > 0 {
		st.Filled.Add(1)
	}
	for _, ad := range answer.Ads {
		st.Ads.Add(1)
		if ctx.Err() != nil || s.rng.IntN(100) >= 92 { // prefetched, never seen
			continue
		}
		s.hit(ad.ImpURL, &st.Impressions)
		if s.rng.IntN(100) < 35 {
			s.hit(ad.ViewURL, &st.Views)
		}
		if s.rng.IntN(10_000) < appeal(ad.AdID) {
			s.hit(ad.ClickURL, &st.Clicks)
			if s.rng.IntN(100) < 8 && s.f.cfg.EventKey != "" {
				s.buy(ad.ClickURL)
			}
		}
	}
}

// appeal is an ad's hidden click rate in hundredths of a percent: what the
// server has to learn.
func appeal(adID string) int {
	h := uint32(2166136261)
	for i := range len(adID) {
		h = (h ^ uint32(adID[i])) * 16777619
	}
	return 40 + int(h%360)
}

// ask writes a request of a user. One in twenty is a minor, one in ten has said
// no, some are strangers.
func (s *scroller) ask(user int) {
	pick := user * 7919 % 100
	at := 0
	for sum := 0; ; at++ {
		if sum += scenes[at].weight; pick < sum {
			break
		}
	}
	sc := scenes[at]
	os, version := "ANDROID", "14"
	if user%3 == 0 {
		os, version = "IOS", "18.1"
	}
	s.body.Reset()
	fmt.Fprintf(&s.body, `{"user_id":"user-%d","session_id":"s%d","country":%q,"region":%q,"language":%q,"os":%q,"os_version":%q,"slots":%d,"placement":%q,`,
		user, s.rng.IntN(1_000_000), sc.country, sc.region, sc.language, os, version, 1+s.rng.IntN(3), []string{"feed", "feed", "feed", "search", "live", "profile"}[s.rng.IntN(6)])
	fmt.Fprintf(&s.body, `"age":%d,"gender":%q,"context":{"hashtags":[%q,%q],"sound":"sound-%d","creator_id":"creator-%d"},`,
		ageOf(user), []string{"female", "male"}[user%2], hashtags[s.rng.IntN(len(hashtags))], hashtags[s.rng.IntN(len(hashtags))], s.rng.IntN(500), s.rng.IntN(300))
	fmt.Fprintf(&s.body, `"consent":{"personalized_ads":%t}}`, user%10 != 9)
}

// ageOf gives every twentieth user an age under 18.
func ageOf(user int) int {
	if user%20 == 13 {
		return 13 + user%5
	}
	return 18 + user*31%47
}

// hit calls a tracking URL on the worker's own connection.
func (s *scroller) hit(address string, counted *atomic.Uint64) {
	u, err := url.Parse(address)
	if err != nil {
		s.f.stats.Failed.Add(1)
		return
	}
	status, _, err := s.client.Do(load.Request("GET", s.f.cfg.Address, u.RequestURI(), nil))
	if err != nil || status >= 400 {
		s.f.stats.Failed.Add(1)
		return
	}
	counted.Add(1)
}

// buy reports a purchase with our click id, as a shop's server would.
func (s *scroller) buy(clickURL string) {
	u, err := url.Parse(clickURL)
	if err != nil {
		return
	}
	const prefix = "/t/c/"
	if len(u.Path) <= len(prefix) {
		return
	}
	cents := 500 + s.rng.IntN(20_000)
	s.body.Reset()
	fmt.Fprintf(&s.body, `{"events":[{"type":"purchase","event":"COMPLETE_PAYMENT","event_id":"order-%s","click_id":%q,"timestamp":%d,"value":"%d.%02d","currency":"USD"}]}`,
		strconv.FormatUint(s.rng.Uint64(), 36), u.Path[len(prefix):], time.Now().UnixMilli(), cents/100, cents%100)
	status, _, err := s.client.Do(load.Request("POST", s.f.cfg.Address, "/v1/events", s.body.Bytes(),
		load.Header{Name: "Content-Type", Value: "application/json"}, load.Header{Name: "X-Api-Key", Value: s.f.cfg.EventKey}))
	if err != nil || status != 200 {
		s.f.stats.Failed.Add(1)
		return
	}
	s.f.stats.Purchases.Add(1)
}
