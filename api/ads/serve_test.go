package ads_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
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
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost:8080\r\nContent-Length: %d\r\n%s\r\n%s", path, len(body), strings.Join(more, ""), body)
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

// Without a key only programs on this machine are served: nobody behind a proxy
// on it, and no page of another site in its browser.
func TestKeylessIsLoopbackOnly(t *testing.T) {
	h := open(t, func(c *ads.Config) { c.KeylessLoopback = true })
	h.engine.reason = serving.ReasonNoMatch
	addr, _ := serve(t, h)
	f := func(host, header, want string) {
		t.Helper()
		head := raw(t, addr, "POST /v1/ads HTTP/1.1\r\nHost: "+host+"\r\n"+header+"Content-Length: 2\r\n\r\n{}")
		if !strings.HasPrefix(head, "HTTP/1.1 "+want) {
			t.Errorf("Host %s, %q: %q, want %s", host, header, head, want)
		}
	}
	f("localhost", "", "200")
	f("localhost:8080", "", "200")
	f("127.0.0.1:8080", "", "200")
	f("[::1]:8080", "", "200")
	f("localhost", "Origin: http://localhost:8081\r\n", "200")
	f("ads.example", "", "401")
	f("127.0.0.1.rebound.example", "", "401")
	f("localhost", "Origin: https://evil.example\r\n", "401")
	f("localhost", "Origin: null\r\n", "401")
	f("localhost", "X-Forwarded-For: 198.51.100.1\r\n", "401")
	f("localhost", "X-Forwarded-For:\r\nX-Forwarded-For: 198.51.100.1\r\n", "401")
	f("localhost", "X-Forwarded-For:\r\n", "401")
	f("localhost", "Forwarded: for=198.51.100.1\r\n", "401")
	f("localhost", "X-Real-IP: 198.51.100.1\r\n", "401")
	f("localhost", "Via: 1.1 proxy\r\n", "401")
	if err := h.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// A request with two lengths is answered and the connection ends: what a proxy
// took for its body is not read as the next request.
func TestTwoLengthsSmuggleNothing(t *testing.T) {
	h := open(t, nil)
	addr, _ := serve(t, h)
	inner := "0\r\n\r\nGET /v1/healthz HTTP/1.1\r\nHost: x\r\n\r\n"
	all := exchange(t, addr, fmt.Sprintf("POST /v1/ads HTTP/1.1\r\nHost: x\r\ncontent-length: %d\r\nTransfer-Encoding: chunked\r\n\r\n%s", len(inner), inner))
	if n := strings.Count(all, "HTTP/1.1 "); n != 1 || !strings.Contains(all, "Connection: close") {
		t.Errorf("%d answers: %s", n, all)
	}
	f := func(request, status, want string) {
		t.Helper()
		all := exchange(t, addr, request)
		if !strings.HasPrefix(all, "HTTP/1.1 "+status) || !strings.Contains(all, want) {
			t.Errorf("%.60q: %s", request, all)
		}
	}
	f("POST /v1/ads HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n", "413", "65536 bytes")
	f("POST /t/i/a HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n", "413", "1024 bytes")
	f("POST /v1/ads HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}", "400", "not an HTTP/1.1 request")
	f("POST /v1/ads HTTP/1.1\r\nHost: x\r\nX-Api-Key: decide\r\nContent-Type: multipart/form-data; boundary=a\r\nContent-Length: 1\r\nConnection: close\r\n\r\na", "400", "not JSON")
	if err := h.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// exchange sends bytes and returns everything until the server closes.
func exchange(t *testing.T, addr, request string) string {
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
	all, _ := io.ReadAll(conn)
	return string(all)
}

// A stop that comes before, or in the very moment of, Serve ends it all the same:
// nothing else would ever close the listener.
func TestShutdownBeforeServeEndsIt(t *testing.T) {
	limit := time.After(20 * time.Second)
	for round := range 200 {
		h := open(t, nil)
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done, begin := make(chan error, 1), make(chan struct{})
		go func() {
			<-begin
			done <- h.Serve(ln)
		}()
		if round > 0 { // else Serve comes after Shutdown for certain
			close(begin)
		}
		if round%2 == 1 {
			runtime.Gosched()
		}
		if err := h.Shutdown(context.Background()); err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			close(begin)
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatalf("round %d: Serve: %v", round, err)
			}
		case <-limit:
			t.Fatalf("round %d: Serve went on after Shutdown", round)
		}
		if c, err := net.Dial("tcp", ln.Addr().String()); err == nil {
			_ = c.Close()
			t.Fatalf("round %d: the address is still taken", round)
		}
	}
}
