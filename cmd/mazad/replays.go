package main

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"mazad/campaign"
	"mazad/events"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/serving"
)

// replayWait bounds one replay: most of it is reading the tree of the revision.
const replayWait = time.Minute

// nobodysKey seals what is kept of people without a number: users that the
// operator has told us nothing about. It is derived from the token key.
func nobodysKey(tokenKey []byte) (key [32]byte, err error) {
	b, err := hkdf.Key(sha256.New, tokenKey, nil, "mazad replays of users without a number", len(key))
	copy(key[:], b)
	return key, err
}

// sampling is the configured share of auctions to record, and its seed: nobody
// outside can tell which.
func (n *Node) sampling(tokenKey []byte) (share money.PPB, seed uint64, err error) {
	share, err = n.cfg.Replay.share()
	return share, binary.LittleEndian.Uint64(tokenKey[8:]), err
}

// serveReplay answers GET /replay/{auction}.
func (n *Node) serveReplay(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), replayWait)
	defer cancel()
	a, err := n.replay(ctx, r.PathValue("auction"))
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()})
		return
	}
	_ = json.NewEncoder(w).Encode(a)
}

// replay finds the recording of an auction, the tree of its revision, and decides
// it again. What cannot be replayed is an answer that says why.
func (n *Node) replay(ctx context.Context, auction string) (*replayAnswer, error) {
	a := &replayAnswer{AuctionID: auction, Engine: serving.EngineVersion, Build: version()}
	event, err := id.ParseEvent(auction)
	if err != nil {
		a.Why = err.Error()
		return a, nil
	}
	kept, err := n.diary.Find(ctx, n.diary.ReplayStream(), event)
	if err != nil {
		return nil, fmt.Errorf("look for the recording of auction %s: %w", event, err)
	}
	if kept == nil {
		a.Why, err = n.whyNotKept(ctx, event)
		return a, err
	}
	a.Kept, a.Revision, a.Bytes = true, kept.Revision, len(kept.Body)
	if len(kept.Body) == 0 {
		a.Why = "its user has been forgotten, and with the user's key the personal part of the recording; " + figures(kept)
		return a, nil
	}
	rec, err := serving.ParseRecording(kept.Body)
	if err != nil {
		a.Why = err.Error()
		return a, nil
	}
	a.describe(rec)
	tree, err := n.campaigns.LoadAt(ctx, campaign.Revision(rec.Revision))
	if err != nil {
		return nil, fmt.Errorf("read revision %d: %w", rec.Revision, err)
	}
	again, err := serving.Replay(rec, &tree)
	if err != nil {
		a.Why = err.Error()
		return a, nil
	}
	a.Differences = rec.Differences(again)
	a.Equal = len(a.Differences) == 0
	return a, nil
}

// figures are what remains of a recording whose personal part is gone.
func figures(r *events.Record) string {
	s := fmt.Sprintf("what remains: %d ads at revision %d", r.Slot, r.Revision)
	if r.Slot > 0 {
		s += fmt.Sprintf(", the first ad %s of ad group %s at %s %s", r.Ad, r.AdGroup, r.PriceNanos, r.Currency)
	}
	return s
}

// whyNotKept says why there is no recording of an auction.
func (n *Node) whyNotKept(ctx context.Context, event id.Event) (string, error) {
	at, now := time.UnixMilli(event.Millis()).UTC(), n.clock.Now()
	kept := time.Duration(n.cfg.Replay.Hours) * time.Hour
	switch {
	case event.Partition() != n.life.Node || event.Region() != n.cfg.Region:
		if n.cfg.Diary.URL == "" {
			return fmt.Sprintf("it was decided by node %d of region %d; this is node %d of region %d, and recordings stay where they were made",
				event.Partition(), event.Region(), n.life.Node, n.cfg.Region), nil
		}
	case at.After(now.Add(time.Hour)):
		return fmt.Sprintf("its id is of %s, which is in the future", at.Format(time.RFC3339)), nil
	}
	if now.Sub(at) > kept {
		return fmt.Sprintf("it is of %s; recordings are kept for %s (replay.hours)", at.Format(time.RFC3339), kept), nil
	}
	decision, err := n.diary.Find(ctx, n.diary.DecisionStream(), event)
	if err != nil {
		return "", fmt.Errorf("look for the decision of auction %s: %w", event, err)
	}
	switch {
	case decision == nil:
		return "no auction with this id is known here: no decision was recorded under it", nil
	case decision.Flags&events.FlagSampled == 0:
		return fmt.Sprintf("it was not in the sample: a share of %s of all auctions is recorded (replay.sample), and those that are asked for with explain=1", n.cfg.Replay.Sample), nil
	}
	st := n.diary.Stats()
	why := fmt.Sprintf("it was recorded, but the recording is not there: in this life %d were dropped under load and %d were not taken by the server", n.engine.Stats().NotKept.Load(), st.ReplaysLost)
	if oldest, ok, err := n.diary.Oldest(ctx, n.diary.ReplayStream()); err == nil && ok && at.Before(oldest) {
		why = fmt.Sprintf("it was recorded, but has made room for later ones: the oldest recording is of %s (replay.megabytes is %d)", oldest.Format(time.RFC3339), n.cfg.Replay.Megabytes)
	}
	return why, nil
}
