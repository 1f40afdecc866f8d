package load_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mazad/bench/load"
)

// serve starts a server and returns its host:port.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func config(address string) load.Config {
	post := load.Request("POST", address, "/v1/ads", []byte(`{"slots":1}`), load.JSON)
	return load.Config{Address: address, Connections: 4, RatePerSecond: 1000, Duration: 300 * time.Millisecond,
		Timeout: 2 * time.Second, Request: func(int, uint64) []byte { return post }}
}

func mustRun(t *testing.T, c load.Config) *load.Report {
	t.Helper()
	r, err := load.Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestOpenLoopSendsEveryRequestThatIsDue(t *testing.T) {
	var got atomic.Int64
	c := config(serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if string(body) == `{"slots":1}` && r.URL.Path == "/v1/ads" && r.Header.Get("Content-Type") == "application/json" {
			got.Add(1)
		}
		if got.Load()%2 == 0 {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		_, _ = w.Write([]byte("four"))
	}))
	c.WarmUp = 100 * time.Millisecond
	r := mustRun(t, c)
	if r.Answered != 300 || r.Errors != 0 || r.Unsent != 0 || got.Load() != 400 {
		t.Errorf("%d answered, %d errors (%v), %d unsent, server saw %d; want 300 of 400", r.Answered, r.Errors, r.FirstError, r.Unsent, got.Load())
	}
	if r.Status[200]+r.Status[204] != 300 || r.Share(200, 204) != 1 || r.Bytes != 4*r.Status[200] {
		t.Errorf("statuses %v, share %v, %d bytes", r.Status, r.Share(200, 204), r.Bytes)
	}
	if r.P50 <= 0 || r.P50 > r.P99 || r.P99 > r.P999 || r.P999 > r.Max+r.Max/100 {
		t.Errorf("percentiles are not in order: %+v", r)
	}
	var out strings.Builder
	if r.Print(&out); !strings.Contains(out.String(), "300 answers") {
		t.Errorf("printed %q", out.String())
	}
}

// A stall must be charged to every request that was due meanwhile.
func TestAStallIsNotOmitted(t *testing.T) {
	var mu sync.Mutex
	seen := 0
	c := config(serve(t, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if seen++; seen == 50 {
			<-time.After(200 * time.Millisecond)
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	c.Connections = 1
	c.Duration = 400 * time.Millisecond
	r := mustRun(t, c)
	if r.Answered != 400 {
		t.Fatalf("%d answered, %d errors (%v)", r.Answered, r.Errors, r.FirstError)
	}
	if r.P90 < 100*time.Millisecond {
		t.Errorf("p90 %s hides a stall of 200 ms that met half of the requests", r.P90)
	}
	if r.ServiceP50 > 50*time.Millisecond {
		t.Errorf("the server's own p50 is %s, though one request was slow", r.ServiceP50)
	}
}

func TestClosedLoopKeepsEveryConnectionBusy(t *testing.T) {
	var inside, most atomic.Int64
	c := config(serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n := inside.Add(1); n > most.Load() {
			most.Store(n)
		}
		<-time.After(time.Millisecond)
		inside.Add(-1)
		w.WriteHeader(http.StatusNoContent)
	}))
	c.RatePerSecond = 0
	r := mustRun(t, c)
	if r.Answered < 20 || r.Errors != 0 || most.Load() > 4 {
		t.Errorf("%d answered, %d errors (%v), %d at once; want 4 connections busy", r.Answered, r.Errors, r.FirstError, most.Load())
	}
}

func TestTroubleIsCounted(t *testing.T) {
	dropped := config(serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	if r := mustRun(t, dropped); r.Errors != 300 || r.FirstError == nil || r.Share(200) != 0 {
		t.Errorf("%d errors (%v), want 300", r.Errors, r.FirstError)
	}
	closing := config(serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") }))
	if r := mustRun(t, closing); r.Status[200] != 300 {
		t.Errorf("a server that closes after each answer: %v, %v", r.Status, r.FirstError)
	}
	slow := config(serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that the client left
		<-r.Context().Done()
	}))
	slow.Timeout, slow.Duration = 30*time.Millisecond, 50*time.Millisecond
	if r := mustRun(t, slow); r.Errors != 50 || !strings.Contains(r.FirstError.Error(), "timeout") {
		t.Errorf("%d errors (%v), want 50 timeouts", r.Errors, r.FirstError)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	c := config(serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	c.Duration = time.Hour
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	r, err := load.Run(ctx, c)
	if err == nil || r == nil || r.Seconds > 60 {
		t.Errorf("report %+v, error %v", r, err)
	}
}

func TestBadConfigNamesTheField(t *testing.T) {
	f := func(want string, change func(*load.Config)) {
		t.Helper()
		c := config("127.0.0.1:1")
		change(&c)
		if _, err := load.Run(context.Background(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
	f("connections: 0", func(c *load.Config) { c.Connections = 0 })
	f("rate: -1", func(c *load.Config) { c.RatePerSecond = -1 })
	f("duration: 0s", func(c *load.Config) { c.Duration = 0 })
	f("timeout: 2m0s", func(c *load.Config) { c.Timeout = 2 * time.Minute })
	f("request:", func(c *load.Config) { c.Request = nil })
	f("connect to 127.0.0.1:1", func(*load.Config) {})
}

func TestArrivalsRepeatAndKeepTheRate(t *testing.T) {
	for _, poisson := range []bool{false, true} {
		a, b := load.NewArrivals(1000, poisson, 5), load.NewArrivals(1000, poisson, 5)
		var last time.Duration
		for range 100_000 {
			last = a.Next()
			if last != b.Next() {
				t.Fatal("the same seed gives other arrivals")
			}
		}
		if s := last.Seconds(); s < 98 || s > 102 {
			t.Errorf("poisson %v: 100,000 arrivals at 1,000 per second took %.1f s", poisson, s)
		}
	}
}

// answers serves one raw answer, in the given pieces.
func answers(t *testing.T, pieces ...string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Read(make([]byte, 1024))
		for _, p := range pieces {
			_, _ = conn.Write([]byte(p))
		}
	}()
	return l.Addr().String()
}

func TestAnswersAreParsedStrictly(t *testing.T) {
	big := strings.Repeat("x", 100_000)
	f := func(wantStatus int, wantBody, wantErr string, pieces ...string) {
		t.Helper()
		c, err := load.Dial(answers(t, pieces...), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		status, body, err := c.Do([]byte("GET / HTTP/1.1\r\n\r\n"))
		if wantErr != "" {
			if err == nil || !strings.Contains(err.Error(), wantErr) {
				t.Errorf("error %v, want %q in it", err, wantErr)
			}
			return
		}
		if err != nil || status != wantStatus || !bytes.Equal(body, []byte(wantBody)) {
			t.Errorf("status %d, %d bytes, %v", status, len(body), err)
		}
	}
	f(200, "ok", "", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
	f(200, "ok", "", "HTTP/1.1 200 OK\r\nContent-Len", "gth: 2\r", "\n\r\n", "o", "k")
	f(200, big, "", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", big)
	f(204, "", "", "HTTP/1.1 204 No Content\r\n\r\n")
	f(0, "", "no Content-Length", "HTTP/1.1 200 OK\r\n\r\n")
	f(0, "", "Transfer-Encoding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	f(0, "", "not an HTTP/1 answer", "SSH-2.0-x 123 abc\r\n\r\n")
	f(0, "", "Content-Length", "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n")
	f(0, "", "unexpected EOF", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok")
	f(0, "", "longer than", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nok")
}
