package load_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"mazad/bench/load"
)

// bareServer answers 204 to every request of a known length, at next to no
// cost, so that the figures are those of the generator.
func bareServer(b *testing.B, size int) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	answer := []byte("HTTP/1.1 204 No Content\r\n\r\n")
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r, buf := bufio.NewReaderSize(conn, 8<<10), make([]byte, size)
				for {
					if _, err := io.ReadFull(r, buf); err != nil {
						return
					}
					if _, err := conn.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

func BenchmarkGenerator(b *testing.B) {
	for _, rate := range []float64{0, 5_000, 20_000} {
		name := "closed"
		if rate > 0 {
			name = fmt.Sprintf("open@%.0f", rate)
		}
		b.Run(name, func(b *testing.B) {
			request := load.Request("POST", "x", "/v1/ads", make([]byte, 3100), load.JSON)
			c := load.Config{Address: bareServer(b, len(request)), Connections: 16, RatePerSecond: rate,
				WarmUp: 200 * time.Millisecond, Duration: time.Second, Timeout: time.Second,
				Request: func(int, uint64) []byte { return request }}
			for b.Loop() {
				r, err := load.Run(context.Background(), c)
				if err != nil || r.Errors+r.Unsent > 0 {
					b.Fatal(err, r)
				}
				b.ReportMetric(r.RatePerSecond, "requests/s")
				b.ReportMetric(float64(r.P50.Microseconds()), "p50_us")
				b.ReportMetric(float64(r.P99.Microseconds()), "p99_us")
				b.ReportMetric(float64(r.ServiceP50.Microseconds()), "service_p50_us")
			}
		})
	}
}
