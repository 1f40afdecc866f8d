package embedded

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// order is what the parent writes to the child's standard input, one line.
type order struct {
	Lib     string `json:"lib"`
	DataDir string `json:"data_dir"`
	Addr    string `json:"addr"`
	Token   string `json:"token"`
	Limits  Limits `json:"limits"`
}

// ready is what the child writes to its standard output once it listens. The
// prefix sets it apart from what the engine may print.
type ready struct {
	Addr    string `json:"addr"`
	Version string `json:"version"`
	Problem string `json:"problem,omitempty"`
}

const readyPrefix = "mazad-clickhouse-ready "

// ServeChild is the whole of the child's mode: it reads one order from in, runs
// Serve, reports on out, and ends when ctx ends or when in does, which is when
// the parent is gone.
func ServeChild(ctx context.Context, in io.Reader, out io.Writer) error {
	r := bufio.NewReader(in)
	line, err := r.ReadBytes('\n')
	if err != nil {
		return errors.New("this mode is started by `mazad serve`, which sends its orders on standard input; " +
			"use --data-dir and --lib to run it by hand")
	}
	var o order
	if err := json.Unmarshal(line, &o); err != nil {
		return fmt.Errorf("read the order of the parent: %w", err)
	}
	giveWay()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, r)
		cancel()
	}()
	say := func(v ready) {
		b, _ := json.Marshal(v)
		_, _ = fmt.Fprintf(out, "%s%s\n", readyPrefix, b)
	}
	err = Serve(ctx, Config{Lib: o.Lib, DataDir: o.DataDir, Addr: o.Addr, Token: o.Token, Limits: o.Limits,
		Ready: func(addr, version string) { say(ready{Addr: addr, Version: version}) }})
	if err != nil {
		say(ready{Problem: err.Error()})
	}
	return err
}
