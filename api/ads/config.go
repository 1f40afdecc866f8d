package ads

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"mazad/audience/store"
	"mazad/internal/clock"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/serving"
)

// Decider chooses ads. Both methods fill resp, retain nothing, and are called
// from many goroutines.
type Decider interface {
	Decide(req *serving.Request, resp *serving.Response)
	// Explain is Decide with a trace, which it appends to dst as a JSON value.
	Explain(req *serving.Request, resp *serving.Response, dst []byte) []byte
}

// UserSink keeps what the app says about its users.
type UserSink interface {
	// Upsert replaces the users; nil means that they are on disk.
	Upsert(ctx context.Context, users []store.User) error
	// Forget destroys a user's key and profile.
	Forget(ctx context.Context, userID []byte) (found bool, err error)
}

// KeyKind is what an API key may be used for.
type KeyKind uint8

// The kinds.
const (
	KeyDecision KeyKind = iota // ad and bid requests
	KeyEvent                   // events and users
)

// Principal is who a key belongs to.
type Principal struct {
	Advertiser id.Advertiser // zero: the operator's own key
	Explain    bool          // may ask for the trace of a decision
}

// KeyChecker judges API keys; it must be fast and keep nothing of key. One that
// also has Away() bool says by it that it cannot know now: a key that it refuses
// is then answered 503, not 401.
type KeyChecker interface {
	Check(key []byte, kind KeyKind) (Principal, bool)
}

// AdvertiserChecker knows which advertisers there are; told is false when it
// cannot say now.
type AdvertiserChecker interface {
	Exists(adv id.Advertiser) (exists, told bool)
}

// Config is what a Server is made of.
type Config struct {
	Engine  Decider
	Confirm serving.Confirmer
	Users   UserSink // nil: /v1/users answers 404
	Keys    KeyChecker
	// Advertisers checks whose conversion an event of the operator's is; nil = not checked.
	Advertisers AdvertiserChecker
	Relay       *Relay         // takes events from other nodes; nil: there are none
	PublicURL   string         // where beacons reach this server: https://ads.example.com
	Currency    money.Currency // of the market
	Seat        string         // our seat at exchanges; empty = none
	// KeylessLoopback lets connections from this machine ask for ads without a
	// key, and explains to them. For a demo.
	KeylessLoopback bool
	// Trouble is why no event can be stored now, in words for its sender; empty
	// when all is well. nil: it is never known.
	Trouble func() string
	Limits  Limits
	Clock   clock.Clock
	Log     *slog.Logger // faults of ours only, never a request; nil = none
}

// Limits bounds what a client can make us hold. Zero means the default.
type Limits struct {
	FeedBytes   int // body of /v1/ads, after decompression; 64 KiB
	BidBytes    int // body of /openrtb2/bid, after decompression; 256 KiB
	EventsBytes int // body of /v1/events and /v1/users, after decompression; 1 MiB

	Connections     int // 32768; more are refused with 503
	AdsInFlight     int // ad requests being decided; 1024, more get an empty answer
	BeaconsInFlight int // beacons and event batches waiting for the disk; 16384, more get 503

	QueueTarget   time.Duration // in overload, an ad request that waited longer than this to be read gets an empty answer; 1 ms
	QueuePatience time.Duration // the same without overload; 100 ms
	QueueInterval time.Duration // over which overload is judged; 50 ms

	Read       time.Duration // of one request; 5 s
	Write      time.Duration // of one response; 5 s
	Idle       time.Duration // between requests of a connection; 75 s, above the 60 s of common proxies
	BeaconWait time.Duration // for the disk; 2 s, then 503
	LeastTMax  time.Duration // a bid request with less time than this is not worth the auction; 5 ms
	GzipAbove  int           // bytes of a response that are worth compressing when asked to; 4096
	RetryAfter time.Duration // what 503 asks for; 1 s
	Agents     int           // user agents cached; 65536
}

func (l Limits) withDefaults() Limits {
	def := func(p *int, n int) {
		if *p == 0 {
			*p = n
		}
	}
	wait := func(p *time.Duration, d time.Duration) {
		if *p == 0 {
			*p = d
		}
	}
	def(&l.FeedBytes, 64<<10)
	def(&l.BidBytes, 256<<10)
	def(&l.EventsBytes, 1<<20)
	def(&l.Connections, 32768)
	def(&l.AdsInFlight, 1024)
	def(&l.BeaconsInFlight, 16384)
	wait(&l.QueueTarget, time.Millisecond)
	wait(&l.QueuePatience, 100*time.Millisecond)
	wait(&l.QueueInterval, 50*time.Millisecond)
	wait(&l.Read, 5*time.Second)
	wait(&l.Write, 5*time.Second)
	wait(&l.Idle, 75*time.Second)
	wait(&l.BeaconWait, 2*time.Second)
	wait(&l.LeastTMax, 5*time.Millisecond)
	def(&l.GzipAbove, 4096)
	wait(&l.RetryAfter, time.Second)
	def(&l.Agents, 65536)
	return l
}

func (l *Limits) validate() error {
	for _, f := range [...]struct {
		name  string
		value int64
	}{
		{"FeedBytes", int64(l.FeedBytes)}, {"BidBytes", int64(l.BidBytes)}, {"EventsBytes", int64(l.EventsBytes)},
		{"Connections", int64(l.Connections)}, {"AdsInFlight", int64(l.AdsInFlight)}, {"BeaconsInFlight", int64(l.BeaconsInFlight)},
		{"QueueTarget", int64(l.QueueTarget)}, {"QueuePatience", int64(l.QueuePatience)}, {"QueueInterval", int64(l.QueueInterval)},
		{"Read", int64(l.Read)}, {"Write", int64(l.Write)}, {"Idle", int64(l.Idle)}, {"BeaconWait", int64(l.BeaconWait)},
		{"LeastTMax", int64(l.LeastTMax)}, {"GzipAbove", int64(l.GzipAbove)}, {"RetryAfter", int64(l.RetryAfter)}, {"Agents", int64(l.Agents)},
	} {
		if f.value < 0 {
			return fmt.Errorf("Limits.%s: %d: must be at least 0", f.name, f.value)
		}
	}
	return nil
}

func (c *Config) validate() error {
	switch {
	case c.Engine == nil:
		return errors.New("Engine is required")
	case c.Confirm == nil:
		return errors.New("Confirm is required")
	case c.Keys == nil:
		return errors.New("Keys is required")
	case c.Clock == nil:
		return errors.New("Clock is required")
	}
	if _, err := money.ParseCurrency(string(c.Currency)); err != nil {
		return fmt.Errorf("Currency: %w", err)
	}
	if err := CheckPublicURL(c.PublicURL); err != nil {
		return fmt.Errorf("PublicURL: %q: %w", c.PublicURL, err)
	}
	return c.Limits.validate()
}

// CheckPublicURL says what a PublicURL must be, when s is not one.
func CheckPublicURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" ||
		strings.HasSuffix(s, "/") || strings.ContainsAny(s, "\"\\<>'&] \t\r\n") {
		return errors.New("want http(s)://host without a query, and without a slash at the end")
	}
	return nil
}
