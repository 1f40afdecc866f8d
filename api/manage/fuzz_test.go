package manage

import (
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"mazad/api/manage/wire"
)

// The fuzzers are in the package itself because through HTTP and SQLite a
// fuzzer runs a few inputs per second, and here many thousands.

// FuzzBody: what passes the contract's check is read by the generated decoder,
// and checking it again changes nothing; in both modes.
func FuzzBody(f *testing.F) {
	c, err := loadContract()
	if err != nil {
		f.Fatal(err)
	}
	op := c.ops["/open_api/v1.3/adgroup/create/"][http.MethodPost]
	f.Add(`{"advertiser_id":"1","campaign_id":"2","adgroup_name":"x","optimization_goal":"CLICK","billing_event":"CPC","bid_price":0.35}`)
	f.Add(`{"advertiser_id":"1","campaign_id":"2","adgroup_name":"x","optimization_goal":"CLICK","billing_event":"CPC","bid_price":1e2,"audience_rule":[["1"]],"schedule_end_time":"2026-12-01 00:00:00","colour":[[{}]]}`)
	f.Add(`{"a":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}`)
	f.Fuzz(func(t *testing.T, body string) {
		for _, mode := range []Mode{ModeStrict, ModeTikTok} {
			tree, fault := parseJSON("body", []byte(body))
			if fault != nil {
				return
			}
			sh := &shape{mode: mode, patterns: c.patterns}
			once := encode(sh.check("", op.body, tree))
			if len(sh.details) > 0 {
				continue
			}
			var b wire.AdGroupCreateRequest
			if err := json.Unmarshal(once, &b); err != nil {
				t.Fatalf("%s: %v", once, err)
			}
			again, fault := parseJSON("body", once)
			if fault != nil {
				t.Fatalf("%s: %v", once, fault)
			}
			strict := &shape{mode: ModeStrict, patterns: c.patterns}
			if twice := encode(strict.check("", op.body, again)); len(strict.details) > 0 || string(twice) != string(once) {
				t.Fatalf("%s\n%s\n%v", once, twice, strict.details)
			}
		}
	})
}

// FuzzQuery does the same for a query with plain and JSON-encoded parameters.
func FuzzQuery(f *testing.F) {
	c, err := loadContract()
	if err != nil {
		f.Fatal(err)
	}
	op := c.ops["/open_api/v1.3/report/integrated/get/"][http.MethodGet]
	f.Add(url.Values{"advertiser_id": {"1"}, "report_type": {"BASIC"}, "data_level": {"AUCTION_CAMPAIGN"}, "dimensions": {`["campaign_id"]`}, "page": {"2"},
		"start_date": {"2026-11-01"}, "query_lifetime": {"true"}, "filtering": {`[{"field_name":"campaign_ids","filter_type":"IN","filter_value":"[\"1\"]"}]`}}.Encode())
	f.Add("advertiser_id=1&query_lifetime=1e1&page=0x1&fields=%5B")
	read := func(query string) (*input, *http.Request, *Fault) {
		r := &http.Request{Method: http.MethodGet, URL: &url.URL{RawQuery: query}}
		in := &input{contract: c, op: op}
		return in, r, in.read(r)
	}
	f.Fuzz(func(t *testing.T, query string) {
		in, r, fault := read(query)
		if fault != nil || in.valid() != nil {
			return
		}
		in.rewrite(r)
		again, _, fault := read(r.URL.RawQuery)
		if fault != nil || again.valid() != nil || !reflect.DeepEqual(in.query, again.query) {
			t.Fatalf("%q was rewritten to %q", query, r.URL.RawQuery)
		}
		var refused error
		probe := &wire.ServerInterfaceWrapper{Handler: acceptAll{}, ErrorHandlerFunc: func(_ http.ResponseWriter, _ *http.Request, err error) { refused = err }}
		probe.ReportIntegratedGet(nil, r)
		if refused != nil && !strings.Contains(query, "%00") {
			t.Fatalf("%q passed the contract, not the generated server: %v", r.URL.RawQuery, refused)
		}
	})
}

type acceptAll struct{ wire.ServerInterface }

func (acceptAll) ReportIntegratedGet(http.ResponseWriter, *http.Request, wire.ReportIntegratedGetParams) {
}
