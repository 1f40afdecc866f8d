package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
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
