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
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mazad/api/ads"
	"mazad/internal/clock"
	"mazad/serving"
)

const overloaded = `"reason":"overload"`

// caller is a client on one connection.
type caller struct {
	conn net.Conn
	r    *bufio.Reader
}

func call(addr string) (*caller, error) {
	conn, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return nil, err
	}
	return &caller{conn, bufio.NewReader(conn)}, nil
}

func (c *caller) do(request string) (status int, body string, err error) {
	if err := c.conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return 0, "", err
	}
	if _, err := io.WriteString(c.conn, request); err != nil {
		return 0, "", err
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// knock sends one request on a connection of its own.
func knock(t *testing.T, addr, request string) (status int, body string) {
	t.Helper()
	c, err := call(addr)
	if err == nil {
		defer c.conn.Close()
		status, body, err = c.do(request)
	}
	if err != nil {
		t.Error(err)
	}
	return status, body
}

func posted(path, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: ads.example\r\nX-Api-Key: decide\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

var (
	adRequest     = posted("/v1/ads", `{"slots":1,"country":"DE"}`)
	bidRequest    = posted("/openrtb2/bid", `{"id":"1","imp":[{"id":"1","banner":{"w":300,"h":250}}]}`)
	beaconRequest = "GET /t/i/" + string(token) + " HTTP/1.1\r\nHost: ads.example\r\n\r\n"
)

// TestBeaconsAreRefusedLast fills the room for beacons on the real door: when half
// of it is taken ads are refused, while beacons come in until all of it is.
func TestBeaconsAreRefusedLast(t *testing.T) {
	const room = 8
	s := &slow{wait: make(chan struct{}), inside: make(chan struct{}, room)}
	h := open(t, func(c *ads.Config) {
		s.confirmer = c.Confirm.(*confirmer)
		c.Confirm, c.Limits.BeaconsInFlight, c.Limits.BeaconWait = s, room, 10*time.Second
	})
	h.engine.reason = serving.ReasonNoMatch
	addr, _ := serve(t, h)
	var waiting sync.WaitGroup
	var acked atomic.Int64
	for i := range room {
		status, body := knock(t, addr, adRequest)
		if got, want := strings.Contains(body, overloaded), i > room/2; status != 200 || got != want {
			t.Errorf("with %d of %d beacons waiting an ad request is answered %d %s", i, room, status, body)
		}
		waiting.Go(func() {
			if status, _ := knock(t, addr, beaconRequest); status == 200 {
				acked.Add(1)
			}
		})
		<-s.inside
	}
	if status, body := knock(t, addr, bidRequest); status != 204 || len(body) != 0 {
		t.Errorf("a bid request is answered %d %s", status, body)
	}
	if status, _ := knock(t, addr, beaconRequest); status != 503 {
		t.Errorf("a beacon that finds no room is answered %d", status)
	}
	close(s.wait)
	waiting.Wait()
	if n := acked.Load(); n != room {
		t.Errorf("%d of %d beacons were acknowledged", n, room)
	}
	if status, body := knock(t, addr, adRequest); status != 200 || strings.Contains(body, overloaded) {
		t.Errorf("afterwards an ad request is answered %d %s", status, body)
	}
	if n := h.count("shed_ad_requests_total", ""); n != room/2 {
		t.Errorf("%d ad requests were turned away, want %d", n, room/2)
	}
}

// TestAFloodOfAdRequestsIsShed sends more than the processors can decide, over
// many connections: ad requests that waited are answered empty, beacons are not
// refused, and a while later ads are served again.
func TestAFloodOfAdRequestsIsShed(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("waits are known on Linux only")
	}
	const work = 500 * time.Microsecond
	h := open(t, func(c *ads.Config) { c.Clock = clock.System{} })
	h.engine.reason = serving.ReasonNoMatch
	h.engine.check = func(*serving.Request) {
		for began := time.Now(); time.Since(began) < work; { // a decision holds its processor
		}
	}
	addr, _ := serve(t, h)
	flooded, stop := context.WithCancel(t.Context())
	defer stop()
	var shed, served atomic.Int64
	var callers sync.WaitGroup
	for range 64 {
		c, err := call(addr)
		if err != nil {
			t.Fatal(err)
		}
		callers.Go(func() {
			defer c.conn.Close()
			for flooded.Err() == nil {
				switch status, body, err := c.do(adRequest); {
				case err != nil || status != 200:
					t.Errorf("an ad request in the flood: %d %v", status, err)
					return
				case strings.Contains(body, overloaded):
					shed.Add(1)
				default:
					served.Add(1)
				}
			}
		})
	}
	deadline := time.Now().Add(20 * time.Second)
	for shed.Load() < 500 || served.Load() < 50 {
		if time.Now().After(deadline) {
			t.Fatalf("%d shed, %d served in 20 s", shed.Load(), served.Load())
		}
		if status, _ := knock(t, addr, beaconRequest); status != 200 {
			t.Fatalf("a beacon in the flood is answered %d", status)
		}
	}
	stop()
	callers.Wait()
	for ok := false; !ok; {
		if time.Now().After(deadline) {
			t.Fatal("ads are still refused long after the flood")
		}
		status, body := knock(t, addr, adRequest)
		ok = status == 200 && !strings.Contains(body, overloaded)
	}
	if n := h.count("shed_beacons_total", ""); n != 0 {
		t.Errorf("%d beacons were refused", n)
	}
	if n := h.count("no_ad_total", "overload"); n == 0 || n != h.count("shed_ad_requests_total", "") {
		t.Errorf("%d answers with the reason, %d turned away", n, h.count("shed_ad_requests_total", ""))
	}
}
