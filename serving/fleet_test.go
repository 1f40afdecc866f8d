package serving

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"mazad/auction"
	"mazad/audience"
	"mazad/campaign"
	"mazad/campaign/campaigntest"
	"mazad/events"
	"mazad/events/diary"
	"mazad/internal/clock"
	"mazad/internal/id"
	"mazad/internal/money"
	"mazad/internal/sqldb"
	"mazad/ledger"
	"mazad/ledger/sqlstore"
	"mazad/prediction"
)

var errLost = errors.New("the answer was lost")

// flaky is the store over a network that loses questions and answers.
type flaky struct {
	ledger.Store
	rng *rand.Rand
}

func (f *flaky) trouble(call func() error) error {
	switch f.rng.IntN(40) {
	case 0:
		return errLost // it never got there
	case 1:
		if err := call(); err != nil {
			return err
		}
		return errLost // it did, and nobody heard
	}
	return call()
}

func (f *flaky) GrantLeases(ctx context.Context, node uint16, generation uint32, asks []ledger.LeaseAsk) (out []ledger.Grant, err error) {
	err = f.trouble(func() (err error) { out, err = f.Store.GrantLeases(ctx, node, generation, asks); return err })
	return out, err
}

func (f *flaky) ReturnLeases(ctx context.Context, node uint16, generation uint32, back []ledger.LeaseReturn) error {
	return f.trouble(func() error { return f.Store.ReturnLeases(ctx, node, generation, back) })
}

func (f *flaky) RenewLeases(ctx context.Context, node uint16, generation uint32, expires time.Time) error {
	return f.trouble(func() error { return f.Store.RenewLeases(ctx, node, generation, expires) })
}

func (f *flaky) BeginLife(ctx context.Context, node uint16, generation uint32, expires time.Time) error {
	return f.trouble(func() error { return f.Store.BeginLife(ctx, node, generation, expires) })
}

// member is one node, alive or dead.
type member struct {
	f          *fleet
	number     int
	life       uint32
	clock      *clock.Fake
	offset     time.Duration // of its clock from the truth
	backAt     time.Time     // when a dead one starts again; zero: it lives
	applied    int           // edits it knows
	unrefunded int64         // of earlier lives, taken back after the verdict: it stays set aside
	forwardAt  time.Time     // when its clock was last set forward

	treasurer *Treasurer
	engine    *Engine
	tracker   *Tracker

	records []events.Record // on its disk, of the last day
	seq     uint64          // of the first of records not posted, less 1
	posted  int             // of records
	lost    []events.Record // accepted, and will never be on the disk
}

// Enqueue implements Log: the disk refuses some records, and loses others after
// it took them.
func (m *member) Enqueue(list ...*events.Record) (diary.Ticket, error) {
	for _, r := range list {
		if s := m.f.byToken[r.Token]; s != nil && s.cpm && r.Kind == events.KindImpression && r.Verdict == events.VerdictFree {
			m.f.letGo(s) // a limit that came later refused it: shown for nothing
		}
		if m.f.rng.IntN(60) == 0 {
			m.f.undone(m, r)
			return diary.Ticket{}, diary.ErrOverloaded
		}
		c := *r
		c.Personal, c.Features = events.Personal{}, nil
		if m.f.rng.IntN(60) == 0 {
			m.lost = append(m.lost, c)
			continue
		}
		m.records = append(m.records, c)
		if c.Verdict == events.VerdictBilled {
			m.f.bill(m, &c)
		}
	}
	return diary.Ticket{}, nil
}

// fleet is several nodes on one store, a tree that people edit, and the truth.
type fleet struct {
	t       *testing.T
	rng     *rand.Rand
	now     time.Time
	store   ledger.Store
	tree    campaign.Tree
	edits   int
	settled int // edits that every living node knows
	market  Market
	sealer  *events.Sealer
	model   *prediction.Model
	members []*member
	oracle  *oracle
	out     []*sold
	expiry  []*sold // in the order in which they were sold
	byToken map[events.TokenID]*sold
	zones   map[string]*time.Location
	counts  struct{ auctions, ads, billed, kills, jumps, edits, free int }
}

func newFleet(t *testing.T, seed uint64, start time.Time, nodes int) *fleet {
	f := &fleet{t: t, rng: rand.New(rand.NewPCG(seed, 15)), now: start, oracle: newOracle(t), byToken: map[events.TokenID]*sold{}, zones: map[string]*time.Location{}}
	dir := t.TempDir()
	if memory, err := os.MkdirTemp("/dev/shm", "mazad-fleet-"); err == nil { // the test asks nothing about the disk
		dir = memory
		t.Cleanup(func() { os.RemoveAll(memory) })
	}
	db, err := sqldb.Open(context.Background(), sqldb.Config{Dir: dir})
	must(t, err)
	t.Cleanup(func() { db.Close() })
	f.store, err = sqlstore.Open(context.Background(), db, sqlstore.Config{Clock: clock.NewFake(start)})
	must(t, err)
	f.market = Market{Currency: "USD", Rule: auction.SecondPrice, Floor: 500_000, MaxPerAdvertiser: 2, SlotWeights: []money.PPB{money.One, money.One / 2}}
	f.sealer, err = events.NewSealer(events.Secret{ID: 1, Bytes: []byte("0123456789abcdef0123456789abcdef")})
	must(t, err)
	learner, err := prediction.NewLearner(prediction.Config{})
	must(t, err)
	f.model = learner.Publish(1)
	f.oracle.dump = f.dump
	f.makeTree(start, seed)
	for i := range nodes {
		m := &member{f: f, number: i, clock: clock.NewFake(start), applied: -1}
		f.members = append(f.members, m)
		m.begin()
	}
	return f
}

