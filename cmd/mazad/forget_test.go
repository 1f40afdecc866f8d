package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mazad/events"
	"mazad/events/diary"
)

// TestS13NothingPersonalIsInTheClear sends marked users, one grown up and one
// under age, down the whole corridor and looks for the marks in every file of
// the data folder. The mark of the sender's event id must be found: it proves
// that the search sees the diary.
func TestS13NothingPersonalIsInTheClear(t *testing.T) {
	dir := t.TempDir()
	h := openHouse(t, testConfig(t, dir))
	h.newAgency().adGroup("")
	key := h.post(h.n.operatorKey, "/mazad/v1/token/create/", `{"name":"events","scope":"event"}`).Data.Token
	send := func(method, path, body string) {
		t.Helper()
		if status := h.call(method, h.ads+path, key, body, nil); status != 200 {
			t.Fatalf("%s %s: %d", method, path, status)
		}
	}
	send("POST", "/v1/users", `[{"id":"MARK-adult","age":30,"gender":"female","segments":[9001],"consent":"granted"},{"id":"MARK-minor","age":15,"consent":"granted"}]`)
	h.until("the first ad", time.Second, func() bool { return len(h.feed(plainRequest).Ads) > 0 })
	for who, age := range map[string]int{"adult": 30, "minor": 15} {
		ad := h.feed(fmt.Sprintf(`{"request_id":"MARK-r","user_id":"MARK-%s","session_id":"MARK-s","age":%d,"country":"NP","consent":{"personalized_ads":true},
			"device":{"ip":"203.0.113.9","user_agent":"MARK-agent"}}`, who, age)).Ads[0]
		for _, url := range []string{ad.ImpURL, ad.ViewURL, ad.ClickURL} {
			if status := h.call("GET", url, "", nil, nil); status >= 400 {
				t.Fatalf("beacon: %d", status)
			}
		}
		send("POST", "/v1/events", fmt.Sprintf(`[{"type":"purchase","event_id":"EVENT-%s","click_id":%q,"user_id":"MARK-%s"}]`, who, filepath.Base(ad.ClickURL), who))
	}
	look := func(when string) {
		t.Helper()
		marks, events := search(t, dir, "MARK-"), search(t, dir, "EVENT-")
		if len(marks) > 0 || len(events) == 0 {
			t.Errorf("%s: marks in %q, event ids in %q", when, marks, events)
		}
	}
	look("known")
	send("DELETE", "/v1/users/MARK-adult", "")
	send("DELETE", "/v1/users/MARK-minor", "")
	look("forgotten")
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	look("stopped")
}

