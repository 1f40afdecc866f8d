package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"mazad/bench/line"
)

// probes is how many events are followed into a report.
const probes = 5

// visible is visible_s: from the acknowledgement of an event to a report that
// counts it, while others come at half load. The probes are of one advertiser
// whom the load leaves alone.
func (in *ingest) visible(ctx context.Context) error {
	const rate = 5000
	list, err := in.wallet.beacons(ctx, int(rate*float64(probes)*2))
	if err != nil {
		return err
	}
	sealer, err := in.sealer()
	if err != nil {
		return err
	}
	chosen, mine, rest := int64(0), list[:0:0], list[:0:0]
	for i := range list {
		advertiser, err := advertiserOf(sealer, list[i].uses[0].token)
		if err != nil {
			return err
		}
		if chosen == 0 {
			chosen = advertiser
		}
		switch {
		case advertiser != chosen:
			rest = append(rest, list[i])
		case !list[i].uses[0].view:
			mine = append(mine, list[i])
		}
	}
	if len(mine) < probes {
		return fmt.Errorf("only %d of the tokens are of one advertiser", len(mine))
	}
	loaded, stop := context.WithCancel(ctx)
	quiet := make(chan error, 1)
	go func() {
		for loaded.Err() == nil && len(rest) > 1 {
			part := rest[:min(len(rest), int(rate*in.round.Seconds()*1.2)+10)]
			rest = rest[len(part):]
			if _, err := in.paced(loaded, part, rate); err != nil && loaded.Err() == nil {
				quiet <- err
				return
			}
		}
		quiet <- nil
	}()
	var waits []float64
	for i := range probes {
		w, err := in.follow(ctx, chosen, &mine[i])
		if err != nil {
			stop()
			return errors.Join(err, <-quiet)
		}
		waits = append(waits, w.Seconds())
	}
	stop()
	if err := <-quiet; err != nil {
		return err
	}
	in.p.Remark("acknowledged to in a report, beside %d beacons a second: %.2f s", rate, waits)
	in.p.Print(line.Figure{Name: "visible_s", Value: median(waits), Unit: "s", Target: line.AtMost(visibleTarget), N: probes})
	return nil
}

// follow sends one impression and asks for the report until it is counted.
func (in *ingest) follow(ctx context.Context, advertiser int64, s *shot) (time.Duration, error) {
	before, err := in.impressions(ctx, advertiser)
	if err != nil {
		return 0, err
	}
	status, _, err := in.once(s.request)
	if err != nil || status != 200 {
		return 0, fmt.Errorf("a beacon is answered %d: %w", status, err)
	}
	in.book.acked = append(in.book.acked, s.uses[0])
	acked := time.Now()
	for time.Since(acked) < 30*time.Second {
		now, err := in.impressions(ctx, advertiser)
		if err != nil {
			return 0, err
		}
		if now > before {
			return time.Since(acked), nil
		}
		pause(ctx, 10*time.Millisecond)
	}
	return 0, errors.New("an acknowledged impression was in no report after 30 s")
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// impressions asks the marketing API's report.
func (in *ingest) impressions(ctx context.Context, advertiser int64) (int64, error) {
	now := time.Now().UTC()
	q := url.Values{
		"advertiser_id": {fmt.Sprint(advertiser)}, "report_type": {"BASIC"}, "data_level": {"AUCTION_ADVERTISER"}, "dimensions": {`["advertiser_id"]`},
		"metrics": {`["impressions"]`}, "start_date": {now.AddDate(0, 0, -1).Format(time.DateOnly)}, "end_date": {now.AddDate(0, 0, 1).Format(time.DateOnly)},
	}
	status, body, err := in.node.Get(ctx, "GET", "http://"+in.node.Manage+"/open_api/v1.3/report/integrated/get/?"+q.Encode())
	if err != nil || status == 503 { // ClickHouse is starting
		return 0, err
	}
	var o struct {
		Code    int
		Message string
		Data    struct {
			List []struct{ Metrics map[string]string }
		}
	}
	if err := json.Unmarshal(body, &o); err != nil || status != 200 || o.Code != 0 {
		return 0, fmt.Errorf("report: %d %d %s %w", status, o.Code, o.Message, err)
	}
	if len(o.Data.List) == 0 {
		return 0, nil
	}
	var n int64
	_, err = fmt.Sscan(o.Data.List[0].Metrics["impressions"], &n)
	return n, err
}

// kill sends batches, kills the node with SIGKILL in the middle, starts it again
// and sends what was not acknowledged once more.
func (in *ingest) kill(ctx context.Context) error {
	list, err := in.wallet.batches(ctx, 20, int(100_000*in.round.Seconds())/20)
	if err != nil {
		return err
	}
	type fired struct {
		sent []shot
		err  error
	}
	done := make(chan fired, 1)
	go func() {
		_, sent, _, err := in.fire(ctx, list, batchConnections, 0)
		done <- fired{sent, err}
	}()
	pause(ctx, in.round/2)
	in.node.Kill()
	f := <-done
	if f.err != nil {
		return f.err
	}
	acked := 0
	for i := range f.sent {
		n, err := in.book.read(&f.sent[i])
		if err != nil {
			return err
		}
		acked += n
	}
	began := time.Now()
	if err := in.node.Start(ctx); err != nil {
		return err
	}
	took := time.Since(began)
	again, err := in.retry(f.sent)
	if err != nil {
		return err
	}
	in.p.Remark("killed after %d acknowledged events of this round; open again in %.2f s; of what had no answer %d events were new and %d were already on disk",
		acked, took.Seconds(), again, in.book.repeated)
	return nil
}

// retry sends what got no answer once more: "repeat" means that it had reached
// the disk, and then it must be there, too.
func (in *ingest) retry(sent []shot) (again int, err error) {
	for i := range sent {
		s := &sent[i]
		if s.status != 0 {
			continue
		}
		var body []byte
		if s.status, body, err = in.once(s.request); err != nil {
			return again, err
		}
		s.answer = body
		n, err := in.book.read(s)
		if err != nil {
			return again, err
		}
		if again += n; again > 20_000 { // the rest was hardly ever sent
			return again, nil
		}
	}
	return again, nil
}

// settle waits until diary, ledger and ClickHouse agree, and stops the node.
func (in *ingest) settle(ctx context.Context) error {
	began := time.Now()
	for {
		status, body, err := in.node.Get(ctx, "POST", "http://"+in.node.Admin+"/verify")
		var v struct {
			Equal       bool
			Records     uint64
			Differences []string
		}
		if err == nil && status == 200 {
			if err := json.Unmarshal(body, &v); err != nil {
				return fmt.Errorf("verify: %w", err)
			}
			if !v.Equal {
				return fmt.Errorf("diary, ClickHouse and ledger differ: %q", v.Differences)
			}
			in.p.Remark("diary = ClickHouse = ledger, to the nano, over %d records, %.1f s after the last event", v.Records, time.Since(began).Seconds())
			return in.node.Stop()
		}
		if time.Since(began) > 2*time.Minute {
			return fmt.Errorf("verify: %d %s: %w", status, body, err)
		}
		pause(ctx, 100*time.Millisecond)
	}
}
