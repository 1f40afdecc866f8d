package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"mazad/api/ads"
	"mazad/campaign"
	"mazad/internal/money"
	"mazad/internal/sqldb"

	"go.yaml.in/yaml/v3"
)

// Config is one deployment: the YAML file given to serve, demo and check. Every
// key is documented in configs/mazad.yaml with its unit and default; a test
// keeps the two equal.
type Config struct {
	DataDir    string            `yaml:"data_dir"`
	Region     uint8             `yaml:"region"`
	Node       int               `yaml:"node"`
	Peers      map[uint16]string `yaml:"peers"`
	Ads        AdsConfig         `yaml:"ads"`
	Manage     ManageConfig      `yaml:"manage"`
	Admin      AdminConfig       `yaml:"admin"`
	Market     MarketConfig      `yaml:"market"`
	Privacy    PrivacyConfig     `yaml:"privacy"`
	Capacity   CapacityConfig    `yaml:"capacity"`
	Store      StoreConfig       `yaml:"store"`
	Diary      DiaryConfig       `yaml:"diary"`
	Replay     ReplayConfig      `yaml:"replay"`
	Archive    ArchiveConfig     `yaml:"archive"`
	ClickHouse ClickHouseConfig  `yaml:"clickhouse"`
	Secrets    SecretsConfig     `yaml:"secrets"`
	Log        LogConfig         `yaml:"log"`
}

// AdsConfig is the door for machines in a hurry.
type AdsConfig struct {
	Listen      string `yaml:"listen"`
	PublicURL   string `yaml:"public_url"`
	NodeURL     string `yaml:"node_url"`
	RequireKeys bool   `yaml:"require_keys"`
	Concurrency int    `yaml:"concurrency"`
	MaxWait     int    `yaml:"overload_wait_microseconds"`
}

// ManageConfig is the door for people and agencies.
type ManageConfig struct {
	Listen string `yaml:"listen"`
}

// AdminConfig is the operator's port: metrics, health, pprof.
type AdminConfig struct {
	Listen string `yaml:"listen"`
}

// MarketConfig is how slots are sold.
type MarketConfig struct {
	Currency         string   `yaml:"currency"`
	Auction          string   `yaml:"auction"`
	FloorCPM         string   `yaml:"floor_cpm"`
	MaxPerAdvertiser int      `yaml:"max_per_advertiser"`
	SlotWeights      []string `yaml:"slot_weights"`
	AutoApproveAds   bool     `yaml:"auto_approve_ads"`
}

// PrivacyConfig decides who may be targeted personally.
type PrivacyConfig struct {
	AgeUnknownIsAdult bool     `yaml:"age_unknown_is_adult"`
	OptOutCountries   []string `yaml:"opt_out_countries"`
}

// CapacityConfig fixes the memory of one ads node.
type CapacityConfig struct {
	AdGroups          int `yaml:"ad_groups"`
	OutstandingTokens int `yaml:"outstanding_tokens"`
	FrequencyEntries  int `yaml:"frequency_entries"`
}

// StoreConfig is where what people edit and the ledger are kept.
type StoreConfig struct {
	URL string `yaml:"url"`
}

// DiaryConfig is the durable log.
type DiaryConfig struct {
	URL            string `yaml:"url"`
	MaxMegabytes   int    `yaml:"max_megabytes"`
	DecisionsMB    int    `yaml:"decisions_megabytes"`
	DecisionsHours int    `yaml:"decisions_hours"`
}

// ReplayConfig is which auctions can be decided again, and for how long.
type ReplayConfig struct {
	Sample    string `yaml:"sample"`
	Megabytes int    `yaml:"megabytes"`
	Hours     int    `yaml:"hours"`
}

// share parses the sample.
func (r *ReplayConfig) share() (money.PPB, error) {
	n, err := money.ParseNanos(r.Sample)
	if err != nil || n < 0 || money.PPB(n) > money.One {
		return 0, fmt.Errorf("replay.sample: %q is not allowed: want a decimal from 0 to 1 with at most 9 decimals", r.Sample)
	}
	return money.PPB(n), nil
}

// ArchiveConfig is where money records are kept for long.
type ArchiveConfig struct {
	Dir           string `yaml:"dir"`
	RetentionDays int    `yaml:"retention_days"`
	StreamDays    int    `yaml:"stream_days"`
	SealMinutes   int    `yaml:"seal_minutes"`
	SealMegabytes int    `yaml:"seal_megabytes"`
}

func (a *ArchiveConfig) validate(between func(string, int, int, int)) {
	between("archive.retention_days", a.RetentionDays, 10, 3660)
	between("archive.stream_days", a.StreamDays, 8, 3660)
	between("archive.seal_minutes", a.SealMinutes, 1, 1440)
	between("archive.seal_megabytes", a.SealMegabytes, 1, 1024)
}

// ClickHouseConfig is where reports come from.
type ClickHouseConfig struct {
	URL     string `yaml:"url"`
	Library string `yaml:"library"`
	Off     bool   `yaml:"off"`
}

