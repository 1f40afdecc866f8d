package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"mazad/api/ads"
	"mazad/api/manage"
	"mazad/audience"
	userstore "mazad/audience/store"
	"mazad/campaign"
	campaignsql "mazad/campaign/sqlstore"
	"mazad/events"
	"mazad/events/archive"
	"mazad/events/diary"
	"mazad/internal/clock"
	"mazad/internal/money"
	"mazad/internal/sqldb"
	"mazad/ledger"
	ledgersql "mazad/ledger/sqlstore"
	"mazad/prediction"
	"mazad/reporting"
	"mazad/reporting/diarysource"
	"mazad/reporting/embedded"
	"mazad/serving"
)

// Node is the whole house on one machine. Fields are set by OpenNode in this
// order and closed by Close in the reverse one.
type Node struct {
	cfg   Config
	log   *slog.Logger
	clock clock.Clock

	db        *sqldb.DB
	campaigns *campaignsql.Store
	ledger    ledger.Store
	users     *userstore.Store
	diary     *diary.Diary
	archive   *archive.Archive
	history   *archive.Sequence // archive and diary as one
	archiver  *archive.Worker

	life        campaign.Generation
	learner     *prediction.Learner // owned by the bookkeeper's goroutine once Run began
	bookkeeper  *serving.Bookkeeper
	used        *events.Used
	attribution *events.Attribution // owned by the tracker
	pending     serving.Pending     // clicks of earlier lives that wait for their homes

	checkpointed    uint64 // batch of the last checkpoint; with scratch the bookkeeper's goroutine's
	scratch         []byte
	checkpointBytes atomic.Int64

	sealer     *events.Sealer
	frequency  *audience.Frequency
	treasurer  *serving.Treasurer
	engine     *serving.Engine
	relay      *ads.Relay
	neighbours *neighbours
	tracker    *serving.Tracker
	publisher  *serving.Publisher

	clickhouse *embedded.Supervisor // nil when it is elsewhere or off
	client     *reporting.Client    // nil when off
	journal    *reporting.Journal
	sink       *reporting.Sink
	reports    *reporting.Reports

	ads       *ads.Server
	manage    *manage.Server
	listeners [3]net.Listener // ads, manage, admin

	operatorKey string
	backingUp   sync.Mutex // held while a backup is made
	started     time.Time
	ready       chan struct{} // closed when the doors are open
}

// OpenNode builds the house and catches up with the diary; nothing listens yet
// except that the addresses are taken, so that a second process fails early.
func OpenNode(ctx context.Context, cfg Config, log *slog.Logger) (*Node, error) {
	return openNode(ctx, cfg, log, clock.System{})
}

func openNode(ctx context.Context, cfg Config, log *slog.Logger, c clock.Clock) (*Node, error) {
	n := &Node{cfg: cfg, log: log, clock: c, started: time.Now(), ready: make(chan struct{})}
	steps := []func(context.Context) error{n.openStores, n.claimNumber, n.openDiary, n.openArchive, n.catchUp, n.openCorridor, n.openReports, n.openArchiver, n.openDoors}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, n.Close())
		}
	}
	return n, nil
}

func (n *Node) openStores(ctx context.Context) (err error) {
	if err := checkRestored(n.cfg.DataDir); err != nil {
		return err
	}
	at, err := n.cfg.storeConfig()
	if err != nil {
		return err
	}
	at.Clock = n.clock
	if n.db, err = sqldb.Open(ctx, at); err != nil {
		return err
	}
	if n.campaigns, err = campaignsql.Open(ctx, n.db, campaignsql.Config{Clock: n.clock, ReviewFirst: !n.cfg.Market.AutoApproveAds}); err != nil {
		return err
	}
	if n.ledger, err = ledgersql.Open(ctx, n.db, ledgersql.Config{Clock: n.clock}); err != nil {
		return err
	}
	n.users, err = userstore.Open(filepath.Join(n.cfg.DataDir, "users"), n.clock)
	return err
}

// claimNumber begins a life of this node. Its streams and its tokens carry the
// number, so it comes before them.
func (n *Node) claimNumber(ctx context.Context) error {
	owner, err := nodeOwner(n.cfg.DataDir)
	if err != nil {
		return err
	}
	n.life, err = n.campaigns.ClaimNode(ctx, campaign.NodeClaim{Owner: owner, Address: n.cfg.Ads.NodeURL, Number: n.cfg.Node})
	return err
}

// diaryConfig is where and how the diary of a node is kept. Nodes may share a
// store and a NATS cluster: each has streams of its own. Node 0 has the plain
// names.
func (c *Config) diaryConfig(node uint16) diary.Config {
	cfg := diary.Config{
		URL: c.Diary.URL, MoneyBytes: int64(c.Diary.MaxMegabytes) << 20,
		DecisionBytes: int64(c.Diary.DecisionsMB) << 20, DecisionAge: time.Duration(c.Diary.DecisionsHours) * time.Hour,
		ReplayBytes: int64(c.Replay.Megabytes) << 20, ReplayAge: time.Duration(c.Replay.Hours) * time.Hour,
	}
	if node > 0 {
		own := func(stream string) string { return fmt.Sprintf("%s_%d", stream, node) }
		cfg.MoneyStream, cfg.DecisionStream, cfg.ReplayStream = own(diary.Money), own(diary.Decisions), own(diary.Replays)
	}
	if cfg.URL == "" {
		cfg.Dir = filepath.Join(c.DataDir, "diary")
	}
	return cfg
}

