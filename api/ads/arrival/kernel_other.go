//go:build !linux || !(amd64 || arm64)

package arrival

import "net"

func wrap(ln net.Listener) net.Listener { return ln }