// SecretsConfig names where secrets are; the file never holds them.
type SecretsConfig struct {
	TokenKeyEnv  string `yaml:"token_key_env"`
	TokenKeyFile string `yaml:"token_key_file"`

	StorePasswordEnv  string `yaml:"store_password_env"`
	StorePasswordFile string `yaml:"store_password_file"`
}

// LogConfig is the operator's log.
type LogConfig struct {
	Level string `yaml:"level"`
}

// DefaultConfig is what an empty file means.
func DefaultConfig() Config {
	return Config{
		DataDir: "./var", Node: -1,
		Ads:    AdsConfig{Listen: "127.0.0.1:8080", RequireKeys: true, Concurrency: 4096, MaxWait: 1000},
		Manage: ManageConfig{Listen: "127.0.0.1:8081"},
		Admin:  AdminConfig{Listen: "127.0.0.1:8082"},
		Market: MarketConfig{Currency: "USD", Auction: "second_price", FloorCPM: "0.05", MaxPerAdvertiser: 1,
			SlotWeights: []string{"1", "0.8", "0.65", "0.55", "0.45", "0.4", "0.35", "0.3", "0.28", "0.25"}, AutoApproveAds: true},
		Capacity:   CapacityConfig{AdGroups: 100_000, OutstandingTokens: 1 << 20, FrequencyEntries: 1 << 20},
		Diary:      DiaryConfig{MaxMegabytes: 16384, DecisionsMB: 1024, DecisionsHours: 24},
		Replay:     ReplayConfig{Sample: "0.01", Megabytes: 512, Hours: 24},
		Archive:    ArchiveConfig{RetentionDays: 400, StreamDays: 8, SealMinutes: 60, SealMegabytes: 64},
		ClickHouse: ClickHouseConfig{},
		Secrets:    SecretsConfig{TokenKeyEnv: "MAZAD_TOKEN_KEY", StorePasswordEnv: "MAZAD_STORE_PASSWORD"},
		Log:        LogConfig{Level: "info"},
	}
}

const maxConfigBytes = 1 << 20

