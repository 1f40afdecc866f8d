package traffic

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mazad/bench/load"
	"mazad/bench/rtbkit"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// ExchangeConfig says how recorded requests are played.
type ExchangeConfig struct {
	Address string // host:port of the ads door
	Workers int    // connections; default 4
	Seed    uint64
}

// ExchangeReport is what came of it.
type ExchangeReport struct {
	Requests, Bids, NoBids, Refused, Failed uint64
	Impressions, Clicks, Wins, Losses       uint64
	P50, P99, Max                           time.Duration // of the bid request alone
	Took                                    time.Duration
}

// Exchange offers recorded auctions to the bidder and plays the winner's part.
type Exchange struct {
	cfg ExchangeConfig

	requests, bids, noBids, refused, failed, impressions, clicks, wins, losses atomic.Uint64

	mu   sync.Mutex // guards hist
	hist *hdrhistogram.Histogram
}

// NewExchange checks cfg.
func NewExchange(cfg ExchangeConfig) (*Exchange, error) {
	if cfg.Workers == 0 {
		cfg.Workers = 4
	}
	if cfg.Workers < 1 || cfg.Workers > 1024 {
		return nil, fmt.Errorf("exchange workers: %d: want 1 to 1024", cfg.Workers)
	}
	return &Exchange{cfg: cfg, hist: hdrhistogram.New(1, 60_000_000, 3)}, nil
}

// Play sends every auction of a file, and calls progress now and then.
func (e *Exchange) Play(ctx context.Context, file string, converter *rtbkit.Converter, progress func(done uint64)) (*ExchangeReport, error) {
	started := time.Now()
	queue := make(chan []byte, 256)
	var wg sync.WaitGroup
	for w := range e.cfg.Workers {
		client, err := load.Dial(e.cfg.Address, 5*time.Second)
		if err != nil {
			close(queue)
			return nil, err
		}
		p := &player{e: e, rng: rand.New(rand.NewPCG(e.cfg.Seed, uint64(w)+1)), client: client, hist: hdrhistogram.New(1, 60_000_000, 3)}
		wg.Go(func() {
			defer client.Close()
			for body := range queue {
				p.offer(body)
			}
			e.mu.Lock()
			e.hist.Merge(p.hist)
			e.mu.Unlock()
		})
	}
	err := converter.ReadFile(file, func(a *rtbkit.Auction) error {
		select {
		case queue <- a.Body:
		case <-ctx.Done():
			return ctx.Err()
		}
		if progress != nil && e.requests.Load()%500 == 0 {
			progress(e.requests.Load())
		}
		return nil
	})
	close(queue)
	wg.Wait()
	if err != nil {
		return nil, err
	}
	us := func(q float64) time.Duration { return time.Duration(e.hist.ValueAtQuantile(q)) * time.Microsecond }
	return &ExchangeReport{
		Requests: e.requests.Load(), Bids: e.bids.Load(), NoBids: e.noBids.Load(), Refused: e.refused.Load(), Failed: e.failed.Load(),
		Impressions: e.impressions.Load(), Clicks: e.clicks.Load(), Wins: e.wins.Load(), Losses: e.losses.Load(),
		P50: us(50), P99: us(99), Max: time.Duration(e.hist.Max()) * time.Microsecond, Took: time.Since(started),
	}, nil
}

// player is one connection of the exchange.
type player struct {
	e      *Exchange
	rng    *rand.Rand
	client *load.Client
	hist   *hdrhistogram.Histogram
}

// bid is the part of a bid that an exchange acts on.
type bid struct {
	Price json.Number `json:"price"`
	NURL  string      `json:"nurl"`
	BURL  string      `json:"burl"`
	LURL  string      `json:"lurl"`
	AdM   string      `json:"adm"`
}

// offer sends one bid request and what follows from the bid.
func (p *player) offer(body []byte) {
	begun := time.Now()
	status, answer, err := p.client.Do(load.Request("POST", p.e.cfg.Address, "/openrtb2/bid", body,
		load.Header{Name: "Content-Type", Value: "application/json"}, load.Header{Name: "X-OpenRTB-Version", Value: "2.6"}))
	_ = p.hist.RecordValue(max(time.Since(begun).Microseconds(), 1))
	p.e.requests.Add(1)
	switch {
	case err != nil || status >= 500:
		p.e.failed.Add(1)
	case status == 204:
		p.e.noBids.Add(1)
	case status != 200:
		p.e.refused.Add(1)
	default:
		p.e.bids.Add(1)
		var r struct {
			SeatBid []struct {
				Bid []bid `json:"bid"`
			} `json:"seatbid"`
		}
		if json.Unmarshal(answer, &r) != nil {
			p.e.failed.Add(1)
			return
		}
		for _, s := range r.SeatBid {
			for i := range s.Bid {
				p.auction(&s.Bid[i])
			}
		}
	}
}

var (
	impressionURL = regexp.MustCompile(`https?://[^"'<>\\ ]+/t/i/[A-Za-z0-9_-]+`)
	clickURL      = regexp.MustCompile(`https?://[^"'<>\\ ]+/t/c/[A-Za-z0-9_-]+`)
)

// auction plays the exchange's side: two bids in three win, at 60 to 100 % of
// their price; of ten wins nine are seen, of a hundred one is clicked.
func (p *player) auction(b *bid) {
	if p.rng.IntN(3) == 0 {
		p.e.losses.Add(1)
		p.get(strings.ReplaceAll(b.LURL, "${AUCTION_LOSS}", "102"), nil)
		return
	}
	p.e.wins.Add(1)
	price := p.price(b.Price)
	p.get(b.NURL, nil)
	if p.rng.IntN(10) == 0 {
		return
	}
	p.get(strings.ReplaceAll(b.BURL, "${AUCTION_PRICE}", price), nil)
	if u := impressionURL.FindString(b.AdM); u != "" {
		p.get(u, &p.e.impressions)
	}
	if p.rng.IntN(100) == 0 {
		if u := clickURL.FindString(b.AdM); u != "" {
			p.get(u, &p.e.clicks)
		}
	}
}

// price is a decimal between 60 and 100 % of the bid, cut off at six places.
func (p *player) price(bid json.Number) string {
	v, err := bid.Float64()
	if err != nil {
		return "0"
	}
	micros := int64(v * 1e6 * (0.6 + 0.4*p.rng.Float64()))
	return fmt.Sprintf("%d.%06d", micros/1_000_000, micros%1_000_000)
}

func (p *player) get(address string, counted *atomic.Uint64) {
	u, err := url.Parse(address)
	if address == "" || err != nil {
		return
	}
	status, _, err := p.client.Do(load.Request("GET", p.e.cfg.Address, u.RequestURI(), nil))
	if err != nil || status >= 400 {
		p.e.failed.Add(1)
		return
	}
	if counted != nil {
		counted.Add(1)
	}
}
