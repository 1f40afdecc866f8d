package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mazad/events"
)

// witness sends traffic to a process and remembers what was acknowledged, so
// that it can say afterwards what is missing. It outlives the processes.
type witness struct {
	agency *agency
	key    string // of events

	mu      sync.Mutex
	beacons map[string]events.Use // acknowledged: sealed token and use
	sales   map[string]bool       // acknowledged event ids of conversions
	users   map[string]*userFact
	edits   promise      // number in the name of the campaign
	topUps  promise      // number of the request id
	unsure  map[int]bool // top-ups that were not acknowledged

	refused map[string]string // door and status of what was refused, with the last answer

	every time.Duration   // between the steps of a sender; 0 = as fast as it can
	times []time.Duration // of ad requests and beacons

	acked  atomic.Int64
	doors  [doorCount]atomic.Int64 // acknowledged, by door
	serial atomic.Int64
}

// door is a kind of write, each with a store of its own behind it.
type door int

const (
	doorBeacons door = iota // the diary
	doorUsers               // the user log
	doorEdits               // the database
	doorCount
)

var doorNames = [...]string{"beacons", "users", "edits"}

// promise is a number that grows by one with every attempt.
type promise struct{ acked, tried int }

// userFact is what was said of a user.
type userFact struct {
	promise
	forgotten bool // acknowledged
	forgot    bool // tried
}

const senders = 8

func newWitness(h *testHouse) *witness {
	a := h.newAgency()
	h.post(h.operator, "/mazad/v1/wallet/topup/", fmt.Sprintf(`{"advertiser_id":%q,"amount":1000000,"request_id":"much"}`, a.advertiser))
	h.post(a.token, "/open_api/v1.3/campaign/update/", fmt.Sprintf(`{"advertiser_id":%q,"campaign_id":%q,"campaign_name":"edit 0","budget":900000}`, a.advertiser, a.campaign))
	a.adGroup("")
	return &witness{
		agency: a, key: h.post(h.operator, "/mazad/v1/token/create/", `{"name":"events","scope":"event"}`).Data.Token,
		beacons: map[string]events.Use{}, sales: map[string]bool{}, users: map[string]*userFact{}, unsure: map[int]bool{}, refused: map[string]string{},
	}
}

// client speaks to one process on behalf of the witness.
type client struct {
	*witness
	*process
	http http.Client
	rnd  *rand.Rand
}

// send answers 0 when the process did not answer at all.
func (c *client) send(ctx context.Context, method, url, token, body string) (status int, header http.Header, raw []byte) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		return 0, nil, nil
	}
	if token != "" {
		req.Header.Set("Access-Token", token)
		req.Header.Set("X-Api-Key", token)
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, nil
	}
	defer resp.Body.Close()
	if raw, err = io.ReadAll(resp.Body); err != nil {
		return 0, nil, nil
	}
	if resp.StatusCode >= 400 {
		c.mu.Lock()
		c.refused[fmt.Sprintf("%s %s %d %s", method, routeOf(req.URL.Path), resp.StatusCode, resp.Header.Get("Retry-After"))] = string(raw)
		c.mu.Unlock()
	}
	return resp.StatusCode, resp.Header, raw
}

// routeOf is a path without what changes from call to call.
func routeOf(path string) string {
	if parts := strings.Split(path, "/"); len(parts) > 3 && (parts[1] == "t" || parts[2] == "users") {
		return strings.Join(parts[:3], "/")
	}
	return path
}

// ack counts an acknowledgement.
func (c *client) ack(d door) {
	c.acked.Add(1)
	c.doors[d].Add(1)
}

// traffic sends until ctx ends and returns when every sender has stopped. What
// was not answered by then is not acknowledged.
func (w *witness) traffic(ctx context.Context, p *process, seed uint64) {
	var wg sync.WaitGroup
	transport := &http.Transport{MaxIdleConnsPerHost: 2 * senders}
	defer transport.CloseIdleConnections()
	for n := range senders {
		c := &client{witness: w, process: p, rnd: rand.New(rand.NewPCG(seed, uint64(n)))}
		c.http.Transport = transport
		c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		wg.Go(func() {
			beat := newBeat(w.every)
			defer beat.stop()
			for step := 0; beat.next(ctx); step++ {
				if n == 0 && step%4 == 0 {
					c.edit(ctx)
					c.topUp(ctx)
				}
				c.feedOnce(ctx)
				if step%3 == n%3 {
					c.user(ctx, fmt.Sprintf("u-%d-%d", n, c.rnd.IntN(200)))
				}
			}
		})
	}
	wg.Wait()
}

// beat paces a sender.
type beat struct{ ticker *time.Ticker }

func newBeat(every time.Duration) beat {
	if every == 0 {
		return beat{}
	}
	return beat{time.NewTicker(every)}
}

func (b beat) stop() {
	if b.ticker != nil {
		b.ticker.Stop()
	}
}

