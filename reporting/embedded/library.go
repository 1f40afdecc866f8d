package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// MissingLibrary says that libchdb is not installed and how to install it.
type MissingLibrary struct {
	Looked []string
}

func (e *MissingLibrary) Error() string {
	return fmt.Sprintf("libchdb, the embedded ClickHouse, is not installed for %s/%s: run `make engines` or "+
		"`npm ci --prefix reporting/embedded/npm`, or set clickhouse.url to a ClickHouse server (looked in %s)",
		runtime.GOOS, runtime.GOARCH, strings.Join(e.Looked, ", "))
}

// platforms maps GOOS/GOARCH to the folder of the npm package that holds the library.
func platformPackage() string {
	switch runtime.GOOS + "/" + runtime.GOARCH {
	case "linux/amd64":
		return "lib-linux-x64-gnu"
	case "linux/arm64":
		return "lib-linux-arm64-gnu"
	case "darwin/amd64":
		return "lib-darwin-x64"
	case "darwin/arm64":
		return "lib-darwin-arm64"
	}
	return "lib-" + runtime.GOOS + "-" + runtime.GOARCH
}

// FindLibrary returns the path of libchdb: explicit if it is not empty, else the
// first found under roots, each of which is a folder where `npm ci` was run. It
// returns a *MissingLibrary when there is none.
func FindLibrary(explicit string, roots ...string) (string, error) {
	var candidates []string
	if explicit != "" {
		candidates = []string{explicit}
	} else {
		for _, root := range roots {
			dir := filepath.Join(root, "node_modules", "@chdb", platformPackage())
			candidates = append(candidates, filepath.Join(dir, "libchdb.so"), filepath.Join(dir, "libchdb.dylib"))
		}
	}
	for _, c := range candidates {
		if st, err := os.Stat(c); err == nil && st.Mode().IsRegular() {
			return filepath.Abs(c)
		}
	}
	return "", &MissingLibrary{Looked: candidates}
}
