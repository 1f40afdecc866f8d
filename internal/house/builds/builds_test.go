package builds_test

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

const golden = "TestI8GoldenDigest"

// goldenFiles are the test files that the golden season needs.
var goldenFiles = []string{"season_test.go", "golden_test.go", "world_test.go", "race_test.go", "norace_test.go"}

// build is one way to compile the corridor, and the setting that shows in the
// binary that it was done.
type build struct {
	name, setting, value string
	env, args            []string
}

// TestI8GoldenDigestInEveryBuild compiles serving's golden season in several ways
// and runs each.
func TestI8GoldenDigestInEveryBuild(t *testing.T) {
	if testing.Short() {
		t.Skip("the corridor is compiled three times: not in the short run")
	}
	builds := []build{{name: "race", setting: "-race", value: "true", env: []string{"CGO_ENABLED=1"}, args: []string{"-race"}}}
	if runtime.GOARCH == "amd64" {
		for _, v := range []string{"v1", "v3"} {
			builds = append(builds, build{name: "GOAMD64=" + v, setting: "GOAMD64", value: v, env: []string{"CGO_ENABLED=0", "GOAMD64=" + v}})
		}
	}
	serving, err := filepath.Abs("../../../serving")
	if err != nil {
		t.Fatal(err)
	}
	overlay := withoutDiary(t, serving)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	for _, b := range builds {
		t.Run(b.name, func(t *testing.T) {
			if b.name == "race" && !compilesC(ctx) {
				leftOut(t, "the race detector needs a C compiler, and there is none")
			}
			bin := filepath.Join(t.TempDir(), "golden.test")
			c := exec.CommandContext(ctx, "go", append([]string{"test", "-c", "-overlay", overlay, "-o", bin}, append(b.args, ".")...)...)
			c.Dir, c.Env = serving, append(os.Environ(), b.env...)
			if out, err := c.CombinedOutput(); err != nil {
				t.Fatalf("build: %v\n%s", err, out)
			}
			b.check(t, bin)
			c = exec.CommandContext(ctx, bin, "-test.v", "-test.run", "^"+golden+"$")
			c.Dir = serving
			out, err := c.CombinedOutput()
			if bytes.Contains(out, []byte("microarchitecture support")) {
				leftOut(t, "this processor is older than "+b.name)
			}
			if err != nil || !bytes.Contains(out, []byte("--- PASS: "+golden)) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// check reads out of the binary how it was built.
func (b build) check(t *testing.T, bin string) {
	t.Helper()
	info, err := buildinfo.ReadFile(bin)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range info.Settings {
		if s.Key == b.setting && s.Value == b.value {
			return
		}
	}
	t.Fatalf("the binary was not built with %s=%s: %v", b.setting, b.value, info.Settings)
}

// withoutDiary writes an overlay for the go command in which the files of serving
// that speak to the diary, and the tests besides the golden season, do not exist.
func withoutDiary(t *testing.T, serving string) (overlay string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(serving, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	gone := map[string]string{}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		isTest := strings.HasSuffix(f, "_test.go")
		ofDiary := bytes.Contains(raw, []byte(`"mazad/events/diary"`)) || bytes.Contains(raw, []byte("*Tracker)"))
		if isTest && !slices.Contains(goldenFiles, filepath.Base(f)) || !isTest && ofDiary {
			gone[f] = ""
		}
	}
	raw, err := json.Marshal(map[string]any{"Replace": gone})
	if err != nil {
		t.Fatal(err)
	}
	overlay = filepath.Join(t.TempDir(), "overlay.json")
	if err := os.WriteFile(overlay, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return overlay
}

// compilesC tells whether the C compiler that go would call is there.
func compilesC(ctx context.Context) bool {
	out, err := exec.CommandContext(ctx, "go", "env", "CC").Output()
	name, _, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	if err == nil {
		_, err = exec.LookPath(name)
	}
	return err == nil
}

// leftOut skips loudly, except on CI, where nothing may be left out.
func leftOut(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip("SKIPPED: " + why)
}
