// Package console is the web console: files that a browser loads and that talk
// only to the marketing API.
//
// Contract: nothing here knows the stores; a page sees what its access token may
// see. Pages load nothing from another host and run no inline script.
//
// Concurrency: Handler may be used from any goroutine.
//
// Limits: the files are embedded in the binary.
package console

import (
	"embed"
	"io/fs"
	"net/http"
	"strings"
)

//go:embed site
var site embed.FS

// Handler serves the page at / and its files under /console/.
func Handler() http.Handler {
	files, err := fs.Sub(site, "site")
	if err != nil {
		panic(err) // the embedded folder is part of the build
	}
	server := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		r2 := r.Clone(r.Context())
		r2.URL.Path = "/" + strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/"), "console/")
		server.ServeHTTP(w, r2)
	})
}
