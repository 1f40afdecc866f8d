package ads

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"mazad/internal/clock"
	"mazad/serving"

	"github.com/valyala/fasthttp"
)

// RelayConfig is what a Relay is made of.
type RelayConfig struct {
	Secret []byte // that seals tokens: every node of a market has the same
	Clock  clock.Clock
	Log    *slog.Logger // nil = none
}

// Relay sends events to the nodes that are home to their tokens: many at a time,
// over connections that stay open. It implements serving.Homes; any goroutine.
type Relay struct {
	cfg   RelayConfig
	key   []byte
	peers atomic.Pointer[map[uint16]*peer] // replaced whole by SetPeers
	mu    sync.Mutex                       // held by SetPeers and Close
	work  sync.WaitGroup
	shut  bool

	Sent, Failed, Full atomic.Uint64 // events answered by their home; not answered; not even queued
	Parcels            atomic.Uint64
}

// Limits of the way to one node.
const (
	relayQueue   = 8192 // events waiting to be sent; more are refused
	relaySenders = 4    // parcels under way
	relayTimeout = 1500 * time.Millisecond
	relayRest    = 200 * time.Millisecond // after a failure, in which nothing is sent
	relayPath    = "/internal/v1/relay"
	relayAnswer  = 16 << 10
)

// peer is the way to one node.
type peer struct {
	r       *Relay
	node    uint16
	address string
	client  *fasthttp.HostClient
	queue   chan *letter
	stop    chan struct{}
	rest    atomic.Int64 // until when nothing is sent, ms
	down    atomic.Bool  // the last parcel failed: said once in the log
}

// letter is one event on its way.
type letter struct {
	ctx    context.Context
	item   []byte
	answer chan serving.Receipt // closed without one: the home did not answer
}

// NewRelay returns a Relay that knows nobody yet.
func NewRelay(cfg RelayConfig) (*Relay, error) {
	if cfg.Clock == nil {
		return nil, errors.New("api/ads: a relay needs a Clock")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	key, err := parcelKey(cfg.Secret)
	if err != nil {
		return nil, err
	}
	r := &Relay{cfg: cfg, key: key}
	r.peers.Store(&map[uint16]*peer{})
	return r, nil
}

// CheckPeer says what the address of a node must be, when s is not one.
func CheckPeer(s string) error {
	if _, err := peerURL(s); err != nil {
		return err
	}
	return nil
}

func peerURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Port() == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, errors.New("want http(s)://host:port of its ads door")
	}
	return u, nil
}

// SetPeers says where the other nodes are, by their number. Who is not among
// them any more gets nothing more; what waits for it is refused.
func (r *Relay) SetPeers(addresses map[uint16]string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shut {
		return nil
	}
	now := *r.peers.Load()
	next := make(map[uint16]*peer, len(addresses))
	var bad error
	for node, address := range addresses {
		if p := now[node]; p != nil && p.address == address {
			next[node] = p
			continue
		}
		u, err := peerURL(address)
		if err != nil {
			bad = errors.Join(bad, fmt.Errorf("node %d at %q: %w", node, address, err))
			continue
		}
		next[node] = r.begin(node, address, u)
	}
	r.peers.Store(&next)
	for node, p := range now {
		if next[node] != p {
			close(p.stop)
		}
	}
	return bad
}

func (r *Relay) begin(node uint16, address string, u *url.URL) *peer {
	p := &peer{r: r, node: node, address: address, queue: make(chan *letter, relayQueue), stop: make(chan struct{}),
		client: &fasthttp.HostClient{Addr: u.Host, IsTLS: u.Scheme == "https", MaxConns: 2 * relaySenders,
			MaxResponseBodySize: relayAnswer, ReadTimeout: relayTimeout, WriteTimeout: relayTimeout,
			NoDefaultUserAgentHeader: true, DisablePathNormalizing: true}}
	for range relaySenders {
		r.work.Go(p.run)
	}
	return p
}

// Peers are the nodes that are known now, and where.
func (r *Relay) Peers() map[uint16]string {
	out := map[uint16]string{}
	for node, p := range *r.peers.Load() {
		out[node] = p.address
	}
	return maps.Clone(out)
}

// Close refuses what waits and ends the senders.
func (r *Relay) Close() {
	r.mu.Lock()
	if !r.shut {
		r.shut = true
		for _, p := range *r.peers.Swap(&map[uint16]*peer{}) {
			close(p.stop)
		}
	}
	r.mu.Unlock()
	r.work.Wait()
}

// Beacon implements serving.Homes.
func (r *Relay) Beacon(ctx context.Context, home uint16, b *serving.Beacon) (serving.Receipt, bool) {
	return r.send(ctx, home, appendBeacon(nil, b))
}