// TestForgettingKeepsFiguresAndDestroysThePerson: after a user is forgotten, the
// user's key is in no file, no record of the user opens, no auction of the user is
// replayed, and nothing of the user is in a text of ClickHouse; yet the report, the
// ledger and the fold of the diary say what they said, to the nano. The user's
// number stays beside the figures. It leads nowhere: nothing maps an id to it, and
// nobody gets it again.
func TestForgettingKeepsFiguresAndDestroysThePerson(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.ClickHouse.Off, cfg.ClickHouse.Library, cfg.Replay.Sample = false, engines(t), "1"
	h := openHouse(t, cfg)
	a := h.newAgency()
	a.adGroup("")
	key := h.post(h.operator, "/mazad/v1/token/create/", `{"name":"events","scope":"event"}`).Data.Token
	mail := strings.Repeat("5eba", 16)
	const segment = 4276993775 // feedbeef
	profile := fmt.Sprintf(`[{"id":"MARK-adult","age":30,"gender":"female","email_sha256":%q,"segments":[%d],"consent":"granted"}]`, mail, segment)
	if status := h.call("POST", h.ads+"/v1/users", key, profile, nil); status != 200 {
		t.Fatalf("users: %d", status)
	}
	ord, secret, err := h.n.users.Key(t.Context(), []byte("MARK-adult"))
	if err != nil {
		t.Fatal(err)
	}
	h.until("the first ad", time.Second, func() bool { return len(h.feed(plainRequest).Ads) > 0 })
	const mine = `{"user_id":"MARK-adult","session_id":"MARK-s","age":30,"country":"NP","consent":{"personalized_ads":true},"device":{"ip":"203.0.113.9","user_agent":"MARK-agent"}}`
	var auctions []string
	for range 5 {
		answer := h.feed(mine)
		auctions = append(auctions, answer.AuctionID)
		for _, u := range []string{answer.Ads[0].ImpURL, answer.Ads[0].ViewURL, answer.Ads[0].ClickURL} {
			h.call("GET", u, "", nil, nil)
		}
	}
	if !h.replayed(auctions[4]).Equal {
		t.Fatal("the auctions are not replayed before")
	}
	h.until("the report", 10*time.Second, func() bool { return a.impressions() == "5" })
	before, figures := h.verify(), a.metrics()
	if len(search(t, cfg.DataDir, string(secret[:]))) == 0 {
		t.Fatal("the search does not see the key")
	}
	open, _ := h.personal(uint32(ord))
	if status := h.call("DELETE", h.ads+"/v1/users/MARK-adult", key, nil, nil); status != 200 {
		t.Fatalf("forget: %d", status)
	}
	digest, err := hex.DecodeString(mail)
	if err != nil {
		t.Fatal(err)
	}
	gone := func(when string) {
		t.Helper()
		for what, word := range map[string]string{"key": string(secret[:]), "name": "MARK-", "mail": string(digest), "mail in words": mail, "segment": "\xef\xbe\xed\xfe"} {
			if files := search(t, cfg.DataDir, word); len(files) > 0 {
				t.Errorf("%s: the user's %s is in %q", when, what, files)
			}
		}
	}
	check := func(when string) {
		t.Helper()
		gone(when)
		if now, shut := h.personal(uint32(ord)); now != 0 || shut != open {
			t.Errorf("%s: %d records of the user open, %d do not; %d opened before", when, now, shut, open)
		}
		for _, auction := range auctions {
			if r := h.replayed(auction); r.Equal || !strings.Contains(r.Why, "forgotten") {
				t.Errorf("%s: auction %s: %+v", when, auction, r)
			}
		}
		if after := h.verify(); after.Records != before.Records || !maps.Equal(after.Spend, before.Spend) {
			t.Errorf("%s: %d records and %v, before %d and %v", when, after.Records, after.Spend, before.Records, before.Spend)
		}
		if now := a.metrics(); !maps.Equal(now, figures) || now["reach"] != "1" {
			t.Errorf("%s: the report says %v, before %v", when, now, figures)
		}
		h.noTextOf(when, "MARK-", mail)
	}
	check("forgotten")
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	gone("stopped")
	h = openHouse(t, cfg)
	a.h = h
	if err := h.n.clickhouse.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	again, _, err := h.n.users.Key(t.Context(), []byte("MARK-adult"))
	if err != nil || again == ord {
		t.Fatalf("the same person comes back as number %d, was %d: %v", again, ord, err)
	}
	check("after a restart")
}

// personal counts the records of a user in the diary: those whose personal part
// opens, and those where it does not.
func (h *testHouse) personal(ord uint32) (open, shut int) {
	h.t.Helper()
	for _, stream := range []string{diary.Money, diary.Decisions, diary.Replays} {
		err := h.n.diary.Read(h.t.Context(), stream, 0, 1<<63, func(b *diary.Batch) error {
			return b.Each(userKeys{users: h.n.users}, func(r *events.Record) error {
				switch {
				case r.Personal.State == events.PrivacyNone || r.Personal.Ord != ord:
				case r.Personal.State == events.PrivacyOpen:
					open++
				default:
					shut++
				}
				return nil
			})
		})
		if err != nil {
			h.t.Fatal(err)
		}
	}
	return open, shut
}

// noTextOf looks for words in every text column of ClickHouse, whatever is
// compressed on its disk.
func (h *testHouse) noTextOf(when string, words ...string) {
	h.t.Helper()
	for _, column := range []string{"conversion_name", "conversion_event", "country", "currency", "stream", "conversion_currency"} {
		for _, word := range words {
			// The query fails where it finds one.
			sql := fmt.Sprintf("SELECT throwIf(count() > 0, 'found') FROM {db}.events WHERE position(%s, '%s') > 0", column, word)
			if err := h.n.client.Exec(h.t.Context(), sql); err != nil {
				h.t.Errorf("%s: %q in column %s: %v", when, word, column, err)
			}
		}
	}
	if err := h.n.client.Exec(h.t.Context(), "SELECT throwIf(count() > 0, 'found') FROM {db}.events"); err == nil {
		h.t.Error("a query that finds something does not fail: the search proves nothing")
	}
}

// search names the files below dir that hold word.
func search(t *testing.T, dir, word string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // a file may go while we look
		}
		raw, err := os.ReadFile(path)
		if err == nil && bytes.Contains(raw, []byte(word)) {
			found = append(found, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