func (f *fleet) makeTree(start time.Time, seed uint64) {
	f.tree = campaigntest.Tree(campaigntest.Options{AdGroups: 40, PerCampaign: 3, PerAdvertiser: 2, Seed: seed, Start: start})
	names := []string{"Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "America/New_York", "Africa/Cairo", "UTC"}
	for i := range f.tree.Advertisers {
		a := &f.tree.Advertisers[i]
		a.Zone = names[i%len(names)]
		f.zones[a.Zone] = mustZone(f.t, a.Zone)
		if i%2 == 0 {
			a.SpendCap = 6_000_000
		}
		f.topUp(a.ID, 5)
	}
	for i := range f.tree.Campaigns {
		c := &f.tree.Campaigns[i]
		c.BudgetMode, c.Budget = []campaign.BudgetMode{campaign.BudgetInfinite, campaign.BudgetDay, campaign.BudgetDynamicDaily, campaign.BudgetTotal}[i%4], 600_000
	}
	for i := range f.tree.AdGroups {
		g := &f.tree.AdGroups[i]
		*g = blank(*g)
		g.Version, g.BidPrice = 1, 4_000_000
		if g.BillingEvent != campaign.CPM {
			g.BidPrice = 100_000
		}
		if i%3 == 0 {
			g.Pacing = campaign.PacingSmooth
		}
		g.BudgetMode = []campaign.BudgetMode{campaign.BudgetDay, campaign.BudgetDynamicDaily, campaign.BudgetTotal, campaign.BudgetDay}[i%4]
		g.Budget = money.Micros(100_000 + i*7_919%300_000)
	}
	f.oracle.learn(&f.tree)
}

func (f *fleet) topUp(a id.Advertiser, units int64) {
	_, _, err := f.store.TopUp(context.Background(), ledger.TopUp{RequestID: fmt.Sprint(a, " ", f.oracle.funded[a]), Advertiser: a, Currency: "USD", Amount: money.Micros(units * 1_000_000)})
	must(f.t, err)
	f.oracle.funded[a] += units * 1_000_000_000
}

// begin starts a life: what earlier ones wrote is posted, then money is leased.
func (m *member) begin() {
	f := m.f
	m.life++
	m.backAt = time.Time{}
	m.post(len(m.records))
	used := events.NewUsed()
	for i := range m.records {
		used.Apply(&m.records[i])
	}
	m.clock.Set(f.now.Add(m.offset))
	frequency := audience.NewFrequency(1<<12, 1)
	for {
		var err error
		m.treasurer, err = OpenTreasurer(context.Background(), TreasurerConfig{
			Clock: m.clock, Leases: &flaky{f.store, f.rng}, Frequency: frequency, Node: uint16(m.number), Generation: m.life, MaxHolds: 1 << 14, MaxCells: 1 << 14,
		})
		if err == nil {
			break
		}
		if !errors.Is(err, errLost) {
			f.t.Fatal(err)
		}
	}
	m.treasurer.SetNodes(len(f.members))
	var err error
	m.engine, err = NewEngine(Config{Clock: m.clock, Market: f.market, Users: fakeUsers{}, Frequency: frequency, Treasurer: m.treasurer, Sealer: f.sealer, Partition: uint16(m.number)})
	must(f.t, err)
	m.tracker, err = NewTracker(TrackerConfig{Clock: m.clock, Sealer: f.sealer, Used: used, Log: m, Treasurer: m.treasurer, Partition: uint16(m.number)})
	must(f.t, err)
	m.applied = -1
	m.learn()
}

// learn applies the edits that the node does not know yet.
func (m *member) learn() {
	f := m.f
	if m.applied == f.edits {
		return
	}
	must(f.t, m.treasurer.Apply(context.Background(), &f.tree, m.clock.Now()))
	snap, err := Build(&f.tree, &f.market, m.treasurer, f.model, m.clock.Now())
	must(f.t, err)
	m.tick()
	m.engine.Publish(snap)
	m.applied = f.edits
}

func (m *member) tick() {
	if err := m.treasurer.Tick(context.Background(), m.clock.Now()); err != nil && !errors.Is(err, errLost) {
		m.f.t.Fatal(err)
	}
	for _, g := range m.treasurer.states {
		if g != nil && money.PPB(g.pace.Load()) > money.One {
			m.f.t.Fatalf("ad group %d is paced at %d ppb: the search for winners relies on 1 at most", g.id, g.pace.Load())
		}
	}
}

// post books the first n records that are not booked, as the bookkeeper does, and
// says so again when the answer was lost.
func (m *member) post(n int) {
	if n -= m.posted; n <= 0 {
		return
	}
	rows := map[[3]int64]*ledger.SpendRow{}
	batch := ledger.SpendBatch{Stream: fmt.Sprint("money ", m.number), FirstSeq: m.seq + 1, LastSeq: m.seq + uint64(n)}
	for _, r := range m.records[m.posted : m.posted+n] {
		if r.Verdict != events.VerdictBilled {
			continue
		}
		k := [3]int64{int64(r.AdGroup), int64(r.Day), int64(r.Token.Generation)}
		if rows[k] == nil {
			rows[k] = &ledger.SpendRow{Advertiser: r.Advertiser, Campaign: r.Campaign, AdGroup: r.AdGroup, Currency: "USD", Second: r.AuctionMS / 1000, Day: r.Day, Node: uint16(m.number), Generation: r.Token.Generation}
		}
		rows[k].Amount = rows[k].Amount.AddNanos(r.BilledNanos)
		rows[k].Count++
	}
	for _, r := range rows {
		batch.Rows = append(batch.Rows, *r)
	}
	sortRows(batch.Rows)
	_, err := m.f.store.PostSpend(context.Background(), batch)
	must(m.f.t, err)
	m.seq += uint64(n)
	m.posted += n
	if old := m.f.now.Add(-26 * time.Hour).UnixMilli(); len(m.records) > 4096 {
		keep, _ := slices.BinarySearchFunc(m.records[:m.posted], old, func(r events.Record, ms int64) int { return int((r.AuctionMS - ms) / 1000) })
		m.records, m.posted = append([]events.Record(nil), m.records[keep:]...), m.posted-keep
	}
}

// undone is an event that is taken back: the token may come again, but nothing is
// held for it any more.
func (f *fleet) undone(m *member, r *events.Record) {
	if r.Verdict == events.VerdictBilled && r.Token.Generation != m.life {
		m.unrefunded += int64(r.BilledNanos)
	}
	if s := f.byToken[r.Token]; s != nil && r.Verdict == events.VerdictBilled {
		f.letGo(s)
	}
}

// bill is the truth about a record that is on disk.
func (f *fleet) bill(m *member, r *events.Record) {
	s := f.byToken[r.Token]
	if s == nil || s.done {
		f.t.Fatalf("a token was billed that was not out: %+v", r.Token)
	}
	s.done = true
	f.counts.billed++
	held := int64(0)
	if s.held {
		held, s.held = s.amount, false
	}
	if int64(r.BilledNanos) > s.amount || r.Day != dayNumberOf(s.local) {
		f.t.Fatalf("billed %d on %d, sold for %d on %s", r.BilledNanos, r.Day, s.amount, s.local)
	}
	f.oracle.move(s, -held, int64(r.BilledNanos), "billed")
}

func dayNumberOf(date string) (n int32) {
	for _, c := range date {
		if c != '-' {
			n = n*10 + int32(c-'0')
		}
	}
	return n
}

// heldFor is less than a token lives: a clock that is set forward by less than a
// minute cannot be told from time that passes.
const heldFor = 30*time.Minute - 90*time.Second

// auction asks a node for ads and notes what it sold.
func (f *fleet) auction(m *member, req *Request, resp *Response) {
	req.Reset()
	req.Country, req.Placement = 'D'<<8|'E', 1
	req.Session = append(req.Session, "s"...)
	for range 1 + f.rng.IntN(2) {
		req.AddSlot().Formats = FormatVideo | FormatImage | FormatCarousel
	}
	m.engine.Decide(req, resp)
	f.counts.auctions++
	var tok events.Token
	for _, p := range resp.Ads {
		g := f.oracle.groups[p.Creative.AdGroup]
		s := &sold{group: g.ID, amount: int64(p.Price), node: m.number, life: m.life, token: append([]byte(nil), p.Token...), until: f.now.Add(heldFor)}
		s.local, s.week = dateIn(m.clock.Now(), f.zones[f.oracle.advs[g.Advertiser].Zone])
		s.cpm = g.BillingEvent == campaign.CPM
		if st := f.sealer.Open(&tok, p.Token, events.UseImpression, m.clock.Now().UnixMilli()); st != events.StateOK {
			f.t.Fatalf("token is %s", st)
		}
		f.byToken[tok.ID] = s
		f.out = append(f.out, s)
		f.expiry = append(f.expiry, s)
		f.counts.ads++
		if s.cpm {
			s.held = true
			f.oracle.move(s, s.amount, 0, "handed out")
		}
	}
}