func (n *Node) openDiary(ctx context.Context) error {
	key, err := n.tokenKey()
	if err != nil {
		return err
	}
	nobody, err := nobodysKey(key)
	if err != nil {
		return err
	}
	d, cfg := n.cfg.Diary, n.cfg.diaryConfig(n.life.Node)
	cfg.Keys, cfg.OnLost, cfg.Clock, cfg.Log = userKeys{n.users, nobody}, n.lost, n.clock, n.log
	if n.diary, err = diary.Open(ctx, cfg); err != nil {
		return fmt.Errorf("open the diary (diary.url %q, diary.max_megabytes %d, diary.decisions_megabytes %d, replay.megabytes %d): %w",
			d.URL, d.MaxMegabytes, d.DecisionsMB, n.cfg.Replay.Megabytes, err)
	}
	return nil
}

// trouble is why no event can be stored now, in words for its sender: without
// names of our folders.
func (n *Node) trouble() string {
	switch err := n.diary.Stats().Stopped; {
	case err == nil:
		return ""
	case errors.Is(err, diary.ErrFull):
		return "the log of events has used up its disk budget"
	case errors.Is(err, diary.ErrDiskFull):
		return "the disk is full"
	}
	return "the log of events cannot be written"
}

// lost takes back the verdict of a record that the diary accepted and lost.
func (n *Node) lost(r *events.Record) {
	if n.tracker != nil {
		n.tracker.Undo(r)
	}
}

// catchUp reads what earlier lives left in the diary: which tokens were used,
// which clicks wait for a conversion, what was learnt, and what the ledger does
// not have yet. It comes before anything is leased: a new life may lease only
// what earlier ones did not spend.
func (n *Node) catchUp(ctx context.Context) error {
	return n.remember(ctx)
}

// openCorridor builds serving and compiles the first snapshot.
func (n *Node) openCorridor(ctx context.Context) error {
	key, err := n.tokenKey()
	if err != nil {
		return err
	}
	if n.sealer, err = events.NewSealer(events.Secret{ID: 1, Bytes: key}); err != nil {
		return err
	}
	market, err := n.market()
	if err != nil {
		return err
	}
	policy, err := n.policy()
	if err != nil {
		return err
	}
	share, seed, err := n.sampling(key)
	if err != nil {
		return err
	}
	n.frequency = audience.NewFrequency(n.cfg.Capacity.FrequencyEntries, binary.LittleEndian.Uint64(key))
	if n.treasurer, err = serving.OpenTreasurer(ctx, serving.TreasurerConfig{
		Clock: n.clock, Leases: n.ledger, Frequency: n.frequency, Node: n.life.Node, Generation: n.life.Number,
		MaxCells: 8 * n.cfg.Capacity.AdGroups, MaxHolds: n.cfg.Capacity.OutstandingTokens,
	}); err != nil {
		return err
	}
	if n.engine, err = serving.NewEngine(serving.Config{
		Clock: n.clock, Market: *market, Policy: policy, Users: n.users.Directory(), Frequency: n.frequency,
		Treasurer: n.treasurer, Sealer: n.sealer, Decisions: n.diary, Diary: n.diary, Region: n.cfg.Region, Partition: n.life.Node,
		Replays: n.diary, Sample: share, Seed: seed, Build: version(),
	}); err != nil {
		return err
	}
	if err = n.openRelay(key); err != nil {
		return err
	}
	if n.tracker, err = serving.NewTracker(serving.TrackerConfig{
		Clock: n.clock, Sealer: n.sealer, Used: n.used, Log: n.diary, Treasurer: n.treasurer, Users: n.users.Directory(),
		Attribution: n.attribution, Region: n.cfg.Region, Partition: n.life.Node,
		Homes: n.relay, Adopted: n.neighbours.adopted, Pending: n.pending.Clicks(),
	}); err != nil {
		return err
	}
	if n.publisher, err = serving.NewPublisher(serving.PublisherConfig{
		Clock: n.clock, Trees: n.campaigns, Treasurer: n.treasurer, Engine: n.engine, Market: market,
	}, n.learner.Publish(1)); err != nil {
		return err
	}
	published, err := n.publisher.Refresh(ctx)
	if published && err != nil { // what can be served is served
		n.log.Error("the first snapshot is not whole", "cause", err)
		err = nil
	}
	return err
}

