package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mazad/campaign"
	"mazad/events"
	"mazad/events/diary"
	"mazad/internal/money"
	"mazad/ledger"
)

// pair is two nodes of one market: ads are served by the home, and what comes
// back of them goes to either.
type pair struct {
	t          *testing.T
	home, edge *testHouse
	homeCfg    Config
	edgeCfg    Config
}

func openPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{t: t}
	open := func(node int) Config {
		cfg := testConfig(t, t.TempDir())
		cfg.Node = node
		if err := os.WriteFile(cfg.Secrets.TokenKeyFile, []byte(strings.Repeat("5a", 32)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	p.homeCfg, p.edgeCfg = open(1), open(0)
	p.home = openHouse(t, p.homeCfg)
	p.homeCfg.Ads.Listen = strings.TrimPrefix(p.home.ads, "http://") // it comes back at the same address
	p.edgeCfg.Peers = map[uint16]string{1: p.home.ads}
	p.edge = openHouse(t, p.edgeCfg)
	p.home.newAgency().adGroup("")
	p.home.until("the first ad", 2*time.Second, func() bool { return len(p.home.feed(plainRequest).Ads) > 0 })
	return p
}

// beacon calls a tracking URL at a node and returns the status and X-Beacon.
func beacon(t testing.TB, h *testHouse, address string) (int, string) {
	t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get(rebase(t, address, h.ads))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == 503 && resp.Header.Get("Retry-After") == "" {
		t.Errorf("503 without Retry-After")
	}
	return resp.StatusCode, resp.Header.Get("X-Beacon")
}

// kinds counts what is on disk, billed apart.
func kinds(t testing.TB, n *Node) map[string]int {
	t.Helper()
	got := map[string]int{}
	_, last, err := n.diary.Last(t.Context(), n.diary.MoneyStream())
	if err == nil && last > 0 {
		err = n.diary.Read(t.Context(), n.diary.MoneyStream(), 1, last, func(b *diary.Batch) error {
			return b.Each(nil, func(r *events.Record) error {
				got[r.Kind.String()]++
				got[r.Kind.String()+" "+r.Verdict.String()]++
				return nil
			})
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestI4ATokenIsBilledOnceOverTwoNodes: 100 devices send one beacon at once,
// half of them to a node that is not its home.
func TestI4ATokenIsBilledOnceOverTwoNodes(t *testing.T) {
	p := openPair(t)
	ad := p.home.feed(plainRequest).Ads[0]
	var by sync.Map
	count := func(word string) *atomic.Int64 {
		n, _ := by.LoadOrStore(word, new(atomic.Int64))
		return n.(*atomic.Int64)
	}
	var all sync.WaitGroup
	for i := range 100 {
		h := []*testHouse{p.home, p.edge}[i%2]
		all.Go(func() {
			status, word := beacon(t, h, ad.ImpURL)
			count(fmt.Sprint(status, " ", word)).Add(1)
		})
	}
	all.Wait()
	if billed, repeat := count("200 billed").Load(), count("200 repeat").Load(); billed != 1 || repeat != 99 {
		by.Range(func(k, v any) bool { t.Log(k, v.(*atomic.Int64).Load()); return true })
		t.Errorf("%d billed and %d repeats, want 1 and 99", billed, repeat)
	}
	if got := kinds(t, p.home.n); got["impression"] != 1 || got["impression billed"] != 1 {
		t.Errorf("the home wrote %v, want one billed impression", got)
	}
	if got := kinds(t, p.edge.n); got["impression"] != 0 {
		t.Errorf("the other node wrote %v", got)
	}
	if n := p.edge.n.tracker.Stats().Relayed.Load(); n != 50 {
		t.Errorf("%d events were sent home, want 50", n)
	}
	ad = p.home.feed(plainRequest).Ads[0] // the rest of what may come back
	for _, f := range []struct{ url, want string }{{ad.ImpURL, "200 billed"}, {ad.ViewURL, "204 free"}, {ad.ClickURL, "302 free"}, {ad.ClickURL, "302 repeat"}} {
		if status, word := beacon(t, p.edge, f.url); fmt.Sprint(status, " ", word) != f.want {
			t.Errorf("at the other node: %d %s, want %s", status, word, f.want)
		}
	}
	click := ad.ClickURL[strings.LastIndexByte(ad.ClickURL, '/')+1:]
	events := `[{"type":"install","event_id":"i-1","click_id":"` + click + `"}]`
	key := p.eventKey()
	for i, want := range []string{"free", "repeat"} {
		h := []*testHouse{p.edge, p.home}[i]
		if got := h.postEvents(key[i], events); got != want {
			t.Errorf("conversion %d: %s, want %s: both nodes ask its click's home", i, got, want)
		}
	}
}

// eventKey makes an event key of the operator's on both nodes.
func (p *pair) eventKey() (keys [2]string) {
	for i, h := range []*testHouse{p.edge, p.home} {
		keys[i] = h.post(h.n.operatorKey, "/mazad/v1/token/create/", `{"name":"events","scope":"event"}`).Data.Token
	}
	return keys
}

func (h *testHouse) postEvents(key, body string) string {
	h.t.Helper()
	var answer struct {
		Results []struct {
			Status string `json:"status"`
		} `json:"results"`
	}
	if status := h.call("POST", h.ads+"/v1/events", key, body, &answer); status != 200 || len(answer.Results) != 1 {
		h.t.Fatalf("events: %d %+v", status, answer)
	}
	return answer.Results[0].Status
}

// TestAClickReachesItsHomeLater: the home is away. An impression is to be sent
// again; a click redirects, is kept over a restart of the node that heard of it,
// and counts once when the home is back.
func TestAClickReachesItsHomeLater(t *testing.T) {
	p := openPair(t)
	ad := p.home.feed(plainRequest).Ads[0]
	if err := p.home.stop(); err != nil {
		t.Fatal(err)
	}
	if status, _ := beacon(t, p.edge, ad.ImpURL); status != 503 {
		t.Errorf("an impression whose home is away: %d, want 503", status)
	}
	for i := range 3 {
		if status, word := beacon(t, p.edge, ad.ClickURL); status != 302 || word != "pending" {
			t.Errorf("click %d while its home is away: %d %q, want a redirect and pending", i, status, word)
		}
	}
	if err := p.edge.stop(); err != nil {
		t.Fatal(err)
	}
	p.edge = openHouse(t, p.edgeCfg)
	p.edge.until("the click that waits", 2*time.Second, func() bool { return p.edge.n.tracker.Stats().Waiting.Load() == 1 })
	p.home = openHouse(t, p.homeCfg)
	p.edge.until("the delivery", 10*time.Second, func() bool {
		st := p.edge.n.tracker.Stats()
		return st.Delivered.Load() == 1 && st.Waiting.Load() == 0
	})
	if status, word := beacon(t, p.edge, ad.ClickURL); status != 302 || word != "repeat" {
		t.Errorf("the click once more: %d %q, want a repeat", status, word)
	}
	if status, word := beacon(t, p.edge, ad.ImpURL); status != 200 || word != "billed" {
		t.Errorf("the impression sent again: %d %q, want it billed", status, word)
	}
	if got := kinds(t, p.home.n); got["click"] != 1 || got["impression billed"] != 1 {
		t.Errorf("the home wrote %v, want one click and one billed impression", got)
	}
	if got := kinds(t, p.edge.n); got["pending"] != 1 || got["delivered"] != 1 || got["click"] != 0 {
		t.Errorf("the other node wrote %v, want the click pending and delivered, once", got)
	}
}

// listed is a store that knows the nodes it was given.
type listed struct {
	nodes  []campaign.Node
	leases []ledger.Lease
}

func (l *listed) ListNodes(context.Context) ([]campaign.Node, error)     { return l.nodes, nil }
func (l *listed) Leases(context.Context, uint16) ([]ledger.Lease, error) { return l.leases, nil }

// TestTheTokensOfADeadNodeAreFree: a node whose beat stands still for longer than
// any lease is stood in for, and its clicks are counted and cost nothing. One
// that beats, or still holds a lease, is not.
func TestTheTokensOfADeadNodeAreFree(t *testing.T) {
	p := openPair(t)
	ad := p.home.feed(plainRequest).Ads[0]
	if err := p.home.stop(); err != nil {
		t.Fatal(err)
	}
	store := &listed{nodes: []campaign.Node{{Number: 0, Beat: 9}, {Number: 1, Beat: 5, Address: p.homeCfg.Ads.PublicURL}}}
	b := p.edge.n.neighbours
	look := &neighbours{self: 0, fixed: p.edgeCfg.Peers, nodes: store, leases: store, relay: p.edge.n.relay, clock: p.edge.n.clock, silent: map[uint16]silence{}}
	for i := range goneLooks + 1 {
		if look.adopted(1) {
			t.Fatalf("given up after %d looks, want %d", i, goneLooks)
		}
		if err := look.refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if i == goneLooks-1 {
			store.nodes[1].Beat++ // it lives: all is counted anew
			for range goneLooks + 1 {
				_ = look.refresh(t.Context())
			}
			store.leases = []ledger.Lease{{Node: 1, Granted: money.SumOf(7), ExpiresAt: time.Now().Add(time.Minute)}}
			_ = look.refresh(t.Context())
			if look.adopted(1) {
				t.Fatal("given up while it holds a lease")
			}
			store.leases = []ledger.Lease{{Node: 1, Granted: money.SumOf(7), ExpiresAt: time.Now().Add(-time.Minute)}} // set aside until it is freed
		}
	}
	if !look.adopted(1) || look.adopted(0) {
		t.Fatalf("node 1 adopted %t, this one %t", look.adopted(1), look.adopted(0))
	}
	gone := map[uint16]bool{1: true}
	b.gone.Store(&gone)
	if status, word := beacon(t, p.edge, ad.ClickURL); status != 302 || word != "free" {
		t.Errorf("a click of a node that is gone: %d %q, want it free", status, word)
	}
	if status, word := beacon(t, p.edge, ad.ClickURL); status != 302 || word != "repeat" {
		t.Errorf("the same again: %d %q", status, word)
	}
	if status, word := beacon(t, p.edge, ad.ImpURL); status != 200 || word != "free" {
		t.Errorf("an impression of a node that is gone: %d %q, want it free", status, word)
	}
	if got := kinds(t, p.edge.n); got["click free"] != 1 || got["impression free"] != 1 || got["impression billed"] != 0 {
		t.Errorf("written %v", got)
	}
}
