package manage_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"mazad/api/manage"
	"mazad/campaign"
	campaignstore "mazad/campaign/sqlstore"
	"mazad/internal/clock"
	"mazad/internal/sqldb"
	ledgerstore "mazad/ledger/sqlstore"
	"mazad/reporting"
)

const operatorKey = "mzd_operator_of_the_tests"

// start is where the tests' clock stands: a Sunday morning.
var start = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// world is a server on real stores in a temporary directory, with two business
// centers that must never see each other.
type world struct {
	testing.TB
	clock   *clock.Fake
	store   *campaignstore.Store
	ledger  *ledgerstore.Store
	server  *manage.Server
	handler http.Handler
	spec    *spec
	reports *fakeReports
	log     *bytes.Buffer
	a, b    tenants
}

// tenants is one business center with one advertiser and one of everything.
type tenants struct {
	mark                             string // part of every name, to be searched for in foreign answers
	bc, advertiser, campaign         string
	adGroup, ad                      string
	bcToken, token, tokenID          string
	tiktokToken, eventToken, revoked string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{TB: t, clock: clock.NewFake(start), spec: loadSpec(t), reports: newFakeReports(t), log: &bytes.Buffer{}}
	ctx := context.Background()
	db, err := sqldb.Open(ctx, sqldb.Config{Dir: t.TempDir(), Clock: w.clock})
	w.must(err)
	t.Cleanup(func() { _ = db.Close() })
	w.store, err = campaignstore.Open(ctx, db, campaignstore.Config{Clock: w.clock})
	w.must(err)
	w.ledger, err = ledgerstore.Open(ctx, db, ledgerstore.Config{Clock: w.clock})
	w.must(err)
	w.server, err = manage.New(manage.Config{Campaigns: w.store, Wallets: w.ledger, Reports: w.reports, Clock: w.clock,
		Log: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})), OperatorKeySHA256: sha256.Sum256([]byte(operatorKey))})
	w.must(err)
	w.handler = w.server.Handler()
	w.a, w.b = w.settle("Alpha"), w.settle("Bravo")
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// settle makes a business center with everything in it, through the API.
func (w *world) settle(mark string) tenants {
	w.Helper()
	t := tenants{mark: mark}
	t.bc = w.post(operatorKey, "/mazad/v1/bc/create/", obj{"bc_name": mark + " Media"}).ok().text("bc_id")
	token := func(owner, id, scope, mode, name string) answer {
		return w.post(operatorKey, "/mazad/v1/token/create/", obj{"name": mark + " " + name, "scope": scope, "mode": mode, owner: id}).ok()
	}
	t.bcToken = token("bc_id", t.bc, "management", "strict", "agency").text("access_token")
	t.advertiser = w.post(t.bcToken, "/open_api/v1.3/advertiser/create/", obj{"advertiser_name": mark + " Shoes", "currency": "EUR", "timezone": "Europe/Berlin"}).ok().text("advertiser_id")
	own := token("advertiser_id", t.advertiser, "management", "strict", "own")
	t.token, t.tokenID = own.text("access_token"), own.text("token", "token_id")
	t.tiktokToken = token("advertiser_id", t.advertiser, "management", "tiktok", "sdk").text("access_token")
	t.eventToken = token("advertiser_id", t.advertiser, "event", "strict", "pixel").text("access_token")
	gone := token("advertiser_id", t.advertiser, "management", "strict", "old")
	t.revoked = gone.text("access_token")
	w.post(t.token, "/mazad/v1/token/revoke/", obj{"token_id": gone.text("token", "token_id")}).ok()
	w.post(operatorKey, "/mazad/v1/wallet/topup/", obj{"advertiser_id": t.advertiser, "amount": raw("100.5"), "request_id": "first"}).ok()
	t.campaign = w.post(t.token, "/open_api/v1.3/campaign/create/", t.newCampaign()).ok().text("campaign_id")
	t.adGroup = w.post(t.token, "/open_api/v1.3/adgroup/create/", t.newAdGroup()).ok().text("adgroup_id")
	t.ad = w.post(t.token, "/open_api/v1.3/ad/create/", t.newAds()).ok().list("ad_ids")[0].(string)
	return t
}

func (t tenants) newCampaign() obj {
	return obj{"advertiser_id": t.advertiser, "campaign_name": t.mark + " autumn", "objective_type": "TRAFFIC", "budget_mode": "BUDGET_MODE_DAY", "budget": raw("50.25")}
}

func (t tenants) newAdGroup() obj {
	return obj{"advertiser_id": t.advertiser, "campaign_id": t.campaign, "adgroup_name": t.mark + " Berlin", "optimization_goal": "CLICK", "billing_event": "CPC",
		"bid_price": raw("0.35"), "location_ids": []string{"DE"}, "age_groups": []string{"AGE_25_34", "AGE_35_44"}}
}

func (t tenants) newAds() obj {
	return obj{"advertiser_id": t.advertiser, "adgroup_id": t.adGroup, "creatives": []obj{{"ad_name": t.mark + " clip", "ad_format": "SINGLE_VIDEO", "ad_text": "Walk on",
		"video_url": "https://cdn.example.com/" + t.mark + ".mp4", "landing_page_url": "https://" + strings.ToLower(t.mark) + ".example.com/shoes", "call_to_action": "SHOP_NOW"}}}
}

