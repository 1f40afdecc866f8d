package serving

import (
	"fmt"
	"time"

	"mazad/audience"
	"mazad/internal/id"
	"mazad/internal/money"
)

// EngineVersion names the rules by which auctions are decided. Raise it with every
// change that may decide one auction differently: replays of older recordings then
// say so, and testdata/digests holds the digest of a seeded run for each.
const EngineVersion = 2

// Recording is everything that one auction was decided by, and its outcome: what
// Replay decides it by again. It holds no user id, session, IP address or user
// agent; in the contextual universe nothing that that universe may not use.
type Recording struct {
	Engine    uint32 // EngineVersion that decided it
	Build     string // the binary, for people
	Explained bool   // somebody asked; else it was sampled
	Tick      uint64 // of the treasurer, before it

	Auction    id.Event // the seed too
	Now        time.Time
	Revision   int64
	Built      time.Time // the snapshot
	Model      uint64
	Market     Market
	Policy     audience.Policy
	Request    Request
	HasUser    bool
	HasSession bool
	Profile    audience.Profile // as seen

	Universe audience.Universe
	Why      audience.Reason
	Matched  int             // more than Groups only when there were too many to keep
	Groups   []RecordedGroup // that matched, by id
	Auctions []RecordedAuction
	Reason   Reason // why there is no ad
	Ads      []RecordedAd
}

// RecordedGroup is what an ad group brought into a request, besides what its
// revision says.
type RecordedGroup struct {
	ID    id.AdGroup
	Seen  int         // impressions that its frequency cap had counted; -1: not asked
	Need  money.Nanos // the hold that its budget refused before this request; 0: none
	Rates []money.PPB // of its ads, as predicted; none for CPM
}

// RecordedAuction is one auction: all slots of a feed, one of an exchange.
type RecordedAuction struct {
	Slot     int // of the request: its first
	Fates    []Fate
	Refused  []RefusedHold // in order
	Unplaced []int         // winners for whose token there was no room, by slot of the request
}

// Fate is what became of the ad group at the same place in Groups.
type Fate struct {
	Reason   Reason // ReasonNone won
	Competed bool
	Ad       int       // of the group's, if it competed
	Pace     money.PPB // the multiplier, if it competed
}

// RefusedHold is a winner that was not paid for.
type RefusedHold struct {
	Group  int // in Groups
	Reason Reason
}

// RecordedAd is an ad in the answer.
type RecordedAd struct {
	Slot    int
	AdGroup id.AdGroup
	Ad      id.Ad
	Score   money.Nanos
	Price   money.Nanos // per billing event
	Worth   money.Nanos // the price per impression
	Day     int32       // budget day
}

// recordingFormat is the version of the layout in pass.
const recordingFormat = 1

// maxKept bounds the lists of a recording when it is read.
const maxKept = 1 << 17

// Append encodes the recording.
func (r *Recording) Append(dst []byte) []byte {
	t := tape{b: dst}
	r.pass(&t)
	return t.b
}

// ParseRecording reads what Append wrote.
func ParseRecording(b []byte) (*Recording, error) {
	r, t := &Recording{}, &tape{b: b, reading: true}
	r.pass(t)
	switch {
	case t.format != recordingFormat && len(b) > 0:
		return nil, fmt.Errorf("recording format v%d, this build reads v%d", t.format, recordingFormat)
	case t.bad || len(t.b) != 0:
		return nil, fmt.Errorf("a recording of %d bytes does not end where it should", len(b))
	}
	return r, nil
}

// pass writes or reads every field: there is one description of the layout.
func (r *Recording) pass(t *tape) {
	format := uint8(recordingFormat)
	num(t, &format)
	if t.format = format; format != recordingFormat {
		t.bad = true
		return
	}
	num(t, &r.Engine)
	t.text(&r.Build)
	t.flag(&r.Explained)
	num(t, &r.Tick)
	num(t, &r.Auction.Hi)
	num(t, &r.Auction.Lo)
	t.instant(&r.Now)
	num(t, &r.Revision)
	t.instant(&r.Built)
	num(t, &r.Model)
	r.passMarket(t)
	passRequest(t, &r.Request)
	t.flag(&r.HasUser)
	t.flag(&r.HasSession)
	passProfile(t, &r.Profile)
	num(t, &r.Universe)
	num(t, &r.Why)
	num(t, &r.Reason)
	num(t, &r.Matched)
	last := id.AdGroup(0)
	list(t, &r.Groups, maxKept, func(t *tape, g *RecordedGroup) {
		step := g.ID - last
		num(t, &step)
		g.ID, last = last+step, last+step
		num(t, &g.Seen)
		num(t, &g.Need)
		list(t, &g.Rates, maxKept, num[money.PPB])
	})
	list(t, &r.Auctions, MaxSlots, passAuction)
	list(t, &r.Ads, MaxSlots, passAd)
}

func (r *Recording) passMarket(t *tape) {
	currency := string(r.Market.Currency)
	t.text(&currency)
	r.Market.Currency = money.Currency(currency)
	num(t, &r.Market.Rule)
	num(t, &r.Market.Floor)
	num(t, &r.Market.MaxPerAdvertiser)
	list(t, &r.Market.SlotWeights, maxKept, num[money.PPB])
	t.flag(&r.Policy.AgeUnknownIsAdult)
	for i := range r.Policy.OptOut {
		num(t, &r.Policy.OptOut[i])
	}
}

func passAd(t *tape, a *RecordedAd) {
	num(t, &a.Slot)
	num(t, &a.AdGroup)
	num(t, &a.Ad)
	num(t, &a.Score)
	num(t, &a.Price)
	num(t, &a.Worth)
	num(t, &a.Day)
}
