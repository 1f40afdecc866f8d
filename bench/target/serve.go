package target

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/pprof"
	"strconv"
	"syscall"

	"github.com/valyala/fasthttp"
)

// The kinds of server.
const (
	Bare  = "bare"
	Mazad = "mazad"
)

// Config is what a server is started with; it travels as flags.
type Config struct {
	Kind     string
	Seed     uint64
	AdGroups int    // mazad
	Users    int    // mazad
	CPMOnly  bool   // mazad: every ad group may compete at an exchange
	Answer   int    // bare: bytes of the constant body
	Profile  string // file for a CPU profile; empty: none
}

const maxAnswer = 1 << 20

// Args writes c as flags for Serve.
func (c *Config) Args() []string {
	return []string{
		"--kind", c.Kind, "--seed", strconv.FormatUint(c.Seed, 10), "--ad-groups", strconv.Itoa(c.AdGroups), "--users", strconv.Itoa(c.Users),
		"--cpm-only=" + strconv.FormatBool(c.CPMOnly), "--answer", strconv.Itoa(c.Answer), "--profile", c.Profile,
	}
}

func parse(args []string) (Config, error) {
	var c Config
	f := flag.NewFlagSet("bench-server", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&c.Kind, "kind", "", "bare or mazad")
	f.Uint64Var(&c.Seed, "seed", 1, "of the world")
	f.IntVar(&c.AdGroups, "ad-groups", 10_000, "of the world")
	f.IntVar(&c.Users, "users", 50_000, "with a profile")
	f.BoolVar(&c.CPMOnly, "cpm-only", false, "every ad group pays per impression")
	f.IntVar(&c.Answer, "answer", 0, "bytes of the bare answer")
	f.StringVar(&c.Profile, "profile", "", "file for a CPU profile")
	if err := f.Parse(args); err != nil {
		return c, err
	}
	switch {
	case c.Kind != Bare && c.Kind != Mazad:
		return c, fmt.Errorf("--kind %q: want %s or %s", c.Kind, Bare, Mazad)
	case c.Answer < 0 || c.Answer > maxAnswer:
		return c, fmt.Errorf("--answer %d is not from 0 to %d", c.Answer, maxAnswer)
	}
	return c, nil
}

// door is a server of either kind.
type door interface {
	Serve(net.Listener) error
	stats() string
	close() error
}

// Serve is the child process: it serves what args say until ctx ends or the
// commands do.
func Serve(ctx context.Context, args []string, commands io.Reader, answers io.Writer) (err error) {
	cfg, err := parse(args)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("take an address: %w", err)
	}
	defer ln.Close()
	var d door
	if cfg.Kind == Bare {
		d = newBare(cfg.Answer)
	} else if d, err = openHouse(ctx, cfg, "http://"+ln.Addr().String()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	if cfg.Profile != "" {
		file, err := os.Create(cfg.Profile)
		if err != nil {
			return fmt.Errorf("create the profile: %w", err)
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return fmt.Errorf("start the profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	broken := make(chan error, 2)
	go func() { broken <- d.Serve(ln) }()
	fmt.Fprintf(answers, "listening on %s\n", ln.Addr())
	go func() { broken <- obey(d, commands, answers) }()
	select {
	case <-ctx.Done():
		return nil
	case err := <-broken:
		return err
	}
}

// obey answers commands until they end.
func obey(d door, commands io.Reader, answers io.Writer) error {
	lines := bufio.NewScanner(commands)
	for lines.Scan() {
		var err error
		switch lines.Text() {
		case "usage":
			var u syscall.Rusage
			if err = syscall.Getrusage(syscall.RUSAGE_SELF, &u); err == nil {
				_, err = fmt.Fprintln(answers, syscall.TimevalToNsec(u.Utime)+syscall.TimevalToNsec(u.Stime))
			}
		case "stats":
			_, err = fmt.Fprintln(answers, d.stats())
		default:
			err = fmt.Errorf("command %q: want usage or stats", lines.Text())
		}
		if err != nil {
			return err
		}
	}
	return lines.Err()
}

// bare is fasthttp with nothing behind it, set up like the ads door.
type bare struct{ http fasthttp.Server }

func newBare(bytes int) *bare {
	answer := make([]byte, bytes)
	for i := range answer {
		answer[i] = 'x'
	}
	return &bare{fasthttp.Server{
		NoDefaultServerHeader: true, NoDefaultContentType: true, ReadBufferSize: 8 << 10, TCPKeepalive: true,
		WriteBufferSize: 64 << 10, // an answer is one write: the reference is as fast as fasthttp can be
		Handler: func(ctx *fasthttp.RequestCtx) {
			if bytes == 0 {
				ctx.SetStatusCode(fasthttp.StatusNoContent)
				return
			}
			ctx.SetContentType("application/json")
			ctx.SetBody(answer)
		},
	}}
}

func (b *bare) Serve(ln net.Listener) error { return b.http.Serve(ln) }

func (b *bare) stats() string { return "{}" }

func (b *bare) close() error { return nil } // with the listener and the process
