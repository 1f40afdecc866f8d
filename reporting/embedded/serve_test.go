package embedded_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mazad/reporting/embedded"
	"mazad/reporting/embedded/embeddedtest"

	"github.com/ClickHouse/clickhouse-go/v2"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

func open(t *testing.T, raw string, method clickhouse.CompressionMethod) clickhouse.Conn {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	key, _ := u.User.Password()
	c, err := clickhouse.Open(&clickhouse.Options{Protocol: clickhouse.HTTP, Addr: []string{u.Host},
		Auth:        clickhouse.Auth{Username: u.User.Username(), Password: key, Database: "default"},
		Compression: &clickhouse.Compression{Method: method}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestClientTalksToTheEngine(t *testing.T) {
	s, _ := embeddedtest.Start(t, t.TempDir())
	addr, _ := s.Endpoint()
	ctx := context.Background()
	for _, method := range []clickhouse.CompressionMethod{clickhouse.CompressionNone, clickhouse.CompressionLZ4,
		clickhouse.CompressionZSTD, clickhouse.CompressionGZIP} {
		t.Run(method.String(), func(t *testing.T) {
			c := open(t, addr, method)
			if err := c.Ping(ctx); err != nil {
				t.Fatal(err)
			}
			table := "t_" + strings.ReplaceAll(method.String(), " ", "")
			err := c.Exec(ctx, "CREATE TABLE "+table+` (n UInt64, s LowCardinality(String), at DateTime64(3, 'UTC'), d Decimal(38, 9), b String)
				ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 100, fsync_after_insert = 1, fsync_part_directory = 1`)
			if err != nil {
				t.Fatal(err)
			}
			at := time.Date(2026, 11, 1, 2, 3, 4, 5e6, time.UTC)
			insert := func(token string) {
				ictx := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"insert_deduplication_token": token, "async_insert": 0}))
				b, err := c.PrepareBatch(ictx, "INSERT INTO "+table+" (n, s, at, b)")
				if err != nil {
					t.Fatal(err)
				}
				for i := range 10_000 {
					// A blank line in the data cuts it where data is sent inline.
					if err := b.Append(uint64(i), "word"+strconv.Itoa(i%7), at, "a\n\n\x00'b\\"); err != nil {
						t.Fatal(err)
					}
				}
				if err := b.Send(); err != nil {
					t.Fatal(err)
				}
			}
			insert("it's \\ one")
			insert("it's \\ one")
			insert("two")
			var n uint64
			var sum string
			if err := c.QueryRow(ctx, "SELECT count(), toString(sum(n)) FROM "+table).Scan(&n, &sum); err != nil {
				t.Fatal(err)
			}
			if n != 20_000 || sum != "99990000" {
				t.Fatalf("%d rows, sum %s: a repeated token was not dropped or data is cut", n, sum)
			}
			var word, b string
			var got time.Time
			row := c.QueryRow(clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{"n": "5"})),
				"SELECT s, at, b FROM "+table+" WHERE n = {n:UInt64} LIMIT 1")
			if err := row.Scan(&word, &got, &b); err != nil {
				t.Fatal(err)
			}
			if word != "word5" || !got.Equal(at) || b != "a\n\n\x00'b\\" {
				t.Fatalf("read %q %s %q", word, got, b)
			}
			rows, err := c.Query(ctx, "SELECT number, toString(number) FROM numbers(200000)")
			if err != nil {
				t.Fatal(err)
			}
			read := 0
			for rows.Next() {
				read++
			}
			if err := errors.Join(rows.Err(), rows.Close()); err != nil || read != 200_000 {
				t.Fatalf("%d rows, %v", read, err)
			}
		})
	}
}

