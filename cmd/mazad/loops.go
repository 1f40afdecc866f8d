package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"mazad/api/manage"
	"mazad/reporting"
)

// Intervals of the background work. Edits are live within editEvery even when
// they were made on another node; on this one the store tells at once.
const (
	tickEvery  = 200 * time.Millisecond
	editEvery  = 250 * time.Millisecond
	bookEvery  = 250 * time.Millisecond
	learnEvery = 5 * time.Second
	sweepEvery = time.Second
	tidyEvery  = time.Minute

	deliverEvery = 250 * time.Millisecond // clicks whose home was away
	beatEvery    = 5 * time.Second        // silent nodes are found by it
)

// clockSlack is how much longer than they live used tokens are remembered. A clock
// that was an hour ahead and is set right would else find the hour of its new
// auctions forgotten, and nothing of it could be billed.
const clockSlack = 2 * time.Hour

// Run opens the doors and works until ctx ends or a door breaks.
func (n *Node) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	broken := make(chan error, 3)
	loop := func(name string, every time.Duration, work func(context.Context) error) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			n.repeat(ctx, name, every, work)
		}()
	}
	door := func(serve func() error) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := serve(); err != nil && !errors.Is(err, http.ErrServerClosed) {
				broken <- err
			}
		}()
	}
	loop("leases", tickEvery, func(ctx context.Context) error { return n.treasurer.Tick(ctx, n.clock.Now()) })
	loop("holds", sweepEvery, func(context.Context) error { n.treasurer.Sweep(n.clock.Now()); n.tracker.Sweep(); return nil })
	loop("tidying", tidyEvery, n.tidy)
	loop("neighbours", neighboursEvery, n.neighbours.refresh)
	loop("pending clicks", deliverEvery, func(ctx context.Context) error { n.tracker.Deliver(ctx); return nil })
	loop("node", beatEvery, func(ctx context.Context) error { return n.campaigns.BeatNode(ctx, n.life) })
	wg.Add(1)
	go func() { defer wg.Done(); n.watchEdits(ctx) }()
	wg.Add(1)
	go func() { defer wg.Done(); n.keepBooks(ctx) }()
	n.runReports(ctx, &wg)
	wg.Add(1)
	go func() { defer wg.Done(); n.archiver.Run(ctx) }()

	manageServer := manage.NewHTTPServer(n.manageHandler(), n.log)
	adminServer := n.adminServer()
	door(func() error { return n.ads.Serve(n.listeners[0]) })
	door(func() error { return manageServer.Serve(n.listeners[1]) })
	door(func() error { return adminServer.Serve(n.listeners[2]) })
	close(n.ready)
	adsURL, manageURL, adminURL := n.addresses()
	n.log.Info("serving", "ads", adsURL, "manage", manageURL, "admin", adminURL,
		"ad_groups", n.engine.Snapshot().AdGroups(), "start_ms", time.Since(n.started).Milliseconds())

	var err error
	select {
	case <-ctx.Done():
	case err = <-broken:
	}
	n.log.Info("stopping: no new requests, what was accepted is brought to disk")
	stop, done := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer done()
	err = errors.Join(err, n.ads.Shutdown(stop), manageServer.Shutdown(stop), n.manage.FlushTokenUse(stop))
	cancel()
	err = errors.Join(err, adminServer.Close())
	wg.Wait()
	return err
}

// repeat does work every so often. Trouble is logged when it begins and when it
// is over, not every time.
func (n *Node) repeat(ctx context.Context, name string, every time.Duration, work func(context.Context) error) {
	t := time.NewTicker(every)
	defer t.Stop()
	bad := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		bad = n.report(ctx, name, bad, work(ctx))
	}
}

func (n *Node) report(ctx context.Context, name string, bad bool, err error) bool {
	switch {
	case err != nil && ctx.Err() != nil:
	case err != nil && !bad:
		n.log.Error("background work fails, it is tried again", "work", name, "cause", err)
	case err == nil && bad:
		n.log.Info("background work goes on", "work", name)
	}
	return err != nil
}

