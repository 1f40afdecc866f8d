package arrival

import (
	"net"
	"time"
)

// Listener wraps ln where waits can be known, else it returns ln.
func Listener(ln net.Listener) net.Listener { return wrap(ln) }

// Conn wraps one TCP connection where waits can be known, else it returns c.
func Conn(c net.Conn) net.Conn { return wrapConn(c) }

// WaitOf is how long the bytes that c read last had waited.
func WaitOf(c net.Conn) (wait time.Duration, known bool) {
	t, ok := c.(interface {
		waited() (time.Duration, bool)
	})
	if !ok {
		return 0, false
	}
	return t.waited()
}
