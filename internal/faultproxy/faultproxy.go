// Package faultproxy stands between a client and a server over TCP and does what
// networks do: it takes the server away, slows it down, breaks connections in the
// middle of an upload, and loses answers that the server has given.
//
// Contract: Listen takes a loopback port; Set changes what happens to every
// connection from then on, open ones included. It is for tests; nothing in the
// product imports it.
//
// Concurrency: every method may be called from any goroutine.
package faultproxy

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Fault is what goes wrong. The zero value passes everything on.
type Fault struct {
	Away        bool          // connections are reset, open ones too
	Delay       time.Duration // each piece, of PieceBytes at most, waits so long, in either direction
	UploadLimit int64         // a connection is reset when so many bytes have gone to the server; 0 = never
	LoseReplies bool          // the server's answer is read, dropped, and the connection reset
}

// PieceBytes is how much is passed on at a time.
const PieceBytes = 16 << 10

// Proxy is a listening proxy.
type Proxy struct {
	listener net.Listener
	target   string
	fault    atomic.Pointer[Fault]
	resets   atomic.Int64
	lost     atomic.Int64
	done     sync.WaitGroup

	mu    sync.Mutex // guards what follows
	open  map[*link]struct{}
	ended bool
}

// link is one connection of a client with its connection to the server.
type link struct {
	client, server *net.TCPConn
	sent           int64 // to the server; only its own goroutine
}

// Listen begins to pass connections on to target, host:port.
func Listen(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, target: target, open: map[*link]struct{}{}}
	p.fault.Store(&Fault{})
	p.done.Go(p.accept)
	return p, nil
}

// Addr is where clients connect, host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Resets is how many connections were reset so far, LostReplies how many of them
// for an answer that was not passed on.
func (p *Proxy) Resets() int64      { return p.resets.Load() }
func (p *Proxy) LostReplies() int64 { return p.lost.Load() }

// Set changes what goes wrong.
func (p *Proxy) Set(f Fault) {
	p.fault.Store(&f)
	if f.Away {
		p.resetAll()
	}
}

// Close ends the proxy and every connection.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	err := p.listener.Close()
	p.resetAll()
	p.done.Wait()
	return err
}

func (p *Proxy) resetAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.open {
		p.reset(l)
	}
}

// reset ends both sides without the usual goodbye.
func (p *Proxy) reset(l *link) {
	for _, c := range []*net.TCPConn{l.client, l.server} {
		_ = c.SetLinger(0)
		_ = c.Close()
	}
	p.resets.Add(1)
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		client := c.(*net.TCPConn)
		if p.fault.Load().Away {
			_ = client.SetLinger(0)
			_ = client.Close()
			p.resets.Add(1)
			continue
		}
		s, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		l := &link{client: client, server: s.(*net.TCPConn)}
		if !p.track(l) {
			continue
		}
		p.done.Go(func() { p.pass(l) })
	}
}

func (p *Proxy) track(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		p.reset(l)
		return false
	}
	p.open[l] = struct{}{}
	return true
}

// pass copies in both directions until one side ends.
func (p *Proxy) pass(l *link) {
	var both sync.WaitGroup
	both.Go(func() { p.copy(l, l.server, l.client, true) })
	both.Go(func() { p.copy(l, l.client, l.server, false) })
	both.Wait()
	p.mu.Lock()
	delete(p.open, l)
	p.mu.Unlock()
	_ = l.client.Close()
	_ = l.server.Close()
}

func (p *Proxy) copy(l *link, to, from *net.TCPConn, up bool) {
	piece := make([]byte, PieceBytes)
	for {
		n, err := from.Read(piece)
		if n > 0 && !p.piece(l, to, piece[:n], up) {
			return
		}
		if err != nil {
			if err == io.EOF {
				_ = to.CloseWrite()
			} else {
				_ = to.Close()
			}
			return
		}
	}
}

// piece passes one read on, with what is wrong now; false means that the
// connection is over.
func (p *Proxy) piece(l *link, to *net.TCPConn, b []byte, up bool) bool {
	f := p.fault.Load()
	if f.Delay > 0 {
		t := time.NewTimer(f.Delay)
		<-t.C
	}
	switch {
	case f.Away:
		p.reset(l)
		return false
	case !up && f.LoseReplies:
		p.lost.Add(1)
		p.reset(l)
		return false
	case up && f.UploadLimit > 0 && l.sent+int64(len(b)) > f.UploadLimit:
		_, _ = to.Write(b[:max(f.UploadLimit-l.sent, 0)])
		p.reset(l)
		return false
	}
	n, err := to.Write(b)
	if up {
		l.sent += int64(n)
	}
	return err == nil
}
