//go:build !linux && !darwin

package embedded

import "errors"

// On other systems there is no libchdb: the same names, so that the gateway
// compiles, and an error that says so.

type library struct{}

type conn struct {
	database string
	broken   bool
}

type params struct{ names, values []string }

type rows struct{}

var errPlatform = errors.New("the embedded ClickHouse runs on Linux and macOS only; set clickhouse.url to a ClickHouse server")

func load(string) (*library, error)                        { return nil, errPlatform }
func (*library) dial(string) (*conn, error)                { return nil, errPlatform }
func (*library) versionString() string                     { return "" }
func (*conn) close()                                       {}
func (*conn) exec(string, string, params) ([]byte, error)  { return nil, errPlatform }
func (*conn) stream(string, string, params) (*rows, error) { return nil, errPlatform }
func (*rows) next() ([]byte, error)                        { return nil, errPlatform }
func (*rows) close()                                       {}
func lockDirectory(string) (release func(), err error)     { return nil, errPlatform }
