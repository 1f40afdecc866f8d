package embedded

import (
	"context"
	"sync/atomic"
)

// pool lends connections of the engine. The first is opened at once, the others
// when they are needed: each costs memory.
type pool struct {
	lib     *library
	dir     string
	lim     Limits
	slots   chan *conn // nil = a place whose connection is not open yet
	waiting atomic.Int64
}

func newPool(lib *library, dir string, lim Limits) (*pool, error) {
	p := &pool{lib: lib, dir: dir, lim: lim, slots: make(chan *conn, lim.Connections)}
	c, err := p.dial()
	if err != nil {
		return nil, err
	}
	p.slots <- c
	for i := 1; i < lim.Connections; i++ {
		p.slots <- nil
	}
	return p, nil
}

func (p *pool) dial() (*conn, error) {
	c, err := p.lib.dial(p.dir)
	if err != nil {
		return nil, err
	}
	if _, err = c.exec(setStatement(ceilings(p.lim)), "Null", params{}); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// borrow waits for a connection and prepares it for the statement.
func (p *pool) borrow(ctx context.Context, st *statement) (*conn, *exception) {
	if n := p.waiting.Add(1); n > int64(p.lim.Waiting+p.lim.Connections) {
		p.waiting.Add(-1)
		return nil, refuse(codeTooManyQueries, "%d statements are waiting, the limit is %d", n-1, p.lim.Waiting)
	}
	ctx, cancel := context.WithTimeout(ctx, p.lim.WaitTime)
	defer cancel()
	var c *conn
	select {
	case c = <-p.slots:
	case <-ctx.Done():
		p.waiting.Add(-1)
		return nil, refuse(codeTooManyQueries, "no connection was free for %s", p.lim.WaitTime)
	}
	if c == nil {
		var err error
		if c, err = p.dial(); err != nil {
			p.slots <- nil
			p.waiting.Add(-1)
			return nil, asException(err)
		}
	}
	if err := p.prepare(c, st); err != nil {
		p.giveBack(c, st)
		return nil, asException(err)
	}
	return c, nil
}

func (p *pool) prepare(c *conn, st *statement) error {
	if st.database != "" && st.database != c.database {
		if _, err := c.exec("USE "+identifier(st.database), "Null", params{}); err != nil {
			return err
		}
		c.database = st.database
	}
	if len(st.settings) == 0 {
		return nil
	}
	_, err := c.exec(setStatement(under(st.settings, ceilings(p.lim))), "Null", params{})
	return err
}

// giveBack takes the statement's settings back; a connection where that fails is closed.
func (p *pool) giveBack(c *conn, st *statement) {
	if len(st.settings) > 0 {
		if _, err := c.exec(setStatement(takenBack(st.settings, ceilings(p.lim))), "Null", params{}); err != nil {
			c.broken = true
		}
	}
	if c.broken {
		c.close()
		c = nil
	}
	p.slots <- c
	p.waiting.Add(-1)
}

// close waits for every connection and closes it.
func (p *pool) close() {
	for i := 0; i < p.lim.Connections; i++ {
		if c := <-p.slots; c != nil {
			c.close()
		}
	}
}
