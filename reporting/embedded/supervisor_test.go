package embedded_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mazad/reporting/embedded"
)

func TestMissingLibraryIsAStateWithInstructions(t *testing.T) {
	asked := make(chan time.Duration)
	s, err := embedded.NewSupervisor(embedded.SupervisorConfig{Command: []string{"/nonexistent"}, DataDir: t.TempDir(),
		Roots: []string{t.TempDir()}, After: func(d time.Duration) <-chan time.Time { asked <- d; return nil }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	<-asked
	st, _ := s.Status()
	if st.State != embedded.StateMissing || !strings.Contains(st.Detail, "npm ci --prefix reporting/embedded/npm") {
		t.Errorf("%+v", st)
	}
	if _, ok := s.Endpoint(); ok {
		t.Error("an endpoint without an engine")
	}
	if err := s.WaitReady(ctx); err == nil {
		t.Error("waiting for a missing library ended well")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestServeRefuses(t *testing.T) {
	f := func(cfg embedded.Config, want string) {
		t.Helper()
		if err := embedded.Serve(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	dir := t.TempDir()
	f(embedded.Config{DataDir: dir}, "token is required")
	f(embedded.Config{DataDir: dir, Token: "x", Addr: "0.0.0.0:0"}, "loopback")
	f(embedded.Config{DataDir: dir, Token: "x", Addr: "example"}, "example")
	f(embedded.Config{DataDir: dir, Token: "x", Lib: filepath.Join(dir, "none.so")}, "none.so")
	if err := embedded.ServeChild(t.Context(), strings.NewReader(""), &bytes.Buffer{}); err == nil {
		t.Error("a child without orders")
	}
	var missing *embedded.MissingLibrary
	if _, err := embedded.FindLibrary("/no/such/lib"); !errors.As(err, &missing) {
		t.Errorf("got %v", err)
	}
}
