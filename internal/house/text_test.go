package house_test

import (
	"bytes"
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func checkFormat(files []*source) (bad []string) {
	for _, s := range files {
		if want, err := format.Source(s.Text); err != nil || !bytes.Equal(want, s.Text) {
			bad = append(bad, s.Path+": not formatted: run gofmt -w")
		}
	}
	return bad
}

// machinePath is an absolute path that exists on one person's machine only.
var machinePath = regexp.MustCompile("(?:^|[\\s\"'`(=:])(/(?:home|root|Users|work|workspace)/[A-Za-z0-9._-]+|/tmp/[A-Za-z0-9_-]+/[A-Za-z0-9_-]+|[A-Z]:\\\\Users\\\\)")

// registryLine is how a lock file or a configuration names the server a package came from.
var registryLine = regexp.MustCompile(`(?:"resolved"\s*:\s*"|registry\s*=\s*|GOPROXY\s*[=:]\s*"?)(https?://[^/\s",]+)`)

var publicRegistries = []string{"https://registry.npmjs.org", "https://proxy.golang.org"}

func checkText(name, text string) (bad []string) {
	for i, line := range strings.Split(text, "\n") {
		if m := machinePath.FindStringSubmatch(line); m != nil {
			bad = append(bad, fmt.Sprintf("%s:%d: %s is a path of one machine", name, i+1, m[1]))
		}
		if m := registryLine.FindStringSubmatch(line); m != nil && !contains(publicRegistries, m[1]) {
			bad = append(bad, fmt.Sprintf("%s:%d: names a package registry; leave it to each machine's configuration", name, i+1))
		}
		if strings.HasPrefix(line, "<<<<<<< ") || strings.HasPrefix(line, ">>>>>>> ") {
			bad = append(bad, fmt.Sprintf("%s:%d: an unfinished merge", name, i+1))
		}
	}
	return bad
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// checkKept refuses files that belong to one machine or are too large for a repository.
func checkKept(name string, size int64) string {
	base := filepath.Base(name)
	switch {
	case base == ".npmrc" || base == ".env" || base == ".netrc" || strings.HasSuffix(base, ".pem") || strings.HasSuffix(base, ".key"):
		return name + ": belongs to one machine, or is a secret"
	case size > 4<<20:
		return fmt.Sprintf("%s: %d bytes; large files do not belong in the repository (limit 4 MiB)", name, size)
	}
	return ""
}

// isText tells by the first bytes whether a file is worth reading line by line.
func isText(b []byte) bool { return !bytes.Contains(b[:min(len(b), 4096)], []byte{0}) }

func TestGoIsFormatted(t *testing.T) { report(t, checkFormat(repo(t).Sources)) }

func TestFilesNameNoMachine(t *testing.T) {
	r := repo(t)
	for _, name := range r.Files {
		full := filepath.Join(r.Root, name)
		info, err := os.Stat(full)
		if err != nil || info.IsDir() {
			continue
		}
		if c := checkKept(name, info.Size()); c != "" {
			t.Error(c)
			continue
		}
		text, err := os.ReadFile(full)
		if err != nil {
			t.Fatal(err)
		}
		if isText(text) && !strings.HasPrefix(name, "internal/house/") {
			report(t, checkText(name, string(text)))
		}
	}
}

func TestTextRulesCanFail(t *testing.T) {
	wantComplaint(t, checkFormat([]*source{sample(t, "auction/a.go", "package  auction\n")}), "gofmt")
	wantComplaint(t, checkText("a.md", "see\n`/home/someone/notes`"), "a.md:2", "one machine")
	wantComplaint(t, checkText("a.go", `os.Open("/`+`tmp/scratch/x")`), "one machine")
	wantComplaint(t, checkText("package-lock.json", `"resolved": "https://mirror.example/a.tgz"`), "registry")
	wantComplaint(t, checkText("a.go", "<<<<<<< HEAD"), "merge")
	wantNone(t, checkText("package-lock.json", `"resolved": "https://registry.npmjs.org/a.tgz"`))
	wantNone(t, checkText("a.go", `POST /v1/events, ../shared/data, https://example.com/home/a`))
	if checkKept("x/.npmrc", 1) == "" || checkKept("a.bin", 5<<20) == "" || checkKept("a.go", 1) != "" {
		t.Error("checkKept judges wrongly")
	}
}
