package arrival_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"mazad/api/ads/arrival"
)

// pair is a connection as the server has it, and its client.
func pair(t testing.TB) (server, client net.Conn) {
	t.Helper()
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := arrival.Listener(raw)
	defer ln.Close()
	if client, err = net.Dial("tcp", raw.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return server, client
}

func supported() bool {
	return runtime.GOOS == "linux" && (runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64")
}

// stamped waits until the kernel stamps what comes in: it begins a moment after the
// first socket of the machine has asked for it.
func stamped(t *testing.T, server, client net.Conn) {
	t.Helper()
	buf := make([]byte, 1)
	for end := time.Now().Add(10 * time.Second); supported(); {
		if _, err := client.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
		if _, err := server.Read(buf); err != nil {
			t.Fatal(err)
		}
		if _, known := arrival.WaitOf(server); known {
			return
		}
		if time.Now().After(end) {
			t.Fatal("nothing is stamped after ten seconds")
		}
	}
}

// TestWaitIsSinceTheBytesCame leaves bytes lying and reads them later; then reads
// first and lets them come.
func TestWaitIsSinceTheBytesCame(t *testing.T) {
	server, client := pair(t)
	buf := make([]byte, 100)
	stamped(t, server, client)
	if _, err := client.Write([]byte("late")); err != nil {
		t.Fatal(err)
	}
	const lying = 30 * time.Millisecond
	<-time.After(lying)
	if n, err := server.Read(buf); err != nil || string(buf[:n]) != "late" {
		t.Fatalf("%q %v", buf[:n], err)
	}
	wait, known := arrival.WaitOf(server)
	if known != supported() || known && (wait < lying-time.Millisecond || wait > 10*time.Second) {
		t.Errorf("bytes that lay for %s: waited %s, known %v", lying, wait, known)
	}
	if wait, known := arrival.WaitOf(server); wait != 0 || known {
		t.Errorf("without a read: %s %v", wait, known)
	}
	least := time.Hour
	for range 20 { // one of them is not disturbed
		read := make(chan struct{})
		go func() { defer close(read); _, _ = server.Read(buf) }()
		if _, err := client.Write([]byte("now")); err != nil {
			t.Fatal(err)
		}
		<-read
		if wait, known := arrival.WaitOf(server); known {
			least = min(least, wait)
		}
	}
	if supported() && least > lying/2 {
		t.Errorf("bytes that were waited for: %s at least", least)
	}
}

// TestReadsLikeAnyConnection: all bytes in order, deadlines, the end, a reset.
func TestReadsLikeAnyConnection(t *testing.T) {
	server, client := pair(t)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
	go func() { _, _ = client.Write(sent); _ = client.(*net.TCPConn).CloseWrite() }()
	got, err := io.ReadAll(server)
	if err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%d of %d bytes, %v", len(got), len(sent), err)
	}
	server, client = pair(t)
	if err := server.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	var network net.Error
	if _, err := server.Read(make([]byte, 1)); !errors.As(err, &network) || !network.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
	if err := errors.Join(server.SetReadDeadline(time.Time{}), client.(*net.TCPConn).SetLinger(0), client.Close()); err != nil {
		t.Fatal(err)
	}
	if n, err := server.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, io.EOF) {
		t.Errorf("after a reset: %d %v", n, err)
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}

func TestReadAllocatesNothing(t *testing.T) {
	server, client := pair(t)
	buf, one := make([]byte, 16), []byte{1}
	if n := testing.AllocsPerRun(200, func() {
		if _, err := client.Write(one); err != nil {
			t.Error(err)
		}
		if _, err := server.Read(buf); err != nil {
			t.Error(err)
		}
		arrival.WaitOf(server)
	}); n != 0 {
		t.Errorf("%v allocations a read", n)
	}
}

func TestOtherConnectionsAreLeftAlone(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if wait, known := arrival.WaitOf(a); wait != 0 || known {
		t.Errorf("%s %v", wait, known)
	}
}
