package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"sync"
	"time"
)

// fact is something that a client told the house: a beacon of a token, or a
// conversion by its sender's id.
type fact struct {
	kind  string // impression, click, view, purchase
	token string // or the sender's event id
}

// told is what the house answered.
type told struct {
	acked  bool // it may be relied on
	words  []string
	billed int // how often "billed" was the answer: at most once
	click  string
}

// traffic sends requests and remembers every answer.
type traffic struct {
	h     *house
	w     *world
	mu    sync.Mutex
	facts map[fact]*told
	order []fact // for repeats
	ads   uint64 // that were placed
}

func newTraffic(h *house, w *world) *traffic {
	return &traffic{h: h, w: w, facts: map[fact]*told{}}
}

// down is how long a client waits when nobody answers.
const down = 10 * time.Millisecond

// run sends from n clients until ctx ends.
func (t *traffic) run(ctx context.Context, n int, seed uint64) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			for ctx.Err() == nil {
				if t.step(ctx, rng) {
					continue
				}
				select {
				case <-time.After(down):
				case <-ctx.Done():
				}
			}
		})
	}
	wg.Wait()
}

// step is one visit of a user; false when nobody answered.
func (t *traffic) step(ctx context.Context, rng *rand.Rand) bool {
	if rng.IntN(4) == 0 {
		return t.again(ctx, rng)
	}
	country := kinds[rng.IntN(len(kinds))][0]
	body := fmt.Sprintf(`{"user_id":"u%d","session_id":"s%d","country":%q,"age":30,"slots":1,"consent":{"personalized_ads":true}}`, rng.IntN(500), rng.IntN(500), country)
	status, raw, err := send(ctx, "POST", t.h.ads+"/v1/ads", []byte(body))
	if err != nil || status != 200 {
		return false
	}
	var answer struct {
		Ads []struct {
			ImpURL string `json:"imp_url"`
		} `json:"ads"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil || len(answer.Ads) == 0 {
		return false
	}
	for _, ad := range answer.Ads {
		t.mu.Lock()
		t.ads++
		t.mu.Unlock()
		t.visit(ctx, rng, path.Base(ad.ImpURL))
	}
	return true
}

// visit sends what a user does with one ad, some of it twice at a time: an app
// that lost an answer repeats its question before the first one is settled.
func (t *traffic) visit(ctx context.Context, rng *rand.Rand, token string) {
	f := fact{"impression", token}
	if rng.IntN(5) == 0 {
		var twice sync.WaitGroup
		for range 2 {
			twice.Go(func() { t.get(ctx, f) })
		}
		twice.Wait()
	} else {
		t.get(ctx, f)
	}
	switch rng.IntN(6) {
	case 0:
		t.note(fact{"click", token}, func(*told) {})
		_, _, _ = beacon(ctx, t.h.ads+"/t/c/"+token) // a redirect promises nothing
	case 1, 2:
		t.report(ctx, rng, []fact{{"click", token}, {"view", token}})
		if rng.IntN(2) == 0 {
			sale := fact{"purchase", fmt.Sprintf("order-%d", rng.Uint64())}
			t.note(sale, func(a *told) { a.click = token })
			t.report(ctx, rng, []fact{sale})
		}
	case 3:
		t.get(ctx, fact{"view", token})
	}
}

// again repeats something that was said before, in this life or an earlier one.
func (t *traffic) again(ctx context.Context, rng *rand.Rand) bool {
	t.mu.Lock()
	if len(t.order) == 0 {
		t.mu.Unlock()
		return false
	}
	f := t.order[len(t.order)-1-min(rng.IntN(len(t.order)), rng.IntN(200))]
	t.mu.Unlock()
	if f.kind == "impression" || f.kind == "view" {
		return t.get(ctx, f)
	}
	return t.report(ctx, rng, []fact{f})
}

func (t *traffic) note(f fact, change func(*told)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.facts[f]
	if a == nil {
		a = &told{}
		t.facts[f] = a
		t.order = append(t.order, f)
	}
	change(a)
}

// get sends one beacon; false when nobody answered.
func (t *traffic) get(ctx context.Context, f fact) bool {
	t.note(f, func(*told) {})
	door := map[string]string{"impression": "/t/i/", "view": "/t/v/"}[f.kind]
	status, word, err := beacon(ctx, t.h.ads+door+f.token)
	if err != nil {
		return false
	}
	if status/100 == 2 {
		t.note(f, func(a *told) { a.hear(word) })
	}
	return status < 500
}

func (a *told) hear(word string) {
	a.acked = true
	if len(a.words) < 8 {
		a.words = append(a.words, word)
	}
	if word == "billed" {
		a.billed++
	}
}

// report sends a batch through the events door.
func (t *traffic) report(ctx context.Context, rng *rand.Rand, facts []fact) bool {
	items := make([]string, len(facts))
	for i, f := range facts {
		items[i] = fmt.Sprintf(`{"type":%q,"token":%q}`, f.kind, f.token)
		if f.kind == "purchase" {
			click := ""
			t.note(f, func(a *told) { click = a.click })
			items[i] = fmt.Sprintf(`{"type":"purchase","event_id":%q,"click_id":%q,"value":12.345678901,"currency":"USD"}`, f.token, click)
		} else {
			t.note(f, func(*told) {})
		}
	}
	key := t.w.eventKeys[0] // a conversion must stay with one advertiser to count once
	status, raw, err := send(ctx, "POST", t.h.ads+"/v1/events", []byte("["+strings.Join(items, ",")+"]"), "X-Api-Key", key)
	if err != nil {
		return false
	}
	var answer struct {
		Results []struct {
			Index  int    `json:"index"`
			Status string `json:"status"`
		} `json:"results"`
	}
	if status != 200 || json.Unmarshal(raw, &answer) != nil {
		return status < 500
	}
	for _, r := range answer.Results {
		switch r.Status {
		case "billed", "free", "repeat":
			t.note(facts[r.Index], func(a *told) { a.hear(r.Status) })
		}
	}
	return true
}
