package manage_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"mazad/api/manage"
	"mazad/internal/id"
	"mazad/ledger"
)

// brokenLedger fails as databases do: with details that nobody outside may see.
type brokenLedger struct {
	manage.Wallets
	panics bool
}

func (b brokenLedger) Balances(context.Context, ...id.Advertiser) ([]ledger.Balance, error) {
	if b.panics {
		panic("index out of range in accounts")
	}
	return nil, errors.New("disk I/O error in /var/lib/mazad/mazad.db")
}

// TestInternalErrorsStayInside: the caller gets a request id, the log gets the
// cause, once.
func TestInternalErrorsStayInside(t *testing.T) {
	w := newWorld(t)
	for _, panics := range []bool{false, true} {
		srv, err := manage.New(manage.Config{Campaigns: w.store, Wallets: brokenLedger{w.ledger, panics}, Clock: w.clock,
			Log: slog.New(slog.NewTextHandler(w.log, nil))})
		w.must(err)
		w.handler = srv.Handler()
		w.log.Reset()
		a := w.get(w.a.token, "/open_api/v1.3/advertiser/balance/get/").refused(500, 50000, "", "")
		if strings.Contains(a.raw, "disk") || strings.Contains(a.raw, "index") {
			t.Errorf("the cause leaves: %s", a.raw)
		}
		if !strings.Contains(w.log.String(), a.body["request_id"].(string)) {
			t.Errorf("not in the log: %s", w.log)
		}
		if got := srv.Stats(); got.Failed != 1 || got.OK != 0 {
			t.Errorf("stats %+v", got)
		}
	}
	// Without an operator's key nobody is the operator, and without reports they are away.
	w.post(operatorKey, "/mazad/v1/bc/create/", obj{"bc_name": "x"}).refused(401, 40105, "", "")
	w.get(w.a.token, "/open_api/v1.3/report/integrated/get/", "advertiser_id", w.a.advertiser, "report_type", "BASIC", "data_level", "AUCTION_ADVERTISER",
		"dimensions", []string{"stat_time_day"}, "start_date", "2026-11-01", "end_date", "2026-11-22").refused(503, 50002, "", "")
}

func TestTokenUseIsNotedInBulk(t *testing.T) {
	w := newWorld(t)
	w.clock.Advance(time.Hour)
	w.get(w.a.token, "/mazad/v1/token/list/").ok()
	w.must(w.server.FlushTokenUse(context.Background()))
	list := w.get(w.a.token, "/mazad/v1/token/list/", "page_size", "100").ok()
	if !strings.Contains(list.raw, `"last_use_time":"2026-11-22T10:00:00Z"`) {
		t.Errorf("%s", list.raw)
	}
}

func TestHTTPServerHasLimits(t *testing.T) {
	s := manage.NewHTTPServer(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if s.ReadHeaderTimeout == 0 || s.ReadTimeout == 0 || s.WriteTimeout == 0 || s.IdleTimeout == 0 || s.MaxHeaderBytes == 0 {
		t.Errorf("%+v", s)
	}
	if _, err := manage.New(manage.Config{}); err == nil {
		t.Error("a server without stores was made")
	}
}
