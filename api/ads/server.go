package ads

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"strconv"
	"sync"

	"mazad/api/ads/arrival"
	"mazad/api/ads/openrtb"
	"mazad/internal/clock"
	"mazad/internal/money"

	"github.com/valyala/fasthttp"
)

// Server answers the hot endpoints.
type Server struct {
	// immutable after New
	cfg      Config
	limits   Limits
	clock    clock.Clock
	currency money.Currency
	agents   *openrtb.Agents
	ortb     openrtb.Config
	http     fasthttp.Server
	beacons  context.Context // ends when Shutdown gives up waiting
	giveUp   context.CancelFunc

	stats   Stats
	queue   pressure
	adGate  gate
	ackGate gate
	pool    sync.Pool // *scratch

	mu       sync.Mutex // guards the rest
	stopped  bool
	listener *onceListener // nil until Serve
}

// New checks cfg and returns a Server that listens nowhere yet.
func New(cfg Config) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("api/ads: %w", err)
	}
	l := cfg.Limits.withDefaults()
	agents, err := openrtb.NewAgents(int64(l.Agents))
	if err != nil {
		return nil, fmt.Errorf("api/ads: %w", err)
	}
	s := &Server{cfg: cfg, limits: l, clock: cfg.Clock, currency: cfg.Currency, agents: agents}
	s.ortb = openrtb.Config{Currency: cfg.Currency, Seat: cfg.Seat, Agents: agents}
	s.queue.init(&l)
	s.adGate.limit, s.ackGate.limit = int64(l.AdsInFlight), int64(l.BeaconsInFlight)
	s.beacons, s.giveUp = context.WithCancel(context.Background())
	s.pool.New = func() any { return newScratch(s) }
	s.http = fasthttp.Server{
		Handler:               s.Handler,
		ErrorHandler:          s.protocolError,
		HeaderReceived:        s.bodyLimit,
		Name:                  "",
		NoDefaultServerHeader: true,
		NoDefaultContentType:  true,
		Concurrency:           l.Connections,
		ReadTimeout:           l.Read,
		WriteTimeout:          l.Write,
		IdleTimeout:           l.Idle,
		MaxRequestBodySize:    max(l.FeedBytes, l.BidBytes, l.EventsBytes, mostPerParcel),
		ReadBufferSize:        8 << 10,  // request line and headers, with a token in the path
		WriteBufferSize:       16 << 10, // an answer with ten ads goes out in one system call
		TCPKeepalive:          true,

		DisablePreParseMultipartForm: true, // a body is JSON or refused, never files
		CloseOnShutdown:              true,
		Logger:                       silent{},
	}
	return s, nil
}

// silent drops fasthttp's own log lines: they repeat what clients send.
type silent struct{}

func (silent) Printf(string, ...any) {}

// Serve answers on ln until Shutdown; it returns nil after that, also when
// Shutdown came first.
func (s *Server) Serve(ln net.Listener) error {
	once := &onceListener{Listener: arrival.Listener(ln)}
	s.mu.Lock()
	s.listener = once
	stopped := s.stopped
	s.mu.Unlock()
	if stopped {
		return once.Close()
	}
	if err := s.http.Serve(once); err != nil {
		return fmt.Errorf("serving ads on %s: %w", ln.Addr(), err)
	}
	return nil
}

// onceListener is a listener that may be closed twice: by us, and by fasthttp.
type onceListener struct {
	net.Listener
	once sync.Once
	err  error
}

func (l *onceListener) Close() error {
	l.once.Do(func() { l.err = l.Listener.Close() })
	return l.err
}

// Shutdown stops accepting, answers what was begun and returns. When ctx ends
// first, beacons that still wait for the disk get 503.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stats.draining.Store(true)
	err := errors.Join(s.stopListening(), s.http.ShutdownWithContext(ctx))
	s.giveUp()
	s.agents.Close()
	if err != nil {
		return fmt.Errorf("stopping the ads server: %w", err)
	}
	return nil
}

// stopListening closes the listener here, because fasthttp forgets a shutdown
// that comes before its Serve has noted the listener, and would serve for ever.
func (s *Server) stopListening() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	if s.listener == nil {
		return nil
	}
	return s.listener.Close()
}

