package failpoint

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

var (
	first  = New("test.first")
	second = New("test.second-place")
)

// TestMain lets this binary be the process that dies.
func TestMain(m *testing.M) {
	if spec := os.Getenv("FAILPOINT_TEST_SPEC"); spec != "" {
		if err := Arm(spec, os.Getenv("FAILPOINT_TEST_LOG")); err != nil {
			os.Exit(3)
		}
		for range 5 {
			first.Hit()
			_, _ = os.Stdout.WriteString("x")
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestDisarmedPointsDoNothing(t *testing.T) {
	if first.Hit() || second.Hit() {
		t.Error("a point that nobody armed did something")
	}
	if n := testing.AllocsPerRun(100, func() { first.Hit() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if names := Names(); !slices.Contains(names, "test.first") || !slices.IsSorted(names) {
		t.Errorf("names %q", names)
	}
}

func TestDropIsTrueOnce(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	if err := Arm("test.second-place=drop@2", log); err != nil {
		t.Fatal(err)
	}
	defer second.armed.Store(nil)
	if got := []bool{second.Hit(), second.Hit(), second.Hit()}; !slices.Equal(got, []bool{false, true, false}) {
		t.Errorf("hits %v, want the second only", got)
	}
	if b, _ := os.ReadFile(log); !strings.HasPrefix(string(b), "test.second-place ") || strings.Count(string(b), "\n") != 1 {
		t.Errorf("log %q", b)
	}
}

func TestKillEndsTheProcessAtTheHit(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "FAILPOINT_TEST_SPEC=test.first=kill@3", "FAILPOINT_TEST_LOG="+log)
	out, err := cmd.Output()
	if st, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); err == nil || ok && st.Signal() != syscall.SIGKILL || string(out) != "xx" {
		t.Errorf("%v after %q, want a kill at the third hit", err, out)
	}
	if b, _ := os.ReadFile(log); !strings.HasPrefix(string(b), "test.first ") {
		t.Errorf("log %q", b)
	}
}

func TestBadSpecsAreNamed(t *testing.T) {
	for spec, want := range map[string]string{
		"test.first": "want name=kill", "test.first=die": "want name=kill", "nowhere=kill": `"nowhere": there is no point`,
		"test.first=kill@x": "want name=kill", "test.first=kill+1s": "want name=kill",
	} {
		if err := Arm(spec, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", spec, err, want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a name was given twice")
		}
	}()
	New("test.first")
}

func BenchmarkDisarmed(b *testing.B) {
	for b.Loop() {
		first.Hit()
	}
}