// LoadConfig reads and validates a file. An empty path gives the defaults.
func LoadConfig(path string) (Config, error) {
	cfg := DefaultConfig()
	if path == "" {
		return cfg, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return cfg, fmt.Errorf("read the configuration: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err != nil {
		return cfg, fmt.Errorf("read the configuration: %w", err)
	}
	if len(raw) > maxConfigBytes {
		return cfg, fmt.Errorf("%s: larger than the limit of %d bytes", path, maxConfigBytes)
	}
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	dec.KnownFields(true)
	if err := dec.Decode(&cfg); err != nil && !errors.Is(err, io.EOF) {
		return cfg, fmt.Errorf("%s: %s", path, plainYAML(err, raw))
	}
	if err := dec.Decode(new(any)); !errors.Is(err, io.EOF) {
		return cfg, fmt.Errorf("%s: holds more than one YAML document: only the first would be read", path)
	}
	if err := cfg.Validate(); err != nil {
		return cfg, fmt.Errorf("%s: %w", path, err)
	}
	return cfg, nil
}

// plainYAML drops the Go type names that the YAML package prints, and names the
// key of a value that has the wrong type.
func plainYAML(err error, raw []byte) string {
	s := strings.TrimPrefix(err.Error(), "yaml: ")
	s = strings.ReplaceAll(s, "unmarshal errors:\n  ", "")
	s = unknownKey.ReplaceAllString(s, "unknown key $1")
	lines := strings.Split(string(raw), "\n")
	return wrongType.ReplaceAllStringFunc(s, func(m string) string {
		part := wrongType.FindStringSubmatch(m)
		n, _ := strconv.Atoi(part[1])
		key := ""
		if n >= 1 && n <= len(lines) {
			if name, _, ok := strings.Cut(lines[n-1], ":"); ok {
				key = strings.Trim(name, " -{\"'") + ": "
			}
		}
		want, ok := yamlKinds[part[3]]
		if !ok {
			want = "keys and values as in configs/mazad.yaml"
		}
		return fmt.Sprintf("line %s: %s%s is not allowed: want %s", part[1], key, part[2], want)
	})
}

var (
	unknownKey = regexp.MustCompile(`field (.+) not found in type \S+`)
	wrongType  = regexp.MustCompile("line (\\d+): cannot unmarshal \\S+(?: (`.*`))? into (\\S+)")
	yamlKinds  = map[string]string{"int": "a whole number", "uint8": "a whole number from 0 to 255", "bool": "true or false", "string": "a text", "[]string": "a list of texts", "uint16": "a node number from 0 to 1023"}
)

// Validate reports every field that cannot work, with its value and the limit.
func (c *Config) Validate() error {
	var bad []error
	fail := func(field string, value any, want string) {
		bad = append(bad, fmt.Errorf("%s: %v is not allowed: %s", field, value, want))
	}
	between := func(field string, v, lo, hi int) {
		if v < lo || v > hi {
			fail(field, v, fmt.Sprintf("want %d to %d", lo, hi))
		}
	}
	if c.DataDir == "" {
		fail("data_dir", `""`, "want a folder")
	}
	for field, addr := range map[string]string{"ads.listen": c.Ads.Listen, "manage.listen": c.Manage.Listen, "admin.listen": c.Admin.Listen} {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			fail(field, fmt.Sprintf("%q", addr), "want host:port")
		} else if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			fail(field, fmt.Sprintf("%q", addr), "want a port from 0 to 65535")
		}
	}
	if err := ads.CheckPublicURL(c.Ads.PublicURL); c.Ads.PublicURL != "" && err != nil {
		fail("ads.public_url", fmt.Sprintf("%q", c.Ads.PublicURL), err.Error())
	}
	between("node", c.Node, -1, campaign.MaxNodes-1)
	if err := ads.CheckPeer(c.Ads.NodeURL); c.Ads.NodeURL != "" && err != nil {
		fail("ads.node_url", fmt.Sprintf("%q", c.Ads.NodeURL), err.Error())
	}
	for node, address := range c.Peers {
		field := fmt.Sprintf("peers.%d", node)
		if between(field, int(node), 0, campaign.MaxNodes-1); int(node) == c.Node {
			fail(field, node, "want another node than this one")
		}
		if err := ads.CheckPeer(address); err != nil {
			fail(field, fmt.Sprintf("%q", address), err.Error())
		}
	}
	between("ads.concurrency", c.Ads.Concurrency, 1, 1<<20)
	between("ads.overload_wait_microseconds", c.Ads.MaxWait, 100, 10_000_000)
	c.Market.validate(fail, between)
	for i, cc := range c.Privacy.OptOutCountries {
		if len(cc) != 2 || strings.ToUpper(cc) != cc {
			fail(fmt.Sprintf("privacy.opt_out_countries[%d]", i), fmt.Sprintf("%q", cc), "want two capital letters (ISO 3166-1)")
		}
	}
	between("capacity.ad_groups", c.Capacity.AdGroups, 1, 2_000_000)
	between("capacity.outstanding_tokens", c.Capacity.OutstandingTokens, 1024, 1<<27)
	between("capacity.frequency_entries", c.Capacity.FrequencyEntries, 1024, 1<<27)
	if err := sqldb.CheckURL(c.Store.URL); c.Store.URL != "" && err != nil {
		fail("store.url", sqldb.Plain(c.Store.URL), err.Error())
	}
	between("diary.max_megabytes", c.Diary.MaxMegabytes, 16, 1<<24)
	c.Archive.validate(between)
	between("diary.decisions_megabytes", c.Diary.DecisionsMB, 16, 1<<20)
	between("diary.decisions_hours", c.Diary.DecisionsHours, 1, 24*30)
	if _, err := c.Replay.share(); err != nil {
		bad = append(bad, err)
	}
	between("replay.megabytes", c.Replay.Megabytes, 1, 1<<20)
	between("replay.hours", c.Replay.Hours, 1, 24*30)
	if c.Secrets.TokenKeyEnv == "" && c.Secrets.TokenKeyFile == "" {
		fail("secrets.token_key_env", `""`, "name an environment variable here or a file in secrets.token_key_file")
	}
	if _, ok := logLevels[c.Log.Level]; !ok {
		fail("log.level", fmt.Sprintf("%q", c.Log.Level), "want debug, info, warn or error")
	}
	sort.Slice(bad, func(i, j int) bool { return bad[i].Error() < bad[j].Error() })
	return errors.Join(bad...)
}

func (m *MarketConfig) validate(fail func(string, any, string), between func(string, int, int, int)) {
	if _, err := money.ParseCurrency(m.Currency); err != nil {
		fail("market.currency", fmt.Sprintf("%q", m.Currency), "want a supported ISO 4217 code")
	}
	if _, ok := auctionRules[m.Auction]; !ok {
		fail("market.auction", fmt.Sprintf("%q", m.Auction), "want first_price, second_price or vcg")
	}
	if floor, err := money.ParseMicros(m.FloorCPM); err != nil || floor < 0 || floor > 1_000_000_000 {
		fail("market.floor_cpm", fmt.Sprintf("%q", m.FloorCPM), "want a decimal from 0 to 1000 with at most 6 decimals")
	}
	between("market.max_per_advertiser", m.MaxPerAdvertiser, 1, 10)
	if _, err := m.weights(); err != nil {
		fail("market.slot_weights", m.SlotWeights, err.Error())
	}
}

// weights parses the slot weights: ten at most, the first 1, never rising.
func (m *MarketConfig) weights() ([]money.PPB, error) {
	if len(m.SlotWeights) == 0 || len(m.SlotWeights) > 10 {
		return nil, errors.New("want 1 to 10 numbers")
	}
	out := make([]money.PPB, 0, len(m.SlotWeights))
	for i, s := range m.SlotWeights {
		n, err := money.ParseNanos(s)
		if err != nil || n <= 0 || money.PPB(n) > money.One || i == 0 && money.PPB(n) != money.One || i > 0 && money.PPB(n) > out[i-1] {
			return nil, fmt.Errorf("element %d: want numbers in (0, 1] that start at 1 and never rise", i)
		}
		out = append(out, money.PPB(n))
	}
	return out, nil
}
