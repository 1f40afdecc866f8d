package reporting

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// ErrAway is wrapped by every error that means "ClickHouse cannot be reached
// now": nothing is lost, ask again later.
var ErrAway = errors.New("ClickHouse is away")

// ClientConfig says where ClickHouse is.
type ClientConfig struct {
	// Locate gives the URL, which may change (the embedded child gets another
	// port when it starts again); ok is false while there is none.
	// clickhouse://user:password@host:9000 is native TCP, http(s)://... HTTP.
	Locate   func() (url string, ok bool)
	Database string        // default "mazad"; made by Migrate
	Timeout  time.Duration // of one read; default 60 s
}

// At is a Locate for a server that stays where it is.
func At(url string) func() (string, bool) { return func() (string, bool) { return url, url != "" } }

// Client is a connection to ClickHouse that follows its address.
type Client struct {
	cfg ClientConfig

	mu   sync.Mutex // guards url and conn
	url  string
	conn driver.Conn
}

var databaseName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// NewClient checks the configuration. It does not connect.
func NewClient(cfg ClientConfig) (*Client, error) {
	if cfg.Locate == nil {
		return nil, errors.New("reporting: Locate is required")
	}
	if cfg.Database == "" {
		cfg.Database = "mazad"
	}
	if !databaseName.MatchString(cfg.Database) {
		return nil, fmt.Errorf("reporting: database %q: want lower-case letters, digits and _, at most 63", cfg.Database)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Minute
	}
	return &Client{cfg: cfg}, nil
}

// Close drops the connection.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return nil
	}
	err := c.conn.Close()
	c.conn, c.url = nil, ""
	return err
}

// Ping asks for an answer.
func (c *Client) Ping(ctx context.Context) error {
	conn, err := c.open()
	if err != nil {
		return err
	}
	return away(conn.Ping(ctx))
}

func (c *Client) open() (driver.Conn, error) {
	url, ok := c.cfg.Locate()
	if !ok {
		return nil, fmt.Errorf("%w: it is not running", ErrAway)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil && c.url == url {
		return c.conn, nil
	}
	opt, err := clickhouse.ParseDSN(url)
	if err != nil {
		return nil, errors.New("reporting: the ClickHouse URL is not valid; want clickhouse://user:password@host:9000 or http://...")
	}
	opt.DialTimeout, opt.ReadTimeout = 5*time.Second, c.cfg.Timeout
	conn, err := clickhouse.Open(opt)
	if err != nil {
		return nil, away(err)
	}
	if c.conn != nil {
		_ = c.conn.Close()
	}
	c.conn, c.url = conn, url
	return conn, nil
}

// away marks errors that are not ClickHouse's own answer.
func away(err error) error {
	var ex *clickhouse.Exception
	if err == nil || errors.As(err, &ex) || errors.Is(err, ErrAway) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrAway, err)
}

// sql fills in the database's name.
func (c *Client) sql(s string) string { return strings.ReplaceAll(s, "{db}", c.cfg.Database) }

// Exec runs a statement of an operator; {db} stands for the database.
func (c *Client) Exec(ctx context.Context, sql string) error { return c.exec(ctx, sql) }

func (c *Client) exec(ctx context.Context, sql string, args ...any) error {
	conn, err := c.open()
	if err != nil {
		return err
	}
	return away(conn.Exec(ctx, c.sql(sql), args...))
}

// each runs a query and calls scan for each row.
func (c *Client) each(ctx context.Context, sql string, scan func(driver.Rows) error, args ...any) error {
	conn, err := c.open()
	if err != nil {
		return err
	}
	rows, err := conn.Query(ctx, c.sql(sql), args...)
	if err != nil {
		return away(err)
	}
	for rows.Next() {
		if err := scan(rows); err != nil {
			_ = rows.Close()
			return err
		}
	}
	return away(errors.Join(rows.Err(), rows.Close()))
}
