package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"mazad/serving"

	"github.com/spf13/cobra"
)

// replayAnswer is what a replay says, as JSON and for people.
type replayAnswer struct {
	AuctionID   string         `json:"auction_id"`
	Kept        bool           `json:"kept"`
	Why         string         `json:"why,omitempty"` // it was not replayed
	Equal       bool           `json:"equal"`
	Differences []string       `json:"differences,omitempty"`
	Engine      uint32         `json:"engine"` // that decides now
	Build       string         `json:"build"`
	DecidedBy   uint32         `json:"decided_by_engine"`
	DecidedIn   string         `json:"decided_by_build"`
	DecidedAt   time.Time      `json:"decided_at,omitzero"`
	Explained   bool           `json:"explained"`
	Revision    int64          `json:"revision"`
	Model       uint64         `json:"model"`
	Tick        uint64         `json:"pacing_tick"`
	Universe    string         `json:"universe,omitempty"`
	Reason      string         `json:"reason,omitempty"` // of the universe
	Matched     int            `json:"matched"`
	Refused     int            `json:"refused_holds"`
	Outcomes    map[string]int `json:"outcomes,omitempty"`
	Ads         []replayedAd   `json:"ads,omitempty"`
	Bytes       int            `json:"recording_bytes"`
}

// replayedAd is an ad of the recorded answer.
type replayedAd struct {
	Slot    int    `json:"slot"`
	AdGroup string `json:"adgroup_id"`
	Ad      string `json:"ad_id"`
	Price   string `json:"price"` // per billing event
	Score   string `json:"score"`
}

// describe fills in what was recorded.
func (a *replayAnswer) describe(r *serving.Recording) {
	a.DecidedBy, a.DecidedIn, a.DecidedAt, a.Explained = r.Engine, r.Build, r.Now, r.Explained
	a.Revision, a.Model, a.Tick, a.Universe, a.Reason, a.Matched = r.Revision, r.Model, r.Tick, r.Universe.String(), r.Why.String(), r.Matched
	a.Outcomes = map[string]int{}
	for _, auction := range r.Auctions {
		a.Refused += len(auction.Refused)
		for _, f := range auction.Fates {
			word := f.Reason.String()
			if f.Reason == serving.ReasonNone {
				word = "won"
			}
			a.Outcomes[word]++
		}
	}
	for _, ad := range r.Ads {
		a.Ads = append(a.Ads, replayedAd{Slot: ad.Slot, AdGroup: ad.AdGroup.String(), Ad: ad.Ad.String(), Price: ad.Price.String(), Score: ad.Score.String()})
	}
}

func (a *replayAnswer) print(w io.Writer) {
	if a.Why != "" {
		fmt.Fprintf(w, "NOT REPLAYED: auction %s: %s\n", a.AuctionID, a.Why)
		return
	}
	word := "EQUAL: the same decision, bit for bit"
	if !a.Equal {
		word = "DIFFERENT"
	}
	fmt.Fprintf(w, "%s\n  auction %s, decided %s at revision %d with model %d, pacing tick %d\n", word, a.AuctionID, a.DecidedAt.Format(time.RFC3339Nano), a.Revision, a.Model, a.Tick)
	if a.DecidedBy != a.Engine {
		fmt.Fprintf(w, "  another engine: version %d (%s) decided it, version %d (%s) decides now\n", a.DecidedBy, a.DecidedIn, a.Engine, a.Build)
	} else {
		fmt.Fprintf(w, "  engine version %d, decided by %s, replayed by %s\n", a.Engine, a.DecidedIn, a.Build)
	}
	fmt.Fprintf(w, "  %s universe (%s), %d ad groups matched, %d holds refused, outcomes %v\n", a.Universe, a.Reason, a.Matched, a.Refused, a.Outcomes)
	for _, ad := range a.Ads {
		fmt.Fprintf(w, "  slot %d: ad %s of ad group %s at %s, score %s\n", ad.Slot, ad.Ad, ad.AdGroup, ad.Price, ad.Score)
	}
	for _, d := range a.Differences {
		fmt.Fprintf(w, "  difference: %s\n", d)
	}
}

// Outcomes of the command besides success.
var (
	errReplayDiffers = errors.New("the auction is not decided as it was")
	errNotReplayed   = errors.New("the auction was not replayed")
)

func replayCommand() *cobra.Command {
	var config string
	var asJSON bool
	c := &cobra.Command{
		Use: "replay AUCTION_ID", Short: "Decide a recorded auction again and compare, bit for bit; asks the running server, or opens the data directory",
		Long: "replay decides an auction of the last 24 hours again, by the revision, profile, rates, multipliers and refused holds it was decided by.\n" +
			"Recorded are all auctions that were asked for with explain=1 and a sample of the others (replay.sample in the configuration).\n" +
			"It ends with an error when the decision is another now, or when the auction cannot be replayed, and says why.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := LoadConfig(config)
			if err != nil {
				return err
			}
			a, err := replayRunning(cmd.Context(), "http://"+cfg.Admin.Listen, args[0])
			if errors.Is(err, errNotRunning) {
				a, err = replayStopped(cmd.Context(), cfg, args[0], newLog(cmd.ErrOrStderr(), "warn"))
			}
			if err != nil {
				return err
			}
			if asJSON {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(a)
			} else {
				a.print(cmd.OutOrStdout())
			}
			switch {
			case err != nil:
				return err
			case a.Why != "":
				return errNotReplayed
			case !a.Equal:
				return errReplayDiffers
			}
			return nil
		},
	}
	c.Flags().StringVarP(&config, "config", "c", "", "YAML file; without one the defaults hold")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// replayRunning asks a server on its admin port.
func replayRunning(ctx context.Context, admin, auction string) (*replayAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	raw, err := askAdmin(ctx, http.MethodGet, admin+"/replay/"+auction)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	var a replayAnswer
	return &a, json.Unmarshal(raw, &a)
}

// replayStopped opens the data directory of a server that is not running, on
// addresses of its own. Its doors stay closed.
func replayStopped(ctx context.Context, cfg Config, auction string, log *slog.Logger) (*replayAnswer, error) {
	cfg.Ads.Listen, cfg.Manage.Listen, cfg.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	n, err := OpenNode(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	a, err := n.replay(ctx, auction)
	return a, errors.Join(err, n.Close())
}