// Conversion implements serving.Homes.
func (r *Relay) Conversion(ctx context.Context, home uint16, c *serving.Conversion) (serving.Receipt, bool) {
	return r.send(ctx, home, appendConversion(nil, c))
}

func (r *Relay) send(ctx context.Context, home uint16, item []byte) (receipt serving.Receipt, ok bool) {
	p := (*r.peers.Load())[home]
	if p == nil || len(item) > itemBytes || p.resting() {
		r.Failed.Add(1)
		return receipt, false
	}
	l := &letter{ctx: ctx, item: item, answer: make(chan serving.Receipt, 1)}
	select {
	case p.queue <- l:
	default:
		r.Full.Add(1)
		return receipt, false
	}
	select {
	case receipt, ok = <-l.answer:
	case <-ctx.Done():
	case <-p.stop:
	}
	if ok {
		r.Sent.Add(1)
	} else {
		r.Failed.Add(1)
	}
	return receipt, ok
}

// resting reports a node that failed a moment ago: nobody waits for it in vain.
func (p *peer) resting() bool {
	left := p.rest.Load() - p.r.cfg.Clock.Now().UnixMilli()
	return left > 0 && left <= relayRest.Milliseconds() // a clock set back does not make it longer
}

func (p *peer) run() {
	var letters []*letter
	var body []byte
	for {
		select {
		case <-p.stop:
			return
		case first := <-p.queue:
			letters, body = p.gather(append(letters[:0], first), append(body[:0], parcelMagic...))
		}
		if len(letters) > 0 {
			p.deliver(letters, body)
		}
		clear(letters)
	}
}

// gather takes what else waits into the same parcel, but not what nobody waits
// for any more.
func (p *peer) gather(letters []*letter, body []byte) ([]*letter, []byte) {
	body = append(body, 0, 0)
	first, kept := letters[0], letters[:0]
	add := func(l *letter) {
		if l.ctx.Err() == nil {
			kept, body = append(kept, l), append(body, l.item...)
		}
	}
	for add(first); len(kept) < parcelItems && len(body) < parcelBytes; {
		select {
		case l := <-p.queue:
			add(l)
			continue
		default:
		}
		break
	}
	binary.LittleEndian.PutUint16(body[4:], uint16(len(kept)))
	return kept, body
}

// deliver sends one parcel and hands out the receipts.
func (p *peer) deliver(letters []*letter, body []byte) {
	p.r.Parcels.Add(1)
	receipts, err := p.post(sealParcel(p.r.key, body), len(letters))
	if err != nil {
		p.rest.Store(p.r.cfg.Clock.Now().Add(relayRest).UnixMilli())
		if !p.down.Swap(true) {
			p.r.cfg.Log.Warn("a node does not take events of its tokens; it is tried again", "node", p.node, "address", p.address, "cause", err)
		}
	} else if p.down.Swap(false) {
		p.r.cfg.Log.Info("a node takes events of its tokens again", "node", p.node, "address", p.address)
	}
	for i, l := range letters {
		if err == nil {
			l.answer <- receipts[i]
		}
		close(l.answer)
	}
}

func (p *peer) post(body []byte, n int) ([]serving.Receipt, error) {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI(p.address + relayPath)
	req.Header.SetMethod(fasthttp.MethodPost)
	req.Header.SetContentType("application/octet-stream")
	req.SetBodyRaw(body)
	if err := p.client.DoTimeout(req, resp, relayTimeout); err != nil {
		return nil, err
	}
	if resp.StatusCode() != fasthttp.StatusOK {
		return nil, fmt.Errorf("status %d: %.100q", resp.StatusCode(), resp.Body())
	}
	return readAnswer(p.r.key, body[len(body)-parcelMAC:], resp.Body(), n)
}

// relayed answers a parcel of another node: each event is judged as if a device
// had sent it here, and the answer goes out when all are on disk.
func (s *Server) relayed(ctx *fasthttp.RequestCtx) {
	if s.cfg.Relay == nil {
		s.refuse(ctx, fasthttp.StatusNotFound, codeNotFound, "no such path")
		return
	}
	if !s.allow(ctx, fasthttp.MethodPost) {
		return
	}
	if !s.ackGate.enter() {
		s.stats.shedBeacons.Add(1)
		s.overload(ctx, "too many events are waiting")
		return
	}
	defer s.ackGate.leave()
	key := s.cfg.Relay.key
	list, mac, err := readParcel(key, ctx.Request.Body())
	if err != nil {
		s.stats.noKey.Add(1)
		s.refuse(ctx, fasthttp.StatusUnauthorized, codeNoKey, err.Error())
		return
	}
	sc := s.take()
	sc.events.reset(s.clock.Now(), Principal{}, nil)
	s.confirmAll(&sc.events, list)
	s.give(sc)
	ctx.SetContentType("application/octet-stream")
	ctx.Response.SetBodyRaw(appendAnswer(nil, key, mac, list))
}
