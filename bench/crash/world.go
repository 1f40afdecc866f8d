package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"mazad/internal/id"
)

// portSet keeps two houses of one process from choosing the same ports.
type portSet struct {
	mu   sync.Mutex
	used map[int]bool
}

var taken = portSet{used: map[int]bool{}}

func (s *portSet) add(p int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used[p] {
		return false
	}
	s.used[p] = true
	return true
}

// world is what the first life made: advertisers that bid against each other,
// with ad groups of every billing event, a country for each, and money enough.
type world struct {
	advertisers []id.Advertiser
	eventKeys   []string // one of each advertiser
}

// budget is what each advertiser paid in, in main units.
const budget = 900_000

// kinds are the ad groups of each advertiser: country, objective, the rest.
var kinds = [...][3]string{
	{"NP", "REACH", `"optimization_goal":"SHOW","billing_event":"CPM","bid_price":4.32%d`},
	{"DE", "REACH", `"optimization_goal":"SHOW","billing_event":"CPM","bid_price":3.97%d`},
	{"US", "TRAFFIC", `"optimization_goal":"CLICK","billing_event":"CPC","bid_price":0.73%d`},
	{"FR", "VIDEO_VIEWS", `"optimization_goal":"VIDEO_VIEW","billing_event":"CPV","bid_price":0.14%d`},
}

// makeWorld goes through the marketing API.
func makeWorld(ctx context.Context, h *house) (*world, error) {
	raw, err := os.ReadFile(filepath.Join(h.data(), "operator.key"))
	if err != nil {
		return nil, err
	}
	op := strings.TrimSpace(string(raw))
	m := maker{ctx: ctx, base: h.manage}
	bc := m.post(op, "/mazad/v1/bc/create/", `{"bc_name":"North Media"}`, "bc_id")
	token := m.post(op, "/mazad/v1/token/create/", fmt.Sprintf(`{"name":"agency","scope":"management","bc_id":%q}`, bc), "access_token")
	w := &world{}
	for n := range 2 {
		adv := m.post(token, "/open_api/v1.3/advertiser/create/", fmt.Sprintf(`{"advertiser_name":"Shop %d","currency":"USD","timezone":"Asia/Kathmandu"}`, n), "advertiser_id")
		w.eventKeys = append(w.eventKeys, m.post(token, "/mazad/v1/token/create/", fmt.Sprintf(`{"name":"pixel","scope":"event","advertiser_id":%q}`, adv), "access_token"))
		m.post(op, "/mazad/v1/wallet/topup/", fmt.Sprintf(`{"advertiser_id":%q,"amount":%d,"request_id":"bank-%d"}`, adv, budget, n), "")
		for _, k := range kinds {
			campaign := m.post(token, "/open_api/v1.3/campaign/create/", fmt.Sprintf(
				`{"advertiser_id":%q,"campaign_name":"C %s %s","objective_type":%q,"budget_mode":"BUDGET_MODE_INFINITE"}`, adv, k[0], k[1], k[1]), "campaign_id")
			group := m.post(token, "/open_api/v1.3/adgroup/create/", fmt.Sprintf(
				`{"advertiser_id":%q,"campaign_id":%q,"adgroup_name":"G","pacing":"PACING_MODE_FAST","budget_mode":"BUDGET_MODE_DAY","budget":%d,"location_ids":[%q],%s}`,
				adv, campaign, budget, k[0], fmt.Sprintf(k[2], 1+5*n)), "adgroup_id")
			m.post(token, "/open_api/v1.3/ad/create/", fmt.Sprintf(
				`{"advertiser_id":%q,"adgroup_id":%q,"creatives":[{"ad_name":"Clip","ad_format":"SINGLE_VIDEO","video_url":"https://cdn.example.com/a.mp4","landing_page_url":"https://shoes.example.com/p","call_to_action":"SHOP_NOW"}]}`, adv, group), "")
		}
		advertiser, err := id.Parse[id.Advertiser](adv)
		if m.err == nil {
			m.err = err
		}
		if m.err != nil {
			return nil, fmt.Errorf("make the world: %w", m.err)
		}
		w.advertisers = append(w.advertisers, advertiser)
	}
	return w, nil
}

// maker posts until something fails.
type maker struct {
	ctx  context.Context
	base string
	err  error
}

func (m *maker) post(token, path, body, field string) string {
	if m.err != nil {
		return ""
	}
	var o struct {
		Code    int            `json:"code"`
		Message string         `json:"message"`
		Data    map[string]any `json:"data"`
	}
	status, raw, err := send(m.ctx, "POST", m.base+path, []byte(body), "Access-Token", token)
	if err == nil {
		err = json.Unmarshal(raw, &o)
	}
	if err != nil || status != 200 || o.Code != 0 {
		m.err = fmt.Errorf("POST %s %s: %d %d %s, %v", path, body, status, o.Code, o.Message, err)
		return ""
	}
	s, ok := o.Data[field].(string)
	if field != "" && !ok {
		m.err = fmt.Errorf("POST %s: no %s in the answer", path, field)
	}
	return s
}

// patience is how long a client waits for an answer.
const patience = 5 * time.Second

var client = http.Client{
	Timeout:       patience,
	Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func send(ctx context.Context, method, url string, body []byte, header ...string) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	answer, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	_ = resp.Body.Close()
	return resp.StatusCode, answer, err
}

// beacon sends a tracking call and returns what the house says became of it.
func beacon(ctx context.Context, url string) (status int, word string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("X-Beacon"), err
}

// slowly posts to an operator's page that may take a minute.
func slowly(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(io.LimitReader(resp.Body, 64<<20))
}
