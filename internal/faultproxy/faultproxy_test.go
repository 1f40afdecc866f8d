package faultproxy_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mazad/internal/faultproxy"
)

// TestFaults shows each fault to an ordinary client and server.
func TestFaults(t *testing.T) {
	var served, whole atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b, err := io.ReadAll(r.Body); err == nil {
			whole.Add(int64(len(b)))
		}
		served.Add(1)
		_, _ = w.Write([]byte("stored"))
	}))
	defer server.Close()
	p, err := faultproxy.Listen(strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	body := bytes.Repeat([]byte("x"), 100_000)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	post := func() (string, error) {
		resp, err := client.Post("http://"+p.Addr(), "text/plain", bytes.NewReader(body))
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return string(b), err
	}
	for _, c := range []struct {
		name   string
		fault  faultproxy.Fault
		works  bool
		served int64 // requests that reached the server whole
	}{
		{"nothing", faultproxy.Fault{}, true, 1},
		{"away", faultproxy.Fault{Away: true}, false, 0},
		{"back", faultproxy.Fault{}, true, 1},
		{"broken upload", faultproxy.Fault{UploadLimit: 50_000}, false, 0},
		{"lost reply", faultproxy.Fault{LoseReplies: true}, false, 1},
		{"slow", faultproxy.Fault{Delay: 5 * time.Millisecond}, true, 1},
	} {
		p.Set(c.fault)
		before, began := whole.Load(), time.Now()
		got, err := post()
		if (err == nil && got == "stored") != c.works {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
		if n := (whole.Load() - before) / int64(len(body)); n != c.served {
			t.Errorf("%s: %d whole requests reached the server, want %d", c.name, n, c.served)
		}
		if c.fault.Delay > 0 && time.Since(began) < 6*c.fault.Delay {
			t.Errorf("%s: took only %s", c.name, time.Since(began))
		}
	}
	if p.Resets() < 3 || p.LostReplies() != 1 {
		t.Errorf("%d resets, %d lost replies", p.Resets(), p.LostReplies())
	}
}

// TestAwayEndsOpenConnections: who is connected hears of it at once.
func TestAwayEndsOpenConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p, err := faultproxy.Listen(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := l.Accept(); err != nil {
		t.Fatal(err)
	}
	p.Set(faultproxy.Fault{Away: true})
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("reading from a server that went away: %v", err)
	}
}
