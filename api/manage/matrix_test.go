package manage_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// TestI11MatrixOfEveryOperation asks every operation of the contract about
// tenant A with every kind of token, and then asks with B's own advertiser and
// A's other ids. It is generated from the contract: a new operation is covered
// at once, and a new kind of id must be taught to sample or the test fails.
func TestI11MatrixOfEveryOperation(t *testing.T) {
	w := newWorld(t)
	ops := 0
	for path, item := range w.spec.doc.Paths.Map() {
		for method, op := range item.Operations() {
			ops++
			t.Run(op.OperationID, func(t *testing.T) {
				w := *w
				w.TB = t
				w.matrix(method, path, op)
			})
		}
	}
	if ops < 20 {
		t.Fatalf("only %d operations in the contract", ops)
	}
}

func (w *world) matrix(method, path string, op *openapi3.Operation) {
	scope := op.Extensions["x-scope"].(string)
	about := func(t tenants) *http.Request { return w.sample(method, path, op, t, t) }
	ask := func(token string, r *http.Request) answer {
		if token != "" {
			r.Header.Set("Access-Token", token)
		}
		before := w.revision()
		a := w.do(r)
		if a.code() != 0 && w.revision() != before {
			w.Errorf("refused, but something changed: %s", a.raw)
		}
		return a
	}
	if scope == "public" {
		return
	}
	ask("", about(w.a)).refused(http.StatusUnauthorized, 40104, "", "")
	ask(w.a.revoked, about(w.a)).refused(http.StatusUnauthorized, 40105, "", "")
	ask("mzd_management_guessed", about(w.a)).refused(http.StatusUnauthorized, 40105, "", "")
	ask(w.a.eventToken, about(w.a)).refused(http.StatusForbidden, 40001, "", "")

	foreign := map[string]string{"another advertiser's token": w.b.token, "another business center's token": w.b.bcToken}
	for who, token := range foreign {
		w.foreign(who, scope, ask(token, about(w.a)), ask(token, w.sample(method, path, op, nobody(), nobody())))
		if slices.Contains([]string{"advertiser", "owner"}, scope) {
			before := w.revision()
			a := ask(token, w.sample(method, path, op, w.b, w.a))
			w.leaksNothing(who+" with A's other ids", a, w.a)
			if changed := w.revision() != before; changed && !makesItsOwn(op) {
				w.Errorf("%s with A's other ids changed something: %s", who, a.raw)
			}
		}
	}
	for who, token := range map[string]string{"own token": w.a.token, "own business center's token": w.a.bcToken} {
		if r := w.sample(method, path, op, w.a, w.a); method == http.MethodGet && scope != "operator" {
			w.leaksNothing(who, ask(token, r).ok(), w.b)
		}
	}
}

// foreign expects that A's ids and ids that do not exist are answered alike.
func (w *world) foreign(who, scope string, a, none answer) {
	w.Helper()
	w.leaksNothing(who, a, w.a)
	switch scope {
	case "token":
		a.ok()
	case "operator":
		a.refused(http.StatusForbidden, 40001, "", "")
	default:
		if a.code() == 0 {
			w.Fatalf("%s was served: %s", who, a.raw)
		}
		if blank(a.raw) != blank(none.raw) || a.status != none.status {
			w.Errorf("%s can tell what exists:\n%d %s\n%d %s", who, a.status, a.raw, none.status, none.raw)
		}
	}
}

// blank takes out what may differ: ids and the request's own id.
func blank(s string) string {
	return regexp.MustCompile(`[0-9a-f]{32}|[0-9]{10,19}`).ReplaceAllString(s, "#")
}

func (w *world) leaksNothing(who string, a answer, of tenants) {
	w.Helper()
	if strings.Contains(a.raw, of.mark) || strings.Contains(a.raw, strings.ToLower(of.mark)) {
		w.Errorf("%s sees %s: %s", who, of.mark, a.raw)
	}
}

// makesItsOwn are writes that need no id of A and so rightly succeed for B.
func makesItsOwn(op *openapi3.Operation) bool {
	return slices.Contains([]string{"CampaignCreate", "TokenCreate", "AdvertiserUpdate"}, op.OperationID)
}

func nobody() tenants {
	return tenants{mark: "x", bc: "111111111111111111", advertiser: "111111111111111112", campaign: "111111111111111113", adGroup: "111111111111111114", ad: "111111111111111115", tokenID: "111111111111111116"}
}

// sample makes a request of an operation from the contract alone: every field
// that is required or is an id, accounts from one tenant and the rest from another.
func (w *world) sample(method, path string, op *openapi3.Operation, account, rest tenants) *http.Request {
	w.Helper()
	q := url.Values{}
	for _, ref := range op.Parameters {
		p := ref.Value
		if p.In != "query" || !p.Required && !isID(p.Name) && p.Name != "filtering" || p.Name == "bc_id" && hasParam(op, "advertiser_id") {
			continue
		}
		if media := p.Content.Get("application/json"); media != nil {
			q.Set(p.Name, string(w.json(w.value(p.Name, media.Schema.Value, account, rest))))
		} else {
			q.Set(p.Name, fmt.Sprint(w.value(p.Name, p.Schema.Value, account, rest)))
		}
	}
	if path == "/open_api/v1.3/report/integrated/get/" {
		q.Set("query_lifetime", "true")
		q.Set("dimensions", `["advertiser_id"]`)
	}
	target := path + "?" + q.Encode()
	if op.RequestBody == nil {
		return httptest.NewRequest(method, target, nil)
	}
	body := w.value("", op.RequestBody.Value.Content.Get("application/json").Schema.Value, account, rest)
	if m := body.(obj); m["advertiser_id"] != nil {
		delete(m, "bc_id")
	}
	r := httptest.NewRequest(method, target, strings.NewReader(string(w.json(body))))
	r.Header.Set("Content-Type", "application/json")
	return r
}

func isID(name string) bool { return strings.HasSuffix(name, "_id") || strings.HasSuffix(name, "_ids") }

func hasParam(op *openapi3.Operation, name string) bool {
	return slices.ContainsFunc(op.Parameters, func(p *openapi3.ParameterRef) bool { return p.Value.Name == name })
}
