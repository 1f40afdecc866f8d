package manage

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"mazad/api/manage/wire"
	"mazad/internal/clock"
)

// Config is what a Server stands on. Campaigns, Wallets, Clock and Log are
// required.
type Config struct {
	Campaigns Campaigns
	Wallets   Wallets
	Reports   Reports // nil: reports answer 503 until there is one
	Clock     clock.Clock
	Log       *slog.Logger

	// OperatorKeySHA256 is the hash of the key that may create business centers
	// and fund wallets. Zero means that nobody may.
	OperatorKeySHA256 [sha256.Size]byte
}

// Server answers the marketing API. Safe for concurrent use.
type Server struct {
	campaigns Campaigns
	wallets   Wallets
	reports   Reports
	clock     clock.Clock
	log       *slog.Logger
	operator  [sha256.Size]byte
	contract  *contract
	docs      func() ([]byte, error)
	used      tokenUse
	stats     stats
}

// New loads the contract and returns a Server.
func New(cfg Config) (*Server, error) {
	switch {
	case cfg.Campaigns == nil, cfg.Wallets == nil, cfg.Clock == nil, cfg.Log == nil:
		return nil, fmt.Errorf("manage.Config: Campaigns, Wallets, Clock and Log are required")
	}
	c, err := loadContract()
	if err != nil {
		return nil, err
	}
	return &Server{campaigns: cfg.Campaigns, wallets: cfg.Wallets, reports: cfg.Reports, clock: cfg.Clock, log: cfg.Log,
		operator: cfg.OperatorKeySHA256, contract: c, docs: docsOnce(c)}, nil
}

// Handler answers every path of the contract, /openapi.yaml and /docs. Other
// handlers, such as the console's, may be mounted beside it on one mux: it
// owns /open_api/, /mazad/v1/, /openapi.yaml and /docs.
func (s *Server) Handler() http.Handler {
	strict := wire.NewStrictHandlerWithOptions(&api{s}, nil, wire.StrictHTTPServerOptions{
		RequestErrorHandlerFunc:  refuseInput,
		ResponseErrorHandlerFunc: refuseResult,
	})
	generated := wire.HandlerWithOptions(strict, wire.StdHTTPServerOptions{BaseRouter: http.NewServeMux(), ErrorHandlerFunc: refuseInput})
	front := &door{Server: s, next: generated}

	mux := http.NewServeMux()
	mux.Handle("/open_api/", front)
	mux.Handle("/mazad/v1/", front)
	mux.HandleFunc("GET /openapi.yaml", s.serveSpec)
	mux.HandleFunc("GET /docs", s.serveDocs)
	return s.guard(mux)
}

// guard puts on every answer what browsers need to be told, and refuses writes
// that another site's page sends with this site's cookies.
func (s *Server) guard(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := newAnswer(newRequestID())
		out.refuse(forbidden("the request comes from another origin"))
		out.flush(w, ModeStrict)
		s.stats.count(http.StatusForbidden, CodeForbidden)
	}))
	protected := cross.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		protected.ServeHTTP(w, r)
	})
}

// refuseInput keeps what the generated server could not read. The contract was
// checked before it, so this is a difference between the two: our fault unless
// it is a header.
func refuseInput(w http.ResponseWriter, _ *http.Request, err error) {
	if out, ok := w.(*answer); ok {
		out.fault = invalid("request", "MALFORMED", clip(err.Error(), 200))
	}
}

// refuseResult keeps what a handler returned as its error.
func refuseResult(w http.ResponseWriter, _ *http.Request, err error) {
	if out, ok := w.(*answer); ok {
		out.fault = asFault(err)
	}
}

// Timeouts of the HTTP server: a report may take half a minute, a header not.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 32 << 10
)

// NewHTTPServer returns a server for h with timeouts and limits; the caller
// listens and shuts it down.
func NewHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// FlushTokenUse writes when tokens were last used; call it every minute or so
// and before the end.
func (s *Server) FlushTokenUse(ctx context.Context) error {
	used := s.used.take()
	if len(used) == 0 {
		return nil
	}
	return s.campaigns.TouchTokens(ctx, used)
}

// Stats counts answers. Classes are bounded, so they can be metric labels.
type Stats struct {
	OK         uint64 // code 0
	Refused    uint64 // 4xx
	Failed     uint64 // 5xx
	Throttled  uint64 // 429
	TokensLost uint64 // last uses not noted because too many tokens were in use
}

type stats struct{ ok, refused, failed, throttled atomic.Uint64 }

func (s *stats) count(status int, code Code) {
	switch {
	case code == CodeOK && status < http.StatusBadRequest:
		s.ok.Add(1)
	case code >= CodeInternal || status >= http.StatusInternalServerError:
		s.failed.Add(1)
	case status == http.StatusTooManyRequests:
		s.throttled.Add(1)
	default:
		s.refused.Add(1)
	}
}

// Stats may be called at any time.
func (s *Server) Stats() Stats {
	return Stats{OK: s.stats.ok.Load(), Refused: s.stats.refused.Load(), Failed: s.stats.failed.Load(),
		Throttled: s.stats.throttled.Load(), TokensLost: s.used.lost.Load()}
}
