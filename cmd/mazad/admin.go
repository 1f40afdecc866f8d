package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"
	"time"

	"mazad/console"
	"mazad/events/diary"
	"mazad/reporting"
	"mazad/reporting/diarysource"
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
	mux.HandleFunc("GET /replay/{auction}", n.serveReplay)
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
	Reports  string `json:"reports"`
}

func (n *Node) readiness() readiness {
	r := readiness{AdGroups: n.engine.Snapshot().AdGroups(), Revision: n.engine.Snapshot().Revision, Diary: "ok", Reports: "off"}
	select {
	case <-n.ready:
		r.Ready = true
	default:
	}
	if err := n.diary.Stats().Stopped; err != nil {
		r.Ready, r.Diary = false, err.Error()
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

// serveVerify waits until the ledger and ClickHouse have what was acknowledged
// and compares the three.
func (n *Node) serveVerify(w http.ResponseWriter, r *http.Request) {
	v, err := n.verify(r)
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()})
		return
	}
	_ = json.NewEncoder(w).Encode(v)
}

// verifyWait bounds how long a verification waits for the consumers.
const verifyWait = 30 * time.Second

func (n *Node) verify(r *http.Request) (*verification, error) {
	ctx := r.Context()
	if n.client == nil {
		return nil, errors.New("reports are off (clickhouse.off): there is nothing to compare the diary with")
	}
	_, last, err := n.diary.Last(ctx, diary.Money)
	if err != nil {
		return nil, err
	}
	deadline := time.NewTimer(verifyWait)
	defer deadline.Stop()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		pos, err := n.ledger.Position(ctx, diary.Money)
		if err != nil {
			return nil, err
		}
		if st := n.sink.Status(); pos.Seq >= last && st.Seq >= last {
			break
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-deadline.C:
			return nil, fmt.Errorf("after %s the diary is at %d, the ledger at %d, reports at %d (%s)", verifyWait, last, pos.Seq, n.sink.Status().Seq, n.readiness().Reports)
		}
	}
	got, err := reporting.Verify(ctx, reporting.VerifyConfig{
		Client: n.client, Source: diarysource.Of(n.diary, diary.Money), Ledger: reporting.Books(n.ledger, diary.Money),
	})
	if err != nil {
		return nil, fmt.Errorf("%w; reports: %s", err, n.readiness().Reports)
	}
	trial, err := n.ledger.Trial(ctx)
	if err != nil {
		return nil, err
	}
	return newVerification(got, &trial), nil
}
