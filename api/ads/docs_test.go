package ads_test

import (
	"os"
	"regexp"
	"testing"
)

var example = regexp.MustCompile("(?s)```json POST (\\S+)\n(.*?)```")

// Every request in the reference is accepted.
func TestExamplesOfTheReference(t *testing.T) {
	page, err := os.ReadFile("../../docs/api-ads.md")
	if err != nil {
		t.Fatal(err)
	}
	h := open(t, nil)
	found := example.FindAllSubmatch(page, -1)
	for _, m := range found {
		key := "decide"
		if uri := string(m[1]); uri == "/v1/events" || uri == "/v1/users" {
			key = "operator"
		}
		r := h.do("POST", string(m[1]), string(m[2]), "X-Api-Key: "+key)
		if s := r.StatusCode(); s != 200 && s != 204 || len(r.Body()) > 0 && parsed(t, r)["code"] == 20001.0 {
			t.Errorf("%s: %d %s", m[1], s, r.Body())
		}
	}
	if len(found) != 4 {
		t.Errorf("%d examples", len(found))
	}
}
