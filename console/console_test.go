package console_test

import (
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mazad/console"
)

// get asks the console for a path as a browser does.
func get(t *testing.T, target string) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	console.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	return w.Result()
}

func body(t *testing.T, target string) string {
	t.Helper()
	res := get(t, target)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %d, want 200", target, res.StatusCode)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// files are the names below site whose ending is one of those given; all of
// them without.
func files(t *testing.T, endings ...string) []string {
	t.Helper()
	var list []string
	err := fs.WalkDir(os.DirFS("site"), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && (len(endings) == 0 || slices.Contains(endings, path.Ext(name))) {
			list = append(list, name)
		}
		return err
	})
	if err != nil || len(list) == 0 {
		t.Fatalf("list the site: %d files, %v", len(list), err)
	}
	return list
}

func TestEveryFileIsServedUnderAStrictPolicy(t *testing.T) {
	types := map[string]string{".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".json": "application/json", ".svg": "image/svg+xml"}
	for _, name := range files(t) {
		target := "/console/" + name
		if name == "index.html" {
			target = "/"
		}
		res := get(t, target)
		onDisk, err := os.ReadFile("site/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if served := body(t, target); served != string(onDisk) {
			t.Errorf("%s: what is served is not the file", target)
		}
		if got, want := res.Header.Get("Content-Type"), types[path.Ext(name)]; want == "" || !strings.HasPrefix(got, want) {
			t.Errorf("%s: Content-Type %q, want %q", target, got, want)
		}
		policy := res.Header.Get("Content-Security-Policy")
		for _, rule := range []string{"default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} {
			if !strings.Contains(policy, rule) {
				t.Errorf("%s: Content-Security-Policy %q lacks %q", target, policy, rule)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
			t.Errorf("%s: Content-Security-Policy %q lets too much through", target, policy)
		}
		if res.Header.Get("X-Content-Type-Options") != "nosniff" || res.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: headers %v", target, res.Header)
		}
	}
	if res := get(t, "/console/nothing.js"); res.StatusCode != http.StatusNotFound {
		t.Errorf("a file that is not there: %d, want 404", res.StatusCode)
	}
}

func TestMarkupHasNoInlineCode(t *testing.T) {
	inline := map[string]*regexp.Regexp{
		"an inline style":    regexp.MustCompile(`(?i)<style|\sstyle\s*=`),
		"an event attribute": regexp.MustCompile(`(?i)\son[a-z]+\s*=`),
		"a script address":   regexp.MustCompile(`(?i)javascript:`),
	}
	for _, name := range files(t, ".html", ".svg") {
		text := body(t, "/console/"+strings.TrimSuffix(name, "index.html"))
		for _, tag := range regexp.MustCompile(`(?is)<script([^>]*)>(.*?)</script>`).FindAllStringSubmatch(text, -1) {
			if !strings.Contains(tag[1], ` src="/console/`) || strings.TrimSpace(tag[2]) != "" {
				t.Errorf("%s has an inline script: %q", name, tag[0])
			}
		}
		for what, pattern := range inline {
			if found := pattern.FindString(text); found != "" {
				t.Errorf("%s has %s: %q", name, what, found)
			}
		}
	}
}

func TestScriptsNeverTurnDataIntoMarkup(t *testing.T) {
	risky := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|\beval\(|new Function|setAttribute\('style'`)
	for _, name := range files(t, ".js") {
		if found := risky.FindString(body(t, "/console/"+name)); found != "" {
			t.Errorf("%s uses %s", name, found)
		}
	}
}

func TestNothingIsLoadedFromAnotherHost(t *testing.T) {
	address := regexp.MustCompile(`(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}[^\s"'` + "`" + `]*`)
	for _, name := range files(t, ".html", ".js", ".css", ".json") {
		for _, found := range address.FindAllString(body(t, "/console/"+strings.TrimSuffix(name, "index.html")), -1) {
			if found != "http://www.w3.org/2000/svg" { // a name, not an address
				t.Errorf("%s names %s", name, found)
			}
		}
	}
}

// A page that asks for a file that is not there shows nothing at all.
func TestEveryReferenceIsAFile(t *testing.T) {
	page := body(t, "/")
	for _, m := range regexp.MustCompile(`(?:src|href)="(/console/[^"]+)"`).FindAllStringSubmatch(page, -1) {
		body(t, m[1])
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(`\sid="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if ids[m[1]] {
			t.Errorf("index.html: id %q is there twice", m[1])
		}
		ids[m[1]] = true
	}
	imported := regexp.MustCompile(`from '\./([^']+)'`)
	asked := regexp.MustCompile(`byId\('([^']+)'\)`)
	for _, name := range files(t, ".js") {
		text := body(t, "/console/"+name)
		for _, m := range imported.FindAllStringSubmatch(text, -1) {
			body(t, "/console/"+m[1])
		}
		for _, m := range asked.FindAllStringSubmatch(text, -1) {
			if !ids[m[1]] {
				t.Errorf("%s asks for #%s, which index.html does not have", name, m[1])
			}
		}
	}
}

// Arabic reads from right to left: a rule that says "left" is wrong in one of
// the two languages.
func TestStylesAreLogical(t *testing.T) {
	physical := regexp.MustCompile(`(?m)(?:^|[\s;{])((?:margin|padding|border)-(?:left|right)|left|right|(?:min-|max-)?(?:width|height)|text-align: (?:left|right)|float)\s*:`)
	comment := regexp.MustCompile(`(?s)/\*.*?\*/|@media[^{]*`)
	for _, name := range files(t, ".css") {
		for _, m := range physical.FindAllStringSubmatch(comment.ReplaceAllString(body(t, "/console/"+name), ""), -1) {
			t.Errorf("%s: %q is a physical property", name, m[1])
		}
	}
}

func TestScriptsAreShort(t *testing.T) {
	for _, name := range files(t, ".js", ".css", ".html") {
		if lines := strings.Count(body(t, "/console/"+strings.TrimSuffix(name, "index.html")), "\n"); lines > 300 {
			t.Errorf("%s has %d lines, the limit is 300", name, lines)
		}
	}
}

func words(t *testing.T, language string) map[string]string {
	t.Helper()
	var list map[string]string
	if err := json.Unmarshal([]byte(body(t, "/console/text."+language+".json")), &list); err != nil {
		t.Fatalf("text.%s.json: %v", language, err)
	}
	return list
}