// openRelay makes the way to the other nodes.
func (n *Node) openRelay(key []byte) (err error) {
	if n.relay, err = ads.NewRelay(ads.RelayConfig{Secret: key, Clock: n.clock, Log: n.log}); err != nil {
		return err
	}
	n.neighbours = &neighbours{self: n.life.Node, fixed: n.cfg.Peers, nodes: n.campaigns, leases: n.ledger, relay: n.relay,
		clock: n.clock, silent: map[uint16]silence{}}
	return n.relay.SetPeers(n.cfg.Peers)
}

func (n *Node) openReports(context.Context) error {
	if n.cfg.ClickHouse.Off {
		return nil
	}
	locate := reporting.At(n.cfg.ClickHouse.URL)
	if n.cfg.ClickHouse.URL == "" {
		var err error
		if n.clickhouse, err = n.newEngine(filepath.Join(n.cfg.DataDir, "clickhouse")); err != nil {
			return err
		}
		locate = n.clickhouse.Endpoint
	}
	var err error
	if n.client, err = reporting.NewClient(reporting.ClientConfig{Locate: locate}); err != nil {
		return err
	}
	if n.journal, err = reporting.OpenJournal(filepath.Join(n.cfg.DataDir, "sink.journal")); err != nil {
		return err
	}
	if n.sink, err = reporting.NewSink(reporting.SinkConfig{
		Client: n.client, Source: diarysource.Of(n.history, n.diary.MoneyStream()), Intents: n.journal, Clock: n.clock, Log: n.log,
	}); err != nil {
		return err
	}
	n.reports, err = reporting.NewReports(reporting.ReportsConfig{Client: n.client, Through: n.sink.Through, Clock: n.clock})
	return err
}

func (n *Node) openDoors(ctx context.Context) error {
	for i, addr := range []string{n.cfg.Ads.Listen, n.cfg.Manage.Listen, n.cfg.Admin.Listen} {
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			return fmt.Errorf("take the address %s: %w", addr, err)
		}
		n.listeners[i] = ln
	}
	public := n.cfg.Ads.PublicURL
	if public == "" {
		public = "http://" + n.listeners[0].Addr().String()
	}
	var err error
	if n.ads, err = ads.New(ads.Config{
		Engine: decider{n.engine}, Confirm: n.tracker, Users: n.users, Keys: newKeyRing(ctx, n.campaigns, n.clock), PublicURL: public, Relay: n.relay,
		Advertisers: &census{ctx: context.WithoutCancel(ctx), store: n.campaigns},
		Currency:    money.Currency(n.cfg.Market.Currency), KeylessLoopback: !n.cfg.Ads.RequireKeys,
		Limits: ads.Limits{AdsInFlight: n.cfg.Ads.Concurrency, QueueTarget: time.Duration(n.cfg.Ads.MaxWait) * time.Microsecond}, Clock: n.clock, Log: n.log, Trouble: n.trouble,
	}); err != nil {
		return err
	}
	operator, err := secret("MAZAD_OPERATOR_KEY", filepath.Join(n.cfg.DataDir, "operator.key"), "the operator key")
	if err != nil {
		return err
	}
	n.operatorKey = hex.EncodeToString(operator)
	cfg := manage.Config{Campaigns: n.campaigns, Wallets: n.ledger, Clock: n.clock, Log: n.log, OperatorKeySHA256: sha256.Sum256([]byte(n.operatorKey))}
	if n.reports != nil {
		cfg.Reports = n.reports
	}
	n.manage, err = manage.New(cfg)
	return err
}

func (n *Node) tokenKey() ([]byte, error) {
	return secret(n.cfg.Secrets.TokenKeyEnv, n.cfg.tokenKeyFile(), "the token key")
}

func (c *Config) tokenKeyFile() string {
	if c.Secrets.TokenKeyFile != "" {
		return c.Secrets.TokenKeyFile
	}
	return filepath.Join(c.DataDir, "token.key")
}

// market reads the configured market.
func (n *Node) market() (*serving.Market, error) {
	m := &n.cfg.Market
	floor, err := money.ParseMicros(m.FloorCPM)
	if err != nil {
		return nil, fmt.Errorf("market.floor_cpm: %w", err)
	}
	weights, err := m.weights()
	if err != nil {
		return nil, fmt.Errorf("market.slot_weights: %w", err)
	}
	return &serving.Market{
		Currency: money.Currency(m.Currency), Rule: auctionRules[m.Auction], Floor: floor.CPM(),
		MaxPerAdvertiser: m.MaxPerAdvertiser, SlotWeights: weights,
	}, nil
}

func (n *Node) policy() (audience.Policy, error) {
	optOut, err := audience.CountriesOf(n.cfg.Privacy.OptOutCountries...)
	if err != nil {
		return audience.Policy{}, fmt.Errorf("privacy.opt_out_countries: %w", err)
	}
	return audience.Policy{AgeUnknownIsAdult: n.cfg.Privacy.AgeUnknownIsAdult, OptOut: optOut}, nil
}

// addresses of the three doors, as people can type them.
func (n *Node) addresses() (adsURL, manageURL, adminURL string) {
	at := func(i int) string { return "http://" + n.listeners[i].Addr().String() }
	return at(0), at(1), at(2)
}
