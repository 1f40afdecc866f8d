package ads_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"mazad/api/ads"
	"mazad/serving"
)

// serve runs the server on a real socket.
func serve(t *testing.T, h *house) (addr string, done chan error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done = make(chan error, 1)
	go func() { done <- h.Serve(ln) }()
	return ln.Addr().String(), done
}

// raw sends bytes and returns the status line and the headers.
func raw(t *testing.T, addr, request string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	var head strings.Builder
	r := bufio.NewReader(conn)
	for {
		line, err := r.ReadString('\n')
		if err != nil || line == "\r\n" {
			return head.String()
		}
		head.WriteString(line)
	}
}

func TestOnTheWire(t *testing.T) {
	h := open(t, func(c *ads.Config) { c.KeylessLoopback = true; c.Limits.FeedBytes = 1000 })
	h.engine.reason = serving.ReasonNoMatch
	addr, done := serve(t, h)
	f := func(request, want string) {
		t.Helper()
		head := raw(t, addr, request)
		if !strings.HasPrefix(head, "HTTP/1.1 "+want) || strings.Contains(head, "Server:") {
			t.Errorf("%.60q: %s", request, head)
		}
	}
	post := func(path, body string, more ...string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n%s", path, len(body), strings.Join(more, ""), body)
	}
	f(post("/v1/ads", "{}"), "200")
	f(post("/v1/ads", "{}", "X-Forwarded-For: 198.51.100.1\r\n"), "401")
	f(post("/v1/events", "[]"), "401")
	f(post("/v1/ads", strings.Repeat(" ", 1001)), "413")
	f(post("/nowhere", strings.Repeat(" ", 2000)), "413")
	f("POST /v1/ads HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n"+strings.Repeat(" ", 2048)+"\r\n0\r\n\r\n", "413")
	f("nonsense\r\n\r\n", "400")
	f("GET /"+strings.Repeat("a", 9000)+" HTTP/1.1\r\nHost: x\r\n\r\n", "431")
	f("GET /v1/healthz HTTP/1.1\r\nHost: x\r\n\r\n", "200")
	if err := h.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("Serve returned %v", err)
	}
}

// A beacon that is waiting for the disk when the server stops is still
// acknowledged, and the health check says that the server is going.
func TestShutdownFinishesWhatWasBegun(t *testing.T) {
	gate := make(chan struct{})
	var h *house
	h = open(t, func(c *ads.Config) {
		c.Confirm = &slow{confirmer: &confirmer{}, wait: gate, inside: gate}
	})
	addr, done := serve(t, h)
	answer := make(chan int, 1)
	go func() {
		r, err := http.Get("http://" + addr + "/t/i/tok")
		if err != nil {
			answer <- 0
			return
		}
		_ = r.Body.Close()
		answer <- r.StatusCode
	}()
	<-gate
	stopped := make(chan error, 1)
	go func() { stopped <- h.Shutdown(context.Background()) }()
	if err := <-done; err != nil { // no longer accepting
		t.Errorf("Serve: %v", err)
	}
	if r := h.do("GET", "/v1/healthz", ""); r.StatusCode() != 503 {
		t.Errorf("health while stopping: %d", r.StatusCode())
	}
	gate <- struct{}{}
	if status := <-answer; status != 200 {
		t.Errorf("the beacon got %d", status)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
