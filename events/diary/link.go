package diary

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// link is one connection to a JetStream server, and the server itself when it is
// embedded. A link is immutable; recovery replaces it.
type link struct {
	server *server.Server // nil when external
	conn   *nats.Conn
	js     jetstream.JetStream
}

const (
	// startTimeout bounds the start of the embedded server, which reads the
	// index of every stream.
	startTimeout = 30 * time.Second
	// maxPayload is what a NATS server accepts by default; MaxBatch is below it.
	maxPayload = 1 << 20
	// storeSlack is disk for what JetStream keeps besides the streams.
	storeSlack = 64 << 20
)

// dial starts the embedded server, or not, and connects.
func dial(cfg *Config, trouble func()) (*link, error) {
	l := &link{}
	opts := []nats.Option{nats.Name("mazad diary"), nats.MaxReconnects(-1), nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectBufSize(-1), nats.NoEcho(), nats.ClosedHandler(func(*nats.Conn) { trouble() })}
	url := cfg.URL
	if cfg.Dir != "" {
		s, err := startServer(cfg, trouble)
		if err != nil {
			return nil, err
		}
		l.server = s
		opts = append(opts, nats.InProcessServer(s), nats.NoReconnect())
	}
	var err error
	if l.conn, err = nats.Connect(url, opts...); err != nil {
		l.close()
		return nil, fmt.Errorf("connect to the diary's server: %w", err)
	}
	l.js, err = jetstream.New(l.conn, jetstream.WithPublishAsyncTimeout(cfg.AckTimeout), jetstream.WithPublishAsyncMaxPending(4096))
	if err != nil {
		l.close()
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	return l, nil
}

func startServer(cfg *Config, trouble func()) (*server.Server, error) {
	if err := preflight(cfg); err != nil {
		return nil, err
	}
	s, err := server.NewServer(&server.Options{
		ServerName: "mazad", DontListen: true, NoSigs: true, JetStream: true, StoreDir: filepath.Clean(cfg.Dir),
		SyncAlways: !cfg.restoring, DisableJetStreamBanner: true, MaxPayload: maxPayload,
		JetStreamMaxMemory: 64 << 20, JetStreamMaxStore: cfg.MoneyBytes + cfg.DecisionBytes + cfg.ReplayBytes + storeSlack,
	})
	if err != nil {
		return nil, fmt.Errorf("diary in %s: %w", cfg.Dir, err)
	}
	s.SetLoggerV2(&serverLog{log: cfg.Log, trouble: trouble}, false, false, false)
	s.Start()
	if !s.ReadyForConnections(startTimeout) {
		s.Shutdown()
		return nil, fmt.Errorf("diary in %s: the embedded server was not ready after %s", cfg.Dir, startTimeout)
	}
	if !s.JetStreamEnabled() {
		s.Shutdown()
		return nil, fmt.Errorf("diary in %s: JetStream did not start; the log says why", cfg.Dir)
	}
	return s, nil
}

func (l *link) close() {
	if l.conn != nil {
		l.conn.Close()
	}
	if l.server != nil {
		l.server.Shutdown()
		l.server.WaitForShutdown()
	}
}

// alive is false when only a new link can help.
func (l *link) alive() bool {
	if l.server != nil && (!l.server.Running() || !l.server.JetStreamEnabled()) {
		return false
	}
	return !l.conn.IsClosed()
}

// prepare creates the streams or brings them to the configuration.
func (l *link) prepare(ctx context.Context, cfg *Config) error {
	money := jetstream.StreamConfig{
		Name: cfg.MoneyStream, Subjects: []string{subject(cfg.MoneyStream)}, Storage: jetstream.FileStorage, Replicas: cfg.Replicas,
		Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew, MaxBytes: cfg.MoneyBytes, MaxAge: cfg.MoneyAge,
		MaxMsgSize: maxPayload, DenyDelete: true, AllowDirect: true,
	}
	decisions := jetstream.StreamConfig{
		Name: cfg.DecisionStream, Subjects: []string{subject(cfg.DecisionStream)}, Storage: jetstream.FileStorage, Replicas: cfg.Replicas,
		Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardOld, MaxBytes: cfg.DecisionBytes, MaxAge: cfg.DecisionAge,
		MaxMsgSize: maxPayload, AllowDirect: true,
	}
	if cfg.Replicas == 1 {
		decisions.PersistMode = jetstream.AsyncPersistMode // overrides SyncAlways for this stream alone
	}
	replays := decisions
	replays.Name, replays.Subjects = cfg.ReplayStream, []string{subject(cfg.ReplayStream)}
	replays.MaxBytes, replays.MaxAge = cfg.ReplayBytes, cfg.ReplayAge
	for _, sc := range []jetstream.StreamConfig{money, decisions, replays} {
		if _, err := l.js.CreateOrUpdateStream(ctx, sc); err != nil {
			return fmt.Errorf("stream %s: %w", sc.Name, err)
		}
	}
	return nil
}

// subject is where the batches of a stream are published.
func subject(stream string) string { return "mazad.diary." + stream }

// serverLog passes the embedded server's log on. It says little that an operator
// needs when all is well, so notices are debug lines.
type serverLog struct {
	log     *slog.Logger
	trouble func() // the server reported an error; it does not answer a publish that failed on the disk
}

func (s *serverLog) line(level slog.Level, format string, v []any) {
	if s.log.Enabled(context.Background(), level) {
		s.log.Log(context.Background(), level, fmt.Sprintf(format, v...), "part", "nats")
	}
}

func (s *serverLog) Noticef(format string, v ...any) { s.line(slog.LevelDebug, format, v) }
func (s *serverLog) Warnf(format string, v ...any)   { s.line(slog.LevelWarn, format, v) }
func (s *serverLog) Fatalf(format string, v ...any)  { s.Errorf(format, v...) }
func (s *serverLog) Debugf(string, ...any)           {}
func (s *serverLog) Tracef(string, ...any)           {}
func (s *serverLog) Errorf(format string, v ...any) {
	s.line(slog.LevelError, format, v)
	s.trouble()
}

// lockDir keeps a second process out of the directory.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("diary: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("diary: %w", err)
	}
	if err := flock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("diary in %s is in use by another process: %w", dir, errors.Join(ErrLocked, err))
	}
	return f, nil
}
