//go:build linux && (amd64 || arm64)

package arrival

import (
	"io"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// soTimestampNS asks for a time in nanoseconds with each read, and is the type of
// the message that brings it.
const soTimestampNS = 35

// stamp is the control message as the kernel lays it out.
type stamp struct {
	head syscall.Cmsghdr
	at   syscall.Timespec
}

func wrap(ln net.Listener) net.Listener {
	if tcp, ok := ln.(*net.TCPListener); ok {
		return &listener{tcp}
	}
	return ln
}

type listener struct{ *net.TCPListener }

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	return wrapConn(c), nil
}

// wrapConn asks for stamps. A connection that cannot be stamped works all the
// same.
func wrapConn(c net.Conn) net.Conn {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	var refused error
	err = raw.Control(func(fd uintptr) {
		refused = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, soTimestampNS, 1)
	})
	if err != nil || refused != nil {
		return c
	}
	t := &conn{TCPConn: tcp, raw: raw}
	t.receive = t.once
	return t
}

// conn is a connection whose reads know when their bytes came.
type conn struct {
	*net.TCPConn
	raw     syscall.RawConn
	receive func(fd uintptr) bool // once, bound one time: a closure for each read would be garbage

	// of the read under way
	head  syscall.Msghdr
	part  syscall.Iovec
	stamp stamp
	n     int
	errno syscall.Errno

	wait  time.Duration
	known bool
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	c.part.Base = &b[0]
	c.part.SetLen(len(b))
	err := c.raw.Read(c.receive)
	c.part.Base = nil
	switch {
	case err != nil:
		return 0, err
	case c.errno != 0:
		return 0, &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError("recvmsg", c.errno)}
	case c.n == 0:
		return 0, io.EOF
	}
	c.note()
	return c.n, nil
}

// once tries to read; false means that nothing is there yet.
func (c *conn) once(fd uintptr) bool {
	for {
		c.head = syscall.Msghdr{Iov: &c.part, Iovlen: 1, Control: (*byte)(unsafe.Pointer(&c.stamp)), Controllen: uint64(unsafe.Sizeof(c.stamp))}
		n, _, e := syscall.Syscall(syscall.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&c.head)), 0)
		switch e {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return false
		}
		c.n, c.errno = int(n), e
		return true
	}
}

// note keeps the longest wait of a request that took several reads.
func (c *conn) note() {
	if c.head.Controllen < uint64(unsafe.Sizeof(c.stamp)) || c.stamp.head.Level != syscall.SOL_SOCKET || c.stamp.head.Type != soTimestampNS {
		return
	}
	wait := time.Since(time.Unix(c.stamp.at.Sec, c.stamp.at.Nsec))
	c.wait, c.known = max(wait, c.wait, 0), true
}

func (c *conn) waited() (time.Duration, bool) {
	wait, known := c.wait, c.known
	c.wait, c.known = 0, false
	return wait, known
}
