package auction

import (
	"fmt"

	"mazad/internal/money"
)

// MaxSlots bounds Config.Slots. A feed request asks for at most 10; the room
// above that is for simulation.
const MaxSlots = 64

// Rule says what winners pay.
type Rule uint8

// The pricing rules. The zero value is the house default.
const (
	SecondPrice Rule = iota // generalised second price (GSP) with quality
	FirstPrice
	VCG
	rules
)

var ruleNames = [rules]string{"second_price", "first_price", "vcg"}

func (r Rule) String() string {
	if r < rules {
		return ruleNames[r]
	}
	return fmt.Sprintf("rule(%d)", uint8(r))
}

// ParseRule reads the name that String prints.
func ParseRule(s string) (Rule, error) {
	for r, name := range ruleNames {
		if s == name {
			return Rule(r), nil
		}
	}
	return 0, fmt.Errorf("auction rule %q is unknown: want second_price, first_price or vcg", s)
}

// Candidate is one ad that competes for the slots of a request.
type Candidate struct {
	Advertiser uint64
	Bid        money.Nanos // most it pays per billing event; <= 0 takes it out
	Rate       money.PPB   // billing events per impression; money.One for CPM; above One counts as One
	Pacing     money.PPB   // multiplier of the bid; above One counts as One
	Quality    money.Nanos // signed, per impression, added to the score
	Floor      money.Nanos // its own floor per impression; the larger of this and Config.Floor holds
	Ad         uint64      // the caller's lasting number of the ad; ties are drawn by it, so it should be unique
}

// Config is what all candidates of one auction share. It is not retained.
type Config struct {
	Rule             Rule
	Slots            int         // at most MaxSlots are filled
	Floor            money.Nanos // per impression; negative counts as 0
	MaxPerAdvertiser int         // 0: no diversity rule
	SlotWeights      []money.PPB // descending, money.One first; shorter than Slots repeats its last; empty: all One
	Seed             uint64      // orders ties
}

// Validate names the first field that Run would have to bend.
func (c *Config) Validate() error {
	switch {
	case c.Rule >= rules:
		return fmt.Errorf("auction rule is %d, want at most %d", c.Rule, rules-1)
	case c.Slots < 0 || c.Slots > MaxSlots:
		return fmt.Errorf("auction slots is %d, want 0 to %d", c.Slots, MaxSlots)
	case c.Floor < 0:
		return fmt.Errorf("auction floor is %d nanos, want at least 0", int64(c.Floor))
	case c.MaxPerAdvertiser < 0:
		return fmt.Errorf("auction max_per_advertiser is %d, want at least 0", c.MaxPerAdvertiser)
	case len(c.SlotWeights) > MaxSlots:
		return fmt.Errorf("auction slot_weights has %d entries, want at most %d", len(c.SlotWeights), MaxSlots)
	}
	last := money.One
	for i, w := range c.SlotWeights {
		if w == 0 || w > last {
			return fmt.Errorf("auction slot_weights[%d] is %d, want 1 to %d: weights descend from %d", i, w, last, money.One)
		}
		last = w
	}
	return nil
}

// Winner is one filled slot.
type Winner struct {
	Index              int         // into the candidates
	Slot               int         // 0 is the best
	Score              money.Nanos // per impression
	Price              money.Nanos // per billing event
	PricePerImpression money.Nanos // Price x Rate: what the impression is expected to bring
	RunnerUp           int         // index of the next candidate in rank, -1 if none
}

// Scratch is the memory of one auction, reused. The zero value is ready.
type Scratch struct {
	top     []entry
	winners []Winner
	weights [MaxSlots]money.PPB
}

// Run fills cfg.Slots slots. The winners, best slot first, are valid until the
// scratch is used again.
func Run(cfg *Config, cands []Candidate, s *Scratch) []Winner {
	s.Open()
	s.Add(cfg, cands, 0)
	return s.Close(cfg, cands)
}

// Open begins an auction whose candidates come in parts: Add them in any order,
// ask Settled whether more could change the outcome, and Close it.
func (s *Scratch) Open() { s.top = s.top[:0] }

// Add lets cands[from:] compete. cands is one growing slice: the winners' Index
// counts in it.
func (s *Scratch) Add(cfg *Config, cands []Candidate, from int) {
	if slots := cfg.slots(); slots > 0 {
		s.choose(cfg, cands, from, slots+1)
	}
}

// Settled reports that no candidate whose value and score are at most bound can
// still change who wins and what they pay: it is strictly behind everyone who
// sets a price, or below the floor. The RunnerUp of the last winner of a
// FirstPrice auction is not covered.
func (s *Scratch) Settled(cfg *Config, bound money.Nanos) bool {
	slots := cfg.slots()
	if slots == 0 || bound <= 0 || bound < cfg.Floor {
		return true
	}
	last := slots // sets the price of the last winner
	if cfg.Rule == FirstPrice {
		last--
	}
	return last < len(s.top) && s.top[last].score > bound
}

// Close ranks and prices the winners among everything that was added.
func (s *Scratch) Close(cfg *Config, cands []Candidate) []Winner {
	s.winners = s.winners[:0]
	slots := cfg.slots()
	s.spread(cfg.SlotWeights, slots)
	filled := min(slots, len(s.top))
	for i := range filled {
		c := &cands[s.top[i].index]
		price := s.price(cfg, c, i, filled)
		w := Winner{Index: int(s.top[i].index), Slot: i, Score: s.top[i].score, Price: price, RunnerUp: -1}
		w.PricePerImpression = price.MulPPB(rate(c))
		if i+1 < len(s.top) {
			w.RunnerUp = int(s.top[i+1].index)
		}
		s.winners = append(s.winners, w)
	}
	return s.winners
}

func (c *Config) slots() int { return min(max(c.Slots, 0), MaxSlots) }

// spread writes the weight of every slot: descending, at most One.
func (s *Scratch) spread(weights []money.PPB, slots int) {
	last := money.One
	for i := range slots {
		if i < len(weights) {
			last = min(last, weights[i])
		}
		s.weights[i] = last
	}
}