func TestErrorsCarryTheCode(t *testing.T) {
	s, _ := embeddedtest.Start(t, t.TempDir())
	addr, _ := s.Endpoint()
	c := open(t, addr, clickhouse.CompressionNone)
	f := func(sql string, settings clickhouse.Settings, code int32) {
		t.Helper()
		ctx := clickhouse.Context(context.Background(), clickhouse.WithSettings(settings))
		rows, err := c.Query(ctx, sql)
		if err == nil {
			for rows.Next() {
			}
			err = rows.Err()
		}
		var ex *clickhouse.Exception
		if !errors.As(err, &ex) || ex.Code != code {
			t.Errorf("%s: got %v, want code %d", sql, err, code)
		}
	}
	f("SELECT * FROM nothing", nil, 60)
	f("SELEC 1", nil, 62)
	f("SELECT 1", clickhouse.Settings{"input_format_allow_everything": "1"}, 115)
	f("SELECT 1", clickhouse.Settings{"max_threads": "2; DROP TABLE x"}, 36)
	f("SELECT 1", clickhouse.Settings{"async_insert": "maybe"}, 36)
	f("SELECT sleepEachRow(1), number FROM numbers(10)", clickhouse.Settings{"max_execution_time": 1, "max_block_size": 1}, 159)
	f("SELECT throwIf(number = 2000000) FROM numbers(3000000)", nil, 395)

	u, _ := url.Parse(addr)
	g := func(what string, want int, change func(*http.Request)) {
		t.Helper()
		req, _ := http.NewRequest(http.MethodPost, "http://"+u.Host+"/", strings.NewReader("SELECT 1"))
		key, _ := u.User.Password()
		req.Header.Set("X-ClickHouse-Key", key)
		change(req)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %d %s, want %d", what, res.StatusCode, body, want)
		}
	}
	g("as it should be", 200, func(*http.Request) {})
	g("no token", 401, func(r *http.Request) { r.Header.Del("X-ClickHouse-Key") })
	g("wrong token", 401, func(r *http.Request) { r.Header.Set("X-ClickHouse-Key", "x") })
	g("GET", 405, func(r *http.Request) { r.Method = http.MethodGet })
	g("long statement", 413, func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("x", 2<<20))), -1
	})
	g("external table", 501, func(r *http.Request) { r.Header.Set("Content-Type", "multipart/form-data; boundary=x") })
	g("damaged body", 500, func(r *http.Request) {
		r.URL.RawQuery = "query=" + url.QueryEscape("INSERT INTO t FORMAT Native") + "&decompress=1"
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("y", 100))), -1
	})
}

func TestReadsBesideWrites(t *testing.T) {
	s, _ := embeddedtest.Start(t, t.TempDir())
	addr, _ := s.Endpoint()
	c := open(t, addr, clickhouse.CompressionNone)
	ctx := context.Background()
	if err := c.Exec(ctx, "CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n"); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range 20 {
				if err := c.Exec(ctx, "INSERT INTO t SELECT number FROM numbers(100)"); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 20 {
				var n uint64
				if err := c.QueryRow(ctx, "SELECT count() FROM t").Scan(&n); err != nil || n%100 != 0 {
					t.Errorf("%d %v", n, err)
				}
			}
		})
	}
	wg.Wait()
	var n uint64
	if err := c.QueryRow(ctx, "SELECT count() FROM t").Scan(&n); err != nil || n != 6000 {
		t.Fatalf("%d %v", n, err)
	}
}