// watchEdits publishes a snapshot soon after every edit.
func (n *Node) watchEdits(ctx context.Context) {
	edited, stop := n.campaigns.Watch()
	defer stop()
	t := time.NewTicker(editEvery)
	defer t.Stop()
	bad := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-edited:
		case <-t.C:
		}
		_, err := n.publisher.Refresh(ctx)
		bad = n.report(ctx, "edits", bad, err)
	}
}

// keepBooks posts spend and publishes what was learnt; the learner is its own.
func (n *Node) keepBooks(ctx context.Context) {
	t := time.NewTicker(bookEvery)
	defer t.Stop()
	bad, badPoint, version, learnt := false, false, uint64(2), n.clock.Now()
	var due checkpointDue
	due.after(learnt, learnt)
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		read, err := n.bookkeeper.Pass(ctx)
		bad = n.report(ctx, "books", bad, err)
		if begin := n.clock.Now(); due.now(begin) {
			badPoint = n.report(ctx, "checkpoint", badPoint, n.checkpoint())
			due.after(begin, n.clock.Now())
		}
		if now := n.clock.Now(); read > 0 && now.Sub(learnt) >= learnEvery {
			n.publisher.SetModel(n.learner.Publish(version))
			version, learnt = version+1, now
		}
	}
}

func (n *Node) tidy(ctx context.Context) error {
	n.used.Expire(n.clock.Now().Add(-clockSlack).UnixMilli())
	_, err := n.campaigns.Prune(ctx)
	_, err2 := n.ledger.PruneLeases(ctx)
	return errors.Join(err, err2, n.manage.FlushTokenUse(ctx))
}

// runReports keeps ClickHouse and the sink going. Ads are served and billed
// without them.
func (n *Node) runReports(ctx context.Context, wg *sync.WaitGroup) {
	if n.clickhouse != nil {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := n.clickhouse.Run(ctx); err != nil {
				n.log.Error("embedded ClickHouse", "cause", err)
			}
		}()
	}
	if n.sink == nil {
		return
	}
	wg.Add(1)
	go func() {
		defer wg.Done()
		err := n.sink.Run(ctx)
		var broken *reporting.Broken
		if err != nil && ctx.Err() == nil {
			n.log.Error("reports stand still; ads are served and billed all the same", "needs_a_person", errors.As(err, &broken), "cause", err)
		}
	}()
}

// Close stops what OpenNode built, in reverse order. It may be called after any
// failed step.
func (n *Node) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var errs []error
	note := func(what string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", what, err))
		}
	}
	for _, ln := range n.listeners {
		if ln != nil {
			_ = ln.Close() // closed by its server already when Run was called
		}
	}
	if n.reports != nil {
		n.reports.Close()
	}
	if n.client != nil {
		note("the ClickHouse client", n.client.Close())
	}
	if n.journal != nil {
		note("the sink's journal", n.journal.Close())
	}
	if n.relay != nil {
		n.relay.Close()
	}
	if n.publisher != nil { // the corridor is whole: what is booked last is what the next life starts from
		_, err := n.bookkeeper.Pass(ctx)
		note("the books", err)
		note("the checkpoint", n.checkpoint())
		note("the leases", n.treasurer.Close(ctx, n.clock.Now()))
		_, err = n.ledger.PruneLeases(ctx) // the next start reads only what is still out
		note("the leases that are settled", err)
		note("the node number", n.campaigns.LeaveNode(ctx, n.life))
	}
	if n.diary != nil {
		note("the diary", n.diary.Close(ctx))
	}
	if n.users != nil {
		note("the users", n.users.Close())
	}
	if n.db != nil {
		note("the database", n.db.Close())
	}
	return errors.Join(errs...)
}