// next waits for the next step; false means that ctx has ended.
func (b beat) next(ctx context.Context) bool {
	if b.ticker != nil {
		select {
		case <-b.ticker.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}

// feedOnce asks for ads and reports everything that can happen to them.
func (c *client) feedOnce(ctx context.Context) {
	began := time.Now()
	status, _, raw := c.send(ctx, "POST", c.ads+"/v1/ads", "", plainRequest)
	c.timed(began)
	var a feedAnswer
	if status != 200 || json.Unmarshal(raw, &a) != nil {
		return
	}
	for _, ad := range a.Ads {
		began = time.Now()
		status, header, _ := c.send(ctx, "GET", ad.ImpURL, "", "")
		c.timed(began)
		if status == 200 {
			c.beacon(path.Base(ad.ImpURL), events.UseImpression, header.Get("X-Beacon"))
		}
		c.events(ctx, path.Base(ad.ClickURL))
	}
}

func (c *client) timed(began time.Time) {
	took := time.Since(began)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times = append(c.times, took)
}

// beacon notes an acknowledgement.
func (c *client) beacon(token string, use events.Use, status string) {
	if status != "billed" && status != "free" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.beacons[token+" "+use.String()] = use
	c.ack(doorBeacons)
}

// events reports a click and a sale from server to server.
func (c *client) events(ctx context.Context, token string) {
	sale := fmt.Sprintf("sale-%d", c.serial.Add(1))
	_, _, raw := c.send(ctx, "POST", c.ads+"/v1/events", c.key,
		fmt.Sprintf(`[{"type":"click","token":%q},{"type":"purchase","event_id":%q,"click_id":%q,"value":"9.99","currency":"USD"}]`, token, sale, token))
	var got struct {
		Results []struct{ Status string }
	}
	if json.Unmarshal(raw, &got) != nil || len(got.Results) != 2 {
		return
	}
	c.beacon(token, events.UseClick, got.Results[0].Status)
	if s := got.Results[1].Status; s == "free" {
		c.mu.Lock()
		c.sales[sale] = true
		c.mu.Unlock()
		c.ack(doorBeacons)
	}
}

// user writes the next version of a user, or forgets it for good. Every user
// belongs to one sender, so attempts are in order.
func (c *client) user(ctx context.Context, name string) {
	c.mu.Lock()
	u := c.users[name]
	if u == nil {
		u = &userFact{}
		c.users[name] = u
	}
	gone, version := u.forgot, u.tried+1
	forget := !gone && u.acked > 0 && c.rnd.IntN(5) == 0
	if u.forgot = u.forgot || forget; !u.forgot {
		u.tried = version
	}
	c.mu.Unlock()
	var status int
	switch {
	case forget:
		status, _, _ = c.send(ctx, "DELETE", c.ads+"/v1/users/"+name, c.key, "")
	case gone:
		return
	default:
		status, _, _ = c.send(ctx, "POST", c.ads+"/v1/users", c.key, fmt.Sprintf(`[{"id":%q,"age":30,"consent":"granted","segments":[%d]}]`, name, version))
	}
	if status != 200 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ack(doorUsers)
	if forget {
		u.forgotten = true
	} else {
		u.acked = version
	}
}

// edit gives the campaign the next name.
func (c *client) edit(ctx context.Context) {
	c.attempt(&c.edits, func(n int) bool {
		return c.accepted(ctx, c.agency.token, "/open_api/v1.3/campaign/update/",
			fmt.Sprintf(`{"advertiser_id":%q,"campaign_id":%q,"campaign_name":"edit %d"}`, c.agency.advertiser, c.agency.campaign, n))
	})
}

// topUp books one unit of money.
func (c *client) topUp(ctx context.Context) {
	c.attempt(&c.topUps, func(n int) bool {
		ok := c.bookTopUp(ctx, n)
		if !ok {
			c.mu.Lock()
			c.unsure[n] = true
			c.mu.Unlock()
		}
		return ok
	})
}

func (c *client) bookTopUp(ctx context.Context, n int) bool {
	return c.accepted(ctx, c.operator, "/mazad/v1/wallet/topup/",
		fmt.Sprintf(`{"advertiser_id":%q,"amount":1,"request_id":"top-%d"}`, c.agency.advertiser, n))
}

func (c *client) attempt(p *promise, do func(n int) bool) {
	c.mu.Lock()
	p.tried++
	n := p.tried
	c.mu.Unlock()
	if !do(n) {
		return
	}
	c.mu.Lock()
	p.acked = n
	c.mu.Unlock()
	c.ack(doorEdits)
}

func (c *client) accepted(ctx context.Context, token, path, body string) bool {
	status, _, raw := c.send(ctx, "POST", c.manage+path, token, body)
	var o object
	return status == 200 && json.Unmarshal(raw, &o) == nil && o.Code == 0
}

// facts is how much was acknowledged so far.
func (w *witness) facts() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fmt.Sprintf("%d beacons, %d sales, %d users, %d edits, %d top-ups", len(w.beacons), len(w.sales), len(w.users), w.edits.acked, w.topUps.acked)
}
