//go:build !linux || !(amd64 || arm64)

package arrival

import "net"

func wrap(ln net.Listener) net.Listener { return ln }

func wrapConn(c net.Conn) net.Conn { return c }
