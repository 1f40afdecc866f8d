package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/pprof"
	"time"

	"mazad/console"
	"mazad/reporting"
	"mazad/reporting/embedded"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// adminServer is the operator's port. It is loopback by default: it shows
// figures of everybody and can stop the world with a profile.
func (n *Node) adminServer() *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(n.registry(), promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", n.serveReady)
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, version()) })
	mux.HandleFunc("POST /verify", n.serveVerify)
	mux.HandleFunc("POST /backup", n.serveBackup)
	mux.HandleFunc("GET /replay/{auction}", n.serveReplay)
	mux.HandleFunc("POST /rebuild", n.serveRebuild)
	mux.HandleFunc("POST /archive/repair", n.serveArchiveRepair)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
}

// manageHandler puts the console beside the marketing API.
func (n *Node) manageHandler() http.Handler {
	api := n.manage.Handler()
	mux := http.NewServeMux()
	mux.Handle("/", api)
	mux.Handle("GET /{$}", console.Handler())
	mux.Handle("GET /console/", console.Handler())
	return mux
}

// readiness is what /readyz answers: ready says whether ads are served; reports
// may still be starting.
type readiness struct {
	Ready    bool   `json:"ready"`
	AdGroups int    `json:"ad_groups"`
	Revision int64  `json:"revision"`
	Diary    string `json:"diary"`
	Archive  string `json:"archive"`
	Reports  string `json:"reports"`
}

func (n *Node) readiness() readiness {
	r := readiness{AdGroups: n.engine.Snapshot().AdGroups(), Revision: n.engine.Snapshot().Revision, Diary: "ok", Archive: "ok", Reports: "off"}
	select {
	case <-n.ready:
		r.Ready = true
	default:
	}
	if err := n.diary.Stats().Stopped; err != nil {
		r.Ready, r.Diary = false, err.Error()
	}
	if err := n.archiver.Stats().Trouble; err != nil {
		r.Archive = err.Error()
	}
	if n.sink != nil {
		st := n.sink.Status()
		r.Reports = st.State.String()
		if st.Detail != "" && st.State != reporting.SinkRunning {
			r.Reports += ": " + st.Detail
		}
	}
	if n.clickhouse != nil {
		if st, _ := n.clickhouse.Status(); st.State != embedded.StateReady {
			r.Reports = "ClickHouse is " + st.State.String() + ": " + st.Detail
		}
	}
	return r
}

func (n *Node) serveReady(w http.ResponseWriter, _ *http.Request) {
	r := n.readiness()
	w.Header().Set("Content-Type", "application/json")
	if !r.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(r)
}