func TestOneProcessPerDirectory(t *testing.T) {
	dir := t.TempDir()
	s, _ := embeddedtest.Start(t, dir)
	first, _ := s.Status()
	second, err := embedded.NewSupervisor(embeddedtest.Config(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan struct{})
	go func() { defer close(done); _ = second.Run(ctx) }()
	for {
		st, changed := second.Status()
		if st.State == embedded.StateFailed {
			if !strings.Contains(st.Detail, dir) || !strings.Contains(st.Detail, "in use by process "+strconv.Itoa(first.PID)) {
				t.Fatalf("the message does not say who has what: %s", st.Detail)
			}
			break
		}
		<-changed
	}
	cancel()
	<-done
}

func TestKilledChildIsStartedAgainWithItsData(t *testing.T) {
	s, _ := embeddedtest.Start(t, t.TempDir())
	addr, _ := s.Endpoint()
	c := open(t, addr, clickhouse.CompressionNone)
	ctx := clickhouse.Context(context.Background(), clickhouse.WithSettings(clickhouse.Settings{"async_insert": 0}))
	for _, sql := range []string{"CREATE DATABASE mazad", "CREATE TABLE mazad.t (n UInt64) ENGINE = MergeTree ORDER BY n SETTINGS fsync_after_insert = 1",
		"INSERT INTO mazad.t SELECT number FROM numbers(1000)"} {
		if err := c.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	before, changed := s.Status()
	if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-changed
	if err := s.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	after, _ := s.Status()
	if after.PID == before.PID || after.Restarts != 1 {
		t.Fatalf("before %+v, after %+v", before, after)
	}
	var n uint64
	if err := open(t, after.URL, clickhouse.CompressionNone).QueryRow(ctx, "SELECT count() FROM mazad.t").Scan(&n); err != nil || n != 1000 {
		t.Fatalf("%d rows, %v", n, err)
	}
}

func TestSettingsDoNotOutliveTheirStatement(t *testing.T) {
	s, _ := embeddedtest.Start(t, t.TempDir())
	addr, _ := s.Endpoint()
	c := open(t, addr, clickhouse.CompressionNone)
	get := func(settings clickhouse.Settings) (seconds, bytes, threads string) {
		t.Helper()
		ctx := clickhouse.Context(context.Background(), clickhouse.WithSettings(settings))
		err := c.QueryRow(ctx, "SELECT toString(getSetting('max_execution_time')), toString(getSetting('max_memory_usage')), toString(getSetting('max_threads'))").Scan(&seconds, &bytes, &threads)
		if err != nil {
			t.Fatal(err)
		}
		return seconds, bytes, threads
	}
	s0, b0, t0 := get(nil)
	if s0 != "120" || b0 != strconv.Itoa(2<<30) {
		t.Errorf("the ceilings are %s s and %s bytes", s0, b0)
	}
	for range 8 { // every connection of the pool
		if sec, mem, thr := get(clickhouse.Settings{"max_execution_time": 7, "max_memory_usage": 1 << 29, "max_threads": 1}); sec != "7" || mem != strconv.Itoa(1<<29) || thr != "1" {
			t.Errorf("lower: %s %s %s", sec, mem, thr)
		}
	}
	for range 8 {
		if sec, mem, _ := get(clickhouse.Settings{"max_execution_time": 0, "max_memory_usage": 1 << 40}); sec != s0 || mem != b0 {
			t.Errorf("above the ceiling: %s %s", sec, mem)
		}
		if sec, mem, thr := get(nil); sec != s0 || mem != b0 || thr != t0 {
			t.Errorf("settings of an earlier statement remain: %s %s %s", sec, mem, thr)
		}
	}
}

// What lies in the working directory, or whether there still is one, is nothing
// to the engine.
func TestTheWorkingDirectoryDoesNotCount(t *testing.T) {
	for name, spoil := range map[string]func(cwd string) error{
		"gone": os.Remove,
		"with a foreign config": func(cwd string) error {
			return os.WriteFile(filepath.Join(cwd, "config.xml"), []byte("<broken"), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			data, cwd := t.TempDir(), filepath.Join(t.TempDir(), "cwd")
			if err := os.Mkdir(cwd, 0o700); err != nil {
				t.Fatal(err)
			}
			t.Chdir(cwd)
			s, err := embedded.NewSupervisor(embeddedtest.Config(t, data))
			if err != nil {
				t.Fatal(err)
			}
			if err := spoil(cwd); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			done := make(chan error, 1)
			go func() { done <- s.Run(ctx) }()
			if err := s.WaitReady(ctx); err != nil {
				t.Error(err)
			}
			cancel()
			<-done
		})
	}
}
