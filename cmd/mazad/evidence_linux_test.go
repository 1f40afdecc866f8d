package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	userstore "mazad/audience/store"
	"mazad/events"
	"mazad/events/diary"
	"mazad/internal/clock"
	"mazad/internal/money"
)

// inspect looks at what a dead process left in its data directory. It looks at a
// copy: the next life must find the directory as it was left.
func (w *witness) inspect(t testing.TB, dir string) {
	t.Helper()
	copied := t.TempDir()
	for _, part := range []string{"diary", "users"} {
		if err := os.CopyFS(filepath.Join(copied, part), os.DirFS(filepath.Join(dir, part))); err != nil {
			t.Fatal(err)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inspectDiary(t, filepath.Join(copied, "diary"), filepath.Join(dir, "token.key"))
	w.inspectUsers(t, filepath.Join(copied, "users"))
	if err := os.RemoveAll(copied); err != nil {
		t.Fatal(err)
	}
}

type usedToken struct {
	id  events.TokenID
	use events.Use
}

// inspectDiary wants every acknowledged event, and none billed twice.
func (w *witness) inspectDiary(t testing.TB, dir, keyFile string) {
	t.Helper()
	d, err := diary.Open(t.Context(), diary.Config{Dir: dir, MoneyBytes: 256 << 20, DecisionBytes: 64 << 20})
	if err != nil {
		t.Fatalf("open what is left of the diary: %v", err)
	}
	defer d.Close(context.Background())
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // a stream with holes is waited for
	defer cancel()
	used, billed, sales := map[usedToken]int{}, map[usedToken]int{}, map[string]int{}
	_, last, err := d.Last(ctx, diary.Money)
	if err == nil {
		err = d.Read(ctx, diary.Money, 0, last, func(b *diary.Batch) error {
			return b.Each(nil, func(r *events.Record) error {
				if use, ok := r.TokenUse(); ok {
					used[usedToken{r.Token, use}]++
					if r.Verdict == events.VerdictBilled {
						billed[usedToken{r.Token, use}]++
					}
				}
				if r.Kind == events.KindConversion {
					sales[string(r.Conversion.EventID)]++
				}
				return nil
			})
		})
	}
	if err != nil {
		t.Fatalf("read what is left of the diary: %v", err)
	}
	sealer := openSealer(t, keyFile)
	lost := 0
	for fact, use := range w.beacons {
		var tok events.Token
		sealed, _, _ := strings.Cut(fact, " ")
		if state := sealer.Open(&tok, []byte(sealed), use, time.Now().UnixMilli()); !state.Authentic() {
			t.Fatalf("our own token is %s", state)
		}
		if used[usedToken{tok.ID, use}] == 0 {
			lost++
		}
	}
	for sale := range w.sales {
		if sales[sale] == 0 {
			lost++
		}
	}
	doubled := 0
	for _, n := range billed {
		if n > 1 {
			doubled++
		}
	}
	for _, n := range sales {
		if n > 1 {
			doubled++
		}
	}
	if lost > 0 || doubled > 0 {
		t.Errorf("%d acknowledged events are lost, %d are doubled; %d messages in the diary", lost, doubled, last)
	}
}

func openSealer(t testing.TB, keyFile string) *events.Sealer {
	t.Helper()
	raw, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	s, err := events.NewSealer(events.Secret{ID: 1, Bytes: key})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// inspectUsers wants every user as acknowledged or newer, and the forgotten ones
// gone.
func (w *witness) inspectUsers(t testing.TB, dir string) {
	t.Helper()
	s, err := userstore.Open(dir, clock.System{})
	if err != nil {
		t.Fatalf("open what is left of the users: %v", err)
	}
	defer s.Close()
	for name, fact := range w.users {
		u, _, ok, err := s.Get([]byte(name))
		switch {
		case err != nil:
			t.Errorf("user %s: %v", name, err)
		case fact.forgotten && ok:
			t.Errorf("user %s was forgotten and is back", name)
		case !ok && fact.acked > 0 && !fact.forgot:
			t.Errorf("user %s is lost", name)
		case ok && !slices.ContainsFunc(u.Segments, func(v uint32) bool { return int(v) >= fact.acked && int(v) <= fact.tried }):
			t.Errorf("user %s has version %d, acknowledged was %d, tried %d", name, u.Segments, fact.acked, fact.tried)
		}
	}
}

// question asks a process that runs again for what its store has of the edits
// and top-ups, and repeats some acknowledged events: they must be known.
func (w *witness) question(t testing.TB, p *process, v *verification) {
	t.Helper()
	c := &client{witness: w, process: p}
	a := w.agency
	var got struct {
		Data struct {
			List []struct {
				Name string `json:"campaign_name"`
			} `json:"list"`
			Accounts []struct {
				Balance json.Number `json:"account_balance"`
			} `json:"advertiser_account_list"`
		} `json:"data"`
	}
	of := url.Values{"advertiser_id": {a.advertiser}}.Encode()
	p.call("GET", p.manage+"/open_api/v1.3/campaign/get/?"+of, a.token, nil, &got)
	var name int
	if len(got.Data.List) != 1 {
		t.Fatalf("%d campaigns", len(got.Data.List))
	}
	if _, err := fmt.Sscanf(got.Data.List[0].Name, "edit %d", &name); err != nil || name < w.edits.acked || name > w.edits.tried {
		t.Errorf("the campaign is %q, acknowledged was edit %d, tried %d", got.Data.List[0].Name, w.edits.acked, w.edits.tried)
	}
	for n := 1; n <= w.topUps.tried; n++ { // a repeat of one that was booked books nothing
		if (w.unsure[n] || n%25 == 0) && !c.bookTopUp(t.Context(), n) {
			t.Errorf("repeating top-up %d was refused", n)
		}
	}
	clear(w.unsure)
	w.topUps.acked = w.topUps.tried
	p.call("GET", p.manage+"/open_api/v1.3/advertiser/balance/get/?"+of, a.token, nil, &got)
	deposits := money.SumOf(money.Nanos(1_000_500+w.topUps.tried) * 1_000_000_000)
	left, err1 := money.ParseNanos(got.Data.Accounts[0].Balance.String())
	spent, err2 := money.ParseNanos(cmp.Or(v.Spend["USD"], "0"))
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if sum := money.SumOf(left).AddNanos(spent); sum.Cmp(deposits) != 0 {
		t.Errorf("the wallet has %s, %s was spent: together %s, but %s was paid in", left, spent, sum, deposits)
	}
	w.repeat(t, c)
}

// repeat sends a few acknowledged events again.
func (w *witness) repeat(t testing.TB, c *client) {
	t.Helper()
	n := 0
	for fact, use := range w.beacons {
		if use != events.UseImpression {
			continue
		}
		if n++; n > 100 {
			break
		}
		token, _, _ := strings.Cut(fact, " ")
		status, header, _ := c.send(t.Context(), "GET", c.ads+"/t/i/"+token, "", "")
		if got := header.Get("X-Beacon"); status != 200 || got != "repeat" {
			t.Errorf("an acknowledged impression is answered %d %q when repeated, want a repeat", status, got)
		}
	}
}
