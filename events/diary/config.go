package diary

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"mazad/events"
	"mazad/internal/clock"
)

// Config says where and how a diary is kept. Exactly one of Dir and URL is set;
// every other zero value means the default.
type Config struct {
	Dir string // embedded server: its directory, locked against a second process
	URL string // external NATS: nats://host:port[,...]

	// The names of the streams; default MONEY, DECISIONS and REPLAYS. A money
	// stream has one writer, so each node of a cluster names its own (MONEY_7).
	MoneyStream    string
	DecisionStream string
	ReplayStream   string
	Replicas       int // of all streams; default 1, external only

	MoneyBytes    int64         // disk budget of the money stream; default 8 GiB; when used up: ErrFull
	MoneyAge      time.Duration // money records leave after it, whoever has read them; default 0, never: the archive's worker removes them
	DecisionBytes int64         // disk budget of decisions; default 1 GiB; the oldest make room
	DecisionAge   time.Duration // default 24 h
	ReplayBytes   int64         // disk budget of replays; default 512 MiB; the oldest make room
	ReplayAge     time.Duration // default 24 h

	BatchBytes   int           // a batch is closed at this size; default 64 KiB
	BatchDelay   time.Duration // ... or when its first record is this old; default 2 ms; at once when nothing is under way
	InFlight     int           // batches sent and not yet acknowledged; default 4
	QueueBytes   int           // accepted and not yet on disk; default 16 MiB; beyond: ErrOverloaded
	QueueRecords int           // the same in records; default 65,536

	DecisionSlots int           // decisions waiting for their batch; default 8,192; beyond: dropped
	DecisionQueue int           // the same in bytes; default 16 MiB
	DecisionDelay time.Duration // how long decisions are collected; default 20 ms

	AckTimeout time.Duration // a batch without an answer for so long means trouble; default 5 s
	RetryDelay time.Duration // first pause between attempts to recover, doubling to 20 times as much; default 100 ms

	Keys   events.Keys          // seals personal blocks; nil = none are written
	OnLost func(*events.Record) // an accepted record that certainly is not and never will be on disk; must not call the diary
	Clock  clock.Clock          // times of batches; default the machine's
	Log    *slog.Logger         // default: nothing is logged

	restoring bool // set by Restore, which syncs once at the end
}

// withDefaults returns cfg with every zero replaced, or the first field that
// cannot be.
func (cfg Config) withDefaults() (Config, error) {
	if (cfg.Dir == "") == (cfg.URL == "") {
		return cfg, errors.New("diary: exactly one of dir and url must be set")
	}
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	def64 := func(p *int64, v int64) {
		if *p == 0 {
			*p = v
		}
	}
	defTime := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	if cfg.MoneyStream == "" {
		cfg.MoneyStream = Money
	}
	if cfg.DecisionStream == "" {
		cfg.DecisionStream = Decisions
	}
	if cfg.ReplayStream == "" {
		cfg.ReplayStream = Replays
	}
	def(&cfg.Replicas, 1)
	def64(&cfg.MoneyBytes, 8<<30)
	def64(&cfg.DecisionBytes, 1<<30)
	defTime(&cfg.DecisionAge, 24*time.Hour)
	def64(&cfg.ReplayBytes, 512<<20)
	defTime(&cfg.ReplayAge, 24*time.Hour)
	def(&cfg.BatchBytes, 64<<10)
	defTime(&cfg.BatchDelay, 2*time.Millisecond)
	def(&cfg.InFlight, 4)
	def(&cfg.QueueBytes, 16<<20)
	def(&cfg.QueueRecords, 1<<16)
	def(&cfg.DecisionSlots, 1<<13)
	def(&cfg.DecisionQueue, 16<<20)
	defTime(&cfg.DecisionDelay, 20*time.Millisecond)
	defTime(&cfg.AckTimeout, 5*time.Second)
	defTime(&cfg.RetryDelay, 100*time.Millisecond)
	if cfg.Clock == nil {
		cfg.Clock = clock.System{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return cfg, cfg.validate()
}

func (cfg *Config) validate() error {
	bad := func(field string, v any, want string) error {
		return fmt.Errorf("diary: %s is %v, want %s", field, v, want)
	}
	const room = events.MaxBatch - events.MaxRecord
	switch {
	case cfg.MoneyStream == cfg.DecisionStream:
		return bad("money_stream", cfg.MoneyStream, "another name than decision_stream")
	case cfg.ReplayStream == cfg.MoneyStream || cfg.ReplayStream == cfg.DecisionStream:
		return bad("replay_stream", cfg.ReplayStream, "another name than those of the other streams")
	case cfg.BatchBytes < events.BatchOverhead || cfg.BatchBytes > room:
		return bad("batch_bytes", cfg.BatchBytes, fmt.Sprintf("%d to %d", events.BatchOverhead, room))
	case cfg.MoneyBytes < 64<<10:
		return bad("money_bytes", cfg.MoneyBytes, "at least 65536")
	case cfg.DecisionBytes < 64<<10:
		return bad("decision_bytes", cfg.DecisionBytes, "at least 65536")
	case cfg.ReplayBytes < events.MaxBatch:
		return bad("replay_bytes", cfg.ReplayBytes, fmt.Sprintf("at least %d", events.MaxBatch))
	case cfg.InFlight < 1 || cfg.InFlight > 256:
		return bad("in_flight", cfg.InFlight, "1 to 256")
	case cfg.Replicas < 1 || cfg.Replicas > 5 || cfg.Replicas > 1 && cfg.Dir != "":
		return bad("replicas", cfg.Replicas, "1 to 5, and 1 when embedded")
	case cfg.QueueBytes < events.MaxRecord || cfg.QueueRecords < 1:
		return bad("queue_bytes, queue_records", []int{cfg.QueueBytes, cfg.QueueRecords}, fmt.Sprintf("at least %d and 1", events.MaxRecord))
	case cfg.DecisionSlots < 2 || cfg.DecisionSlots&(cfg.DecisionSlots-1) != 0:
		return bad("decision_slots", cfg.DecisionSlots, "a power of two, at least 2")
	case min(cfg.BatchDelay, cfg.AckTimeout, cfg.RetryDelay, cfg.DecisionDelay, cfg.MoneyAge, cfg.DecisionAge, cfg.ReplayAge) < 0:
		return bad("a duration", "negative", "0 or more")
	}
	return nil
}
