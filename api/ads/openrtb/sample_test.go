package openrtb_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"mazad/api/ads/openrtb"
	"mazad/api/ads/scan"
	"mazad/serving"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// samples is the folder of real requests, from MAZAD_DATA or beside the checkout.
func samples(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("MAZAD_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	dir = filepath.Join(dir, "openrtb-samples")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("SKIPPED, LOUDLY: no OpenRTB samples at %s: set MAZAD_DATA", dir)
	}
	return dir
}

func newDecoder(t testing.TB) *openrtb.Decoder {
	agents, err := openrtb.NewAgents(1000)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(agents.Close)
	return openrtb.NewDecoder(&openrtb.Config{Currency: "USD", Agents: agents})
}

// ofPrebid are the samples whose fault lies in what is Prebid's own: ext, stored
// requests, accounts, bidder parameters, aliases. As OpenRTB they are in order.
var ofPrebid = regexp.MustCompile(`alias-bidder-self|bid-adj|bid-adjustment|cache-nothing|imp-ext-|interstital-bad-perc|interstitial-empty|` +
	`invalid-bidder-params|invalid-source|storedrequest-id-int|user-ext-prebid|account-malformed|account-required|blocked|currency-conversion|disabled/|hooks/amp|amp/`)

func TestPrebidSamples(t *testing.T) {
	dir := filepath.Join(samples(t), "prebid-server")
	counts := map[string]int{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".json") {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var sample struct {
			MockBidRequest       json.RawMessage
			ExpectedReturnCode   int
			ExpectedErrorMessage string
		}
		name := strings.TrimPrefix(path, dir+"/")
		req, body := serving.Request{}, raw // the two stored requests are the body itself
		if json.Unmarshal(raw, &sample) == nil {
			if body = sample.MockBidRequest; body == nil {
				counts["other endpoint"]++
				return nil
			}
		} else {
			sample.ExpectedReturnCode = 400
		}
		d := newDecoder(t)
		ok := d.Decode(body, now, &req)
		want := sample.ExpectedReturnCode == 200
		if ofPrebid.MatchString(name) {
			counts["fault outside OpenRTB"]++
			if strings.Contains(name, "amp/") || strings.Contains(name, "hooks/amp") {
				return nil // AMP: the request comes from a store
			}
			want = true
		}
		switch {
		case ok != want && want:
			t.Errorf("%s: refused: %v", name, d.Fault())
		case ok != want:
			t.Errorf("%s: accepted, but prebid says: %s", name, sample.ExpectedErrorMessage)
		case ok:
			counts["accepted"]++
		default:
			counts["refused"]++
			t.Logf("%-55s %v", name, d.Fault())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(counts)
}

// The two samples that are not JSON are refused with line and column; every
// other request is accepted.
func TestPublicSamples(t *testing.T) {
	dir := samples(t)
	malformed := map[string]bool{"brandscreen_example-request-pc-multi.json": true, "rubiconproject_example-request-app-android-2.json": true}
	var files []string
	for _, glob := range []string{"bsm/testdata_breq.*.json", "openrtb-examples/*request*"} {
		found, err := filepath.Glob(filepath.Join(dir, glob))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(file)
		var req serving.Request
		d := newDecoder(t)
		body := raw
		if strings.HasSuffix(name, ".md") {
			body = fenced(raw)
		}
		ok := d.Decode(body, now, &req)
		if valid := json.Valid(body); ok != valid || malformed[name] && valid {
			t.Errorf("%s: accepted %v: %v", name, ok, d.Fault())
			continue
		}
		if !ok {
			if f := d.Fault(); f.Line == 0 || f.Column == 0 || f.Code != scan.Syntax {
				t.Errorf("%s: no place in %v", name, f)
			}
			t.Logf("%-55s refused: %v", name, d.Fault())
			continue
		}
		t.Logf("%-55s %d imps, %d slots, %v", name, len(d.Imps), len(req.Slots), d.Reason)
	}
	if len(files) < 10 {
		t.Errorf("only %d requests found", len(files))
	}
}

// fenced is the JSON document inside a page of markdown.
func fenced(page []byte) []byte {
	s := string(page)
	from, to := strings.Index(s, "{"), strings.LastIndex(s, "}")
	if from < 0 || to < from {
		return page
	}
	return []byte(s[from : to+1])
}
