package console_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestBothLanguagesSayTheSame(t *testing.T) {
	english, arabic := words(t, "en"), words(t, "ar")
	gap := regexp.MustCompile(`\{\w+\}`)
	gaps := func(s string) []string {
		list := gap.FindAllString(s, -1)
		slices.Sort(list)
		return list
	}
	letters := regexp.MustCompile(`\p{Arabic}`)
	for key, text := range english {
		other, ok := arabic[key]
		switch {
		case !ok || strings.TrimSpace(other) == "":
			t.Errorf("text.ar.json lacks %s", key)
		case strings.TrimSpace(text) == "":
			t.Errorf("text.en.json: %s is empty", key)
		case !slices.Equal(gaps(text), gaps(other)):
			t.Errorf("%s: %v in English, %v in Arabic", key, gaps(text), gaps(other))
		case regexp.MustCompile(`[A-Za-z]{3}`).MatchString(gap.ReplaceAllString(text, "")) && !letters.MatchString(other):
			t.Errorf("%s is not translated: %q", key, other)
		}
	}
	for key := range arabic {
		if _, ok := english[key]; !ok {
			t.Errorf("text.en.json lacks %s", key)
		}
	}
}

func TestEveryTextIsThereAndUsed(t *testing.T) {
	english := words(t, "en")
	page, used := body(t, "/"), map[string]string{}
	for _, m := range regexp.MustCompile(`data-t(?:-label)?="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		used[m[1]] = "index.html"
	}
	lists := map[string]bool{"age": true, "gender": true, "placement": true} // breakdown.js names them by dimension
	for _, name := range files(t, ".js") {
		text := body(t, "/console/"+name)
		for _, m := range regexp.MustCompile(`\bt\('([^']+)'|title: '([^']+)'`).FindAllStringSubmatch(text, -1) {
			used[m[1]+m[2]] = name
		}
		for _, m := range regexp.MustCompile(`\bword\('([^']+)'`).FindAllStringSubmatch(text, -1) {
			lists[m[1]] = true
		}
		for _, m := range regexp.MustCompile(`\['(\w+)', '(?:money|count|percent)'\]|shown\('(\w+)'`).FindAllStringSubmatch(text, -1) {
			used[m[1]+m[2]] = name // a figure is named as its metric
		}
	}
	for key, where := range used {
		if _, ok := english[key]; !ok {
			t.Errorf("%s uses the text %q, which is not there", where, key)
		}
	}
	for key := range english {
		list, _, _ := strings.Cut(key, ".")
		if used[key] == "" && (!lists[list] || used[list+".title"] != "") {
			t.Errorf("the text %q is used nowhere", key)
		}
	}
	if len(used) < 60 {
		t.Errorf("only %d keys were found in the page and its scripts: the patterns of this test are out of date", len(used))
	}
}

// The closed lists of the marketing API are all named in words.
func TestEveryValueOfTheAPIHasAWord(t *testing.T) {
	english := words(t, "en")
	contract, err := os.ReadFile("../api/manage/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for schema, list := range map[string]string{"Objective": "objective", "BudgetMode": "budget", "BillingEvent": "billing",
		"AgeGroup": "age", "Gender": "gender", "Placement": "placement", "AdvertiserStatus": "account"} {
		m := regexp.MustCompile(`(?m)^    ` + schema + `: \{type: string, enum: \[([^\]]+)\]`).FindSubmatch(contract)
		if m == nil {
			t.Errorf("the contract has no list %s", schema)
			continue
		}
		for value := range strings.SplitSeq(string(m[1]), ",") {
			wantWord(t, english, list+"."+strings.TrimSpace(value))
		}
	}
	source, err := os.ReadFile("../campaign/effective.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`Issue\w+\s+IssueCode = "(\w+)"`).FindAllSubmatch(source, -1)
	if len(codes) < 10 {
		t.Fatalf("found %d issue codes in campaign", len(codes))
	}
	for _, m := range codes {
		wantWord(t, english, "status."+string(m[1]))
		wantWord(t, english, "issue."+string(m[1]))
	}
}

func wantWord(t *testing.T, list map[string]string, key string) {
	t.Helper()
	if list[key] == "" {
		t.Errorf("there is no word for %s", key)
	}
}

// The page may ask only for what the contract offers.
func TestEveryPathIsInTheContract(t *testing.T) {
	contract, err := os.ReadFile("../api/manage/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, name := range files(t, ".js") {
		for _, m := range regexp.MustCompile(`\.(?:get|post)\('(/[^']+)'`).FindAllStringSubmatch(body(t, "/console/"+name), -1) {
			count++
			if !strings.Contains(string(contract), "\n  /open_api/v1.3"+m[1]+":\n") {
				t.Errorf("%s asks for %s, which the contract does not have", name, m[1])
			}
		}
	}
	if count < 6 {
		t.Errorf("only %d calls found: the pattern of this test is out of date", count)
	}
}