// Stats are the server's counters.
func (s *Server) Stats() *Stats { return &s.stats }

// bodyLimit sets the size of the body that a path may have.
func (s *Server) bodyLimit(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	// A request with two lengths may have been cut elsewhere by a proxy: what
	// stands behind it on the connection is not read (RFC 9112, 6.1).
	if h.ContentLength() == chunked && bytes.Contains(bytes.ToLower(h.RawHeaders()), []byte("content-length")) {
		h.SetConnectionClose()
	}
	return fasthttp.RequestConfig{MaxRequestBodySize: s.limitOf(h)}
}

// chunked is what fasthttp says of the length of a chunked body.
const chunked = -1

// limitOf is the size of the body that a request may have.
func (s *Server) limitOf(h *fasthttp.RequestHeader) int {
	path, _, _ := bytes.Cut(h.RequestURI(), []byte{'?'})
	return s.bodyBytes(routeOf(path))
}

func (s *Server) bodyBytes(r Route) int {
	switch r {
	case RouteFeed:
		return s.limits.FeedBytes
	case RouteBid:
		return s.limits.BidBytes
	case RouteEvents, RouteUsers:
		return s.limits.EventsBytes
	case RouteRelay:
		return mostPerParcel
	}
	return 1 << 10 // sendBeacon posts a few bytes
}

// protocolError answers what fasthttp could not read as a request.
func (s *Server) protocolError(ctx *fasthttp.RequestCtx, err error) {
	var small *fasthttp.ErrSmallBuffer
	var network net.Error
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		s.refuse(ctx, fasthttp.StatusRequestEntityTooLarge, codeTooLarge, "the body must be at most "+strconv.Itoa(s.limitOf(&ctx.Request.Header))+" bytes")
	case errors.As(err, &small):
		s.refuse(ctx, fasthttp.StatusRequestHeaderFieldsTooLarge, codeTooLarge, "the request line and headers are larger than 8 KiB")
	case errors.As(err, &network) && network.Timeout():
		s.refuse(ctx, fasthttp.StatusRequestTimeout, codeInvalid, "the request did not arrive in time")
	default:
		s.refuse(ctx, fasthttp.StatusBadRequest, codeInvalid, "not an HTTP/1.1 request")
	}
	s.stats.count(RouteOther, ctx.Response.StatusCode())
}

// Handler answers one request.
func (s *Server) Handler(ctx *fasthttp.RequestCtx) {
	defer s.recover(ctx)
	path := ctx.Path()
	route := routeOf(path)
	waited, _ := arrival.WaitOf(ctx.Conn())
	switch route {
	case RouteFeed, RouteBid:
		s.ask(ctx, route, waited)
	case RouteImpression, RouteView, RouteBill, RouteWin, RouteLoss:
		s.beacon(ctx, route)
	case RouteClick:
		s.click(ctx)
	case RouteEvents:
		s.events(ctx)
	case RouteUsers:
		s.users(ctx)
	case RouteHealth:
		s.health(ctx)
	case RouteRelay:
		s.relayed(ctx)
	default:
		s.refuse(ctx, fasthttp.StatusNotFound, codeNotFound, "no such path")
	}
	s.stats.count(route, ctx.Response.StatusCode())
}

// recover turns a panic of ours into a 500: the other requests of this process
// are worth more than the one that failed.
func (s *Server) recover(ctx *fasthttp.RequestCtx) {
	p := recover()
	if p == nil {
		return
	}
	s.stats.panics.Add(1)
	if s.cfg.Log != nil {
		s.cfg.Log.Error("a request panicked", "route", routeOf(ctx.Path()).String(), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	}
	ctx.Response.Reset()
	s.refuse(ctx, fasthttp.StatusInternalServerError, codeInternal, "internal error")
	s.stats.count(routeOf(ctx.Path()), fasthttp.StatusInternalServerError)
}

func (s *Server) health(ctx *fasthttp.RequestCtx) {
	if s.stats.draining.Load() {
		s.refuse(ctx, fasthttp.StatusServiceUnavailable, codeOverload, "stopping")
		return
	}
	ctx.SetContentType(jsonType)
	ctx.SetBodyString(`{"status":"ok"}`)
}
