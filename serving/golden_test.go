package serving

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mazad/internal/money"
)

var update = flag.Bool("update", false, "write testdata/digests for this engine version")

// goldenLines and goldenStep size the golden season: a digest so far, every so
// many auctions, so that the first difference has a place.
const (
	goldenLines = 6
	goldenStep  = 500
)

// TestI8GoldenDigest: a seeded season decides as it did when EngineVersion was
// raised, to the bit, in every build: GOAMD64 v1 and v3, with the race detector,
// on other processors (internal/house/builds runs it in each). A digest that
// changes means another engine: raise EngineVersion, then run this test with
// -update, and keep the old file.
func TestI8GoldenDigest(t *testing.T) {
	got := goldenSeason(t, newSeason(t, 2026))
	file := filepath.Join("testdata", "digests", fmt.Sprintf("engine-%d", EngineVersion))
	if *update {
		must(t, os.MkdirAll(filepath.Dir(file), 0o755))
		must(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	must(t, err)
	if got != string(want) {
		t.Errorf("engine version %d decides otherwise than %s says; if that is meant, raise EngineVersion\ngot:\n%swant:\n%s", EngineVersion, file, got, want)
	}
}

// TestI3KeptAuctionsAreAsTheOthers: the golden season with every auction kept for a
// replay, and so evaluated in full, has the same digest.
func TestI3KeptAuctionsAreAsTheOthers(t *testing.T) {
	s := newSeason(t, 2026)
	s.engine.cfg.Replays, s.engine.cfg.Sample = &kept{}, money.One
	want, err := os.ReadFile(filepath.Join("testdata", "digests", fmt.Sprintf("engine-%d", EngineVersion)))
	must(t, err)
	if got := goldenSeason(t, s); got != string(want) {
		t.Errorf("auctions that are kept end otherwise:\n%swant:\n%s", got, want)
	}
}

// goldenSeason decides the season and returns its digests.
func goldenSeason(t testing.TB, s *season) string {
	t.Helper()
	sum, ads := sha256.New(), 0
	var lines strings.Builder
	for i := range goldenLines * goldenStep {
		resp := s.step(i)
		ads += len(resp.Ads)
		digest(sum, resp)
		if (i+1)%goldenStep == 0 {
			fmt.Fprintf(&lines, "%d auctions %d ads %s\n", i+1, ads, hex.EncodeToString(sum.Sum(nil)))
		}
	}
	if ads < goldenLines*goldenStep/2 {
		t.Errorf("only %d ads: the season proves little", ads)
	}
	return lines.String()
}

// digest adds an answer, with its tokens: price, bid, rate, multiplier, budget day
// and serial number are sealed in them.
func digest(sum hash.Hash, r *Response) {
	numbers := []uint64{r.AuctionID.Hi, r.AuctionID.Lo, uint64(r.Revision), uint64(r.Universe), uint64(len(r.Ads))}
	for i := range r.Ads {
		a := &r.Ads[i]
		numbers = append(numbers, uint64(a.Slot), uint64(a.Creative.Ad), uint64(a.Price))
		sum.Write(a.Token)
	}
	_ = binary.Write(sum, binary.LittleEndian, numbers)
}