type obj map[string]any

// raw is a JSON number as it is written.
func raw(s string) json.RawMessage { return json.RawMessage(s) }

func (w *world) post(token, path string, body any, headers ...string) answer {
	w.Helper()
	b, isText := body.(string)
	if !isText {
		enc, err := json.Marshal(body)
		w.must(err)
		b = string(enc)
	}
	return w.send(http.MethodPost, token, path, strings.NewReader(b), append([]string{"Content-Type", "application/json"}, headers...)...)
}

// get sends a query of name, value pairs; what is not a string is JSON-encoded.
func (w *world) get(token, path string, pairs ...any) answer {
	w.Helper()
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		text, isText := pairs[i+1].(string)
		if !isText {
			b, err := json.Marshal(pairs[i+1])
			w.must(err)
			text = string(b)
		}
		q.Add(pairs[i].(string), text)
	}
	return w.send(http.MethodGet, token, path+"?"+q.Encode(), nil)
}

func (w *world) send(method, token, target string, body io.Reader, headers ...string) answer {
	w.Helper()
	r := httptest.NewRequest(method, target, body)
	if token != "" {
		r.Header.Set("Access-Token", token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return w.do(r)
}

// do serves a request and checks the response against the contract.
func (w *world) do(r *http.Request) answer {
	w.Helper()
	path := r.URL.Path
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	a := answer{TB: w.TB, status: rec.Code, header: rec.Header(), raw: rec.Body.String()}
	dec := json.NewDecoder(bytes.NewReader(rec.Body.Bytes()))
	dec.UseNumber()
	if err := dec.Decode(&a.body); err != nil {
		w.Fatalf("%s %s: the answer is not JSON: %v\n%s", r.Method, path, err, a.raw)
	}
	w.spec.checkResponse(w.TB, r.Method, path, a)
	return a
}

// answer is a response that is known to follow the contract.
type answer struct {
	testing.TB
	status int
	header http.Header
	raw    string
	body   map[string]any
}

func (a answer) code() int {
	n, _ := a.body["code"].(json.Number).Int64()
	return int(n)
}

func (a answer) ok() answer {
	a.Helper()
	if a.status != http.StatusOK || a.code() != 0 {
		a.Fatalf("refused with %d: %s", a.status, a.raw)
	}
	return a
}

// refused expects a status, a code and, in the first detail, field and code.
func (a answer) refused(status, code int, field, detail string) answer {
	a.Helper()
	if a.status != status || a.code() != code {
		a.Fatalf("got %d %d, want %d %d: %s", a.status, a.code(), status, code, a.raw)
	}
	if field == "" && detail == "" {
		return a
	}
	for _, e := range a.body["errors"].([]any) {
		if e := e.(map[string]any); e["field"] == field && e["code"] == detail {
			return a
		}
	}
	a.Fatalf("no %s of %s in: %s", detail, field, a.raw)
	return a
}

// at walks into data.
func (a answer) at(path ...string) any {
	a.Helper()
	v := a.body["data"]
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			a.Fatalf("no %s in: %s", strings.Join(path, "."), a.raw)
		}
		v = m[p]
	}
	return v
}

func (a answer) text(path ...string) string {
	a.Helper()
	return fmt.Sprint(a.at(path...))
}

func (a answer) list(path ...string) []any {
	a.Helper()
	l, ok := a.at(path...).([]any)
	if !ok {
		a.Fatalf("%s is no list: %s", strings.Join(path, "."), a.raw)
	}
	return l
}

// revision is how many edits there were; it tells whether anything changed.
func (w *world) revision() campaign.Revision {
	w.Helper()
	_, rev, err := w.store.Changed(context.Background(), 0)
	w.must(err)
	return rev
}

// fakeReports checks a query as reporting does, then answers one row: the
// ClickHouse behind the real Reports is always away, so what passes its checks
// comes back as ErrAway.
type fakeReports struct {
	checks manage.Reports
	asked  []reporting.Query
	away   bool
}

func newFakeReports(t testing.TB) *fakeReports {
	client, err := reporting.NewClient(reporting.ClientConfig{Locate: reporting.At("")})
	if err != nil {
		t.Fatal(err)
	}
	real, err := reporting.NewReports(reporting.ReportsConfig{Client: client, Through: func() time.Time { return start }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(real.Close)
	return &fakeReports{checks: real}
}

func (f *fakeReports) Report(ctx context.Context, q reporting.Query) (*reporting.Result, error) {
	if _, err := f.checks.Report(ctx, q); !errors.Is(err, reporting.ErrAway) || f.away {
		return nil, err
	}
	f.asked = append(f.asked, q)
	row := reporting.Row{Currency: "EUR", Dimensions: map[reporting.Dimension]string{}, Metrics: map[reporting.Metric]string{}}
	for _, d := range q.Dimensions {
		row.Dimensions[d] = "1"
	}
	for _, m := range q.Metrics {
		row.Metrics[m] = "12.5"
	}
	return &reporting.Result{Rows: []reporting.Row{row}, Totals: []reporting.Row{row}, DataThrough: start, PageInfo: reporting.PageInfo{TotalRows: 1}}, nil
}

// page fetches what is not part of the contract.
func (w *world) page(path string) answer {
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
	return answer{TB: w.TB, status: rec.Code, header: rec.Header(), raw: rec.Body.String()}
}
