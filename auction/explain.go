package auction

import (
	"fmt"

	"mazad/internal/money"
)

// Reason says how a candidate fared.
type Reason uint8

// The reasons; append only. They add up to the number of candidates.
const (
	Won            Reason = iota
	LostNoValue           // bid, pacing or rate is 0, or their product below one nano
	LostBelowFloor        // value per impression below its floor
	LostQuality           // negative score: worse than an empty slot
	LostDiversity         // ranks high enough, but its advertiser has better ads
	LostOutbid            // all slots went to higher scores
	reasons
)

var reasonNames = [reasons]string{"won", "no_value", "below_floor", "negative_score", "diversity", "outbid"}

func (r Reason) String() string {
	if r < reasons {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// Outcome is the fate of one candidate.
type Outcome struct {
	Reason Reason
	Slot   int // -1 unless Won
	Score  money.Nanos
}

// Explain runs the auction and appends the outcome of each candidate, in their
// order, to dst. The winners are those of Run, which decides; the losers'
// reasons follow from the same judge and the same order.
func Explain(cfg *Config, cands []Candidate, s *Scratch, dst []Outcome) ([]Winner, []Outcome) {
	winners := Run(cfg, cands, s)
	from := len(dst)
	for i := range cands {
		score, why := judge(cfg, &cands[i])
		if why == Won {
			why = s.lost(cfg, &cands[i], score, i, len(winners))
		}
		dst = append(dst, Outcome{Reason: why, Slot: -1, Score: score})
	}
	for _, w := range winners {
		o := &dst[from+w.Index]
		o.Reason, o.Slot = Won, w.Slot
	}
	return winners, dst
}

// lost tells why a competing candidate is not among the winners: one that
// ranks before the last winner, or loses while a slot is empty, can only have
// been kept out by the diversity rule.
func (s *Scratch) lost(cfg *Config, c *Candidate, score money.Nanos, index, filled int) Reason {
	if filled == 0 {
		return LostOutbid // no slot was for sale
	}
	e := newEntry(cfg, c, score, index)
	if filled < cfg.Slots && filled < MaxSlots || e.ahead(&s.top[filled-1]) {
		return LostDiversity
	}
	return LostOutbid
}
