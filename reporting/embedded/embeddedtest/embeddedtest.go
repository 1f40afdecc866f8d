// Package embeddedtest gives tests a real ClickHouse: the test binary starts
// itself again as the embedded child.
//
// Contract: a package that uses it has `func TestMain(m *testing.M) {
// os.Exit(embeddedtest.Main(m)) }`. Where libchdb is not installed the tests
// skip with one loud line, unless CI or MAZAD_REQUIRE_ENGINES is set: then they
// fail.
//
// Concurrency: one Engine belongs to one test; several may run at a time.
package embeddedtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"mazad/reporting/embedded"
)

const childSwitch = "MAZAD_TEST_CLICKHOUSE_CHILD"

// Main runs the child if this process was started as one, else the tests.
func Main(m *testing.M) int {
	if os.Getenv(childSwitch) == "1" {
		if err := embedded.ServeChild(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
	if _, err := embedded.FindLibrary("", Root()); err != nil {
		fmt.Fprintln(os.Stderr, "=== SKIPPED, NO ENGINE: "+err.Error())
	}
	return m.Run()
}

// Root is the folder of the npm lock file, where `npm ci` puts the library.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(filepath.Dir(file)), "npm")
}

// Library returns the path of libchdb or ends the test.
func Library(t testing.TB) string {
	t.Helper()
	lib, err := embedded.FindLibrary("", Root())
	if err == nil {
		return lib
	}
	if os.Getenv("CI") == "true" || os.Getenv("MAZAD_REQUIRE_ENGINES") == "1" {
		t.Fatal(err)
	}
	t.Skip(err)
	return ""
}

// Config is a supervisor's configuration for this test binary.
func Config(t testing.TB, dir string) embedded.SupervisorConfig {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return embedded.SupervisorConfig{Command: []string{self}, Env: append(os.Environ(), childSwitch+"=1"),
		Lib: Library(t), DataDir: dir}
}

// Start runs an engine on dir until stop is called or the test ends, and waits
// until it answers.
func Start(t testing.TB, dir string) (s *embedded.Supervisor, stop func()) {
	t.Helper()
	s, err := embedded.NewSupervisor(Config(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	wait, stopWaiting := context.WithTimeout(ctx, 30*time.Second)
	defer stopWaiting()
	if err := s.WaitReady(wait); err != nil {
		t.Fatal(err)
	}
	return s, stop
}
