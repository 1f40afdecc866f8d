package auction_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"mazad/auction"
	"mazad/internal/money"
)

var update = flag.Bool("update", false, "rewrite the expected part of the scripts")

// TestScripts plays testdata/*.txt. A script is a list of auctions, each
//
//	auction rule=second_price slots=2 floor=0.50 per_advertiser=1 weights=1,0.6 seed=7
//	ad NAME advertiser=1 cpm=2.00
//	ad NAME advertiser=2 cpc=0.40 rate=0.005 pacing=0.5 quality=-0.10 floor=0.80
//	----
//	slot 1 NAME score 2.00 pays 1.50 per thousand, over OTHER
//	NAME lost: outbid, score 1.20
//
// cpm, floor, quality and score are per thousand impressions, cpc per click.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			in, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			out := play(t, string(in))
			if *update {
				if err := os.WriteFile(file, []byte(out), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if out != string(in) {
				t.Errorf("%s differs (rewrite with -update); got:\n%s", file, out)
			}
		})
	}
}

// script is an auction being read.
type script struct {
	cfg   auction.Config
	names []string
	perK  []bool // pays per thousand impressions
	cands []auction.Candidate
}

func play(t *testing.T, in string) string {
	var out strings.Builder
	var sc script
	skipping := false
	for i, line := range strings.Split(strings.TrimRight(in, "\n"), "\n") {
		words := strings.Fields(line)
		switch {
		case line == "----":
			out.WriteString("----\n" + sc.result())
			skipping = true
			continue
		case len(words) == 0:
			skipping = false
		case skipping:
			continue
		case words[0] == "auction":
			sc = script{cfg: auction.Config{Slots: 1}}
			for _, w := range words[1:] {
				sc.setting(t, i+1, w)
			}
		case words[0] == "ad":
			sc.ad(t, i+1, words[1:])
		case words[0] != "#":
			t.Fatalf("line %d: %q is not auction, ad, # or ----", i+1, words[0])
		}
		out.WriteString(line + "\n")
	}
	return out.String()
}

func amount(t *testing.T, line int, v string) money.Nanos {
	m, err := money.ParseCPMMicros(v, false)
	if err != nil {
		t.Fatalf("line %d: %v", line, err)
	}
	return m.CPM()
}

func share(t *testing.T, line int, v string) money.PPB {
	n, err := money.ParseNanos(v)
	if err != nil || n < 0 {
		t.Fatalf("line %d: %q is not a share: %v", line, v, err)
	}
	return money.PPB(n)
}

func (sc *script) setting(t *testing.T, line int, word string) {
	key, v, _ := strings.Cut(word, "=")
	n, _ := strconv.Atoi(v)
	var err error
	switch key {
	case "rule":
		sc.cfg.Rule, err = auction.ParseRule(v)
	case "slots":
		sc.cfg.Slots = n
	case "floor":
		sc.cfg.Floor = amount(t, line, v)
	case "per_advertiser":
		sc.cfg.MaxPerAdvertiser = n
	case "seed":
		sc.cfg.Seed = uint64(n)
	case "weights":
		for _, w := range strings.Split(v, ",") {
			sc.cfg.SlotWeights = append(sc.cfg.SlotWeights, share(t, line, w))
		}
		err = sc.cfg.Validate()
	default:
		t.Fatalf("line %d: unknown setting %q", line, key)
	}
	if err != nil {
		t.Fatalf("line %d: %v", line, err)
	}
}

func (sc *script) ad(t *testing.T, line int, words []string) {
	n := len(sc.cands)
	c := auction.Candidate{Ad: uint64(n), Advertiser: uint64(1000 + n), Rate: money.One, Pacing: money.One}
	perK := true
	for _, w := range words[1:] {
		key, v, _ := strings.Cut(w, "=")
		switch key {
		case "advertiser":
			id, _ := strconv.Atoi(v)
			c.Advertiser = uint64(id)
		case "cpm":
			c.Bid = amount(t, line, v)
		case "cpc":
			bid, err := money.ParseNanos(v)
			if err != nil {
				t.Fatalf("line %d: %v", line, err)
			}
			c.Bid, perK = bid, false
		case "rate":
			c.Rate = share(t, line, v)
		case "pacing":
			c.Pacing = share(t, line, v)
		case "quality":
			c.Quality = amount(t, line, v)
		case "floor":
			c.Floor = amount(t, line, v)
		default:
			t.Fatalf("line %d: unknown word %q", line, key)
		}
	}
	sc.names, sc.perK, sc.cands = append(sc.names, words[0]), append(sc.perK, perK), append(sc.cands, c)
}

func (sc *script) result() string {
	var out strings.Builder
	winners, all := auction.Explain(&sc.cfg, sc.cands, new(auction.Scratch), nil)
	for _, w := range winners {
		price := w.Price.String() + " per click"
		if sc.perK[w.Index] {
			price = money.Micros(w.Price).String() + " per thousand"
		}
		over := "unopposed"
		if w.RunnerUp >= 0 {
			over = "over " + sc.names[w.RunnerUp]
		}
		fmt.Fprintf(&out, "slot %d %s score %v pays %s, %s\n", w.Slot+1, sc.names[w.Index], money.Micros(w.Score), price, over)
	}
	for i, o := range all {
		if o.Reason != auction.Won {
			fmt.Fprintf(&out, "%s lost: %v, score %v\n", sc.names[i], o.Reason, money.Micros(o.Score))
		}
	}
	return out.String()
}
