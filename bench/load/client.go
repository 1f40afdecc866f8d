package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"mazad/api/ads/arrival"
)

// maxAnswer bounds an answer with its header.
const maxAnswer = 1 << 20

// Client is one keep-alive connection that sends requests prepared as bytes, so that
// the generator costs little beside the server it measures.
type Client struct {
	address string
	timeout time.Duration
	conn    net.Conn
	buf     []byte
	closing bool // the server said Connection: close

	// Waited is how long the last answer had been here before it was read: the
	// generator's own delay, where the machine tells.
	Waited time.Duration
}

// Dial connects to host:port. Every Do must end within the timeout.
func Dial(address string, timeout time.Duration) (*Client, error) {
	c := &Client{address: address, timeout: timeout, buf: make([]byte, 8<<10)}
	return c, c.redial()
}

func (c *Client) redial() error {
	c.Close()
	conn, err := net.DialTimeout("tcp", c.address, c.timeout)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", c.address, err)
	}
	c.conn, c.closing = arrival.Conn(conn), false
	return nil
}

// Close ends the connection; a later Do opens a new one.
func (c *Client) Close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// Do sends one prepared request and reads its answer. The body is valid until
// the next call. After an error the next call connects again.
func (c *Client) Do(request []byte) (status int, body []byte, err error) {
	if c.conn == nil || c.closing {
		if err := c.redial(); err != nil {
			return 0, nil, err
		}
	}
	status, body, err = c.roundTrip(request)
	if err != nil {
		c.Close()
	}
	return status, body, err
}

func (c *Client) roundTrip(request []byte) (int, []byte, error) {
	if err := c.conn.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, nil, fmt.Errorf("set a deadline: %w", err)
	}
	if _, err := c.conn.Write(request); err != nil {
		return 0, nil, fmt.Errorf("send: %w", err)
	}
	have, head := 0, -1
	for head < 0 {
		n, err := c.more(have)
		if err != nil {
			return 0, nil, err
		}
		head = bytes.Index(c.buf[max(0, have-3):have+n], []byte("\r\n\r\n"))
		if head >= 0 {
			head += max(0, have-3) + 4
		}
		have += n
	}
	a, err := parseHead(c.buf[:head])
	if err != nil {
		return 0, nil, err
	}
	c.closing = a.closing
	for have < head+a.length {
		n, err := c.more(have)
		if err != nil {
			return 0, nil, err
		}
		have += n
	}
	if have > head+a.length {
		return 0, nil, errors.New("the answer is longer than its Content-Length")
	}
	return a.status, c.buf[head:have], nil
}

// more reads behind what the buffer already has.
func (c *Client) more(have int) (int, error) {
	if have == len(c.buf) {
		if have >= maxAnswer {
			return 0, fmt.Errorf("the answer passes %d bytes", maxAnswer)
		}
		c.buf = append(c.buf, make([]byte, len(c.buf))...)
	}
	n, err := c.conn.Read(c.buf[have:])
	c.Waited, _ = arrival.WaitOf(c.conn)
	if n > 0 {
		return n, nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return 0, fmt.Errorf("read the answer: %w", err)
}

// answer is what the head of an answer says.
type answer struct {
	status, length int
	closing        bool
}

func parseHead(head []byte) (a answer, err error) {
	if len(head) < 13 || !bytes.HasPrefix(head, []byte("HTTP/1.")) {
		return a, fmt.Errorf("not an HTTP/1 answer: %q", head[:min(len(head), 40)])
	}
	a.status, err = strconv.Atoi(string(head[9:12]))
	if err != nil || a.status < 100 || a.status > 599 {
		return a, fmt.Errorf("status %q is not a number from 100 to 599", head[9:12])
	}
	a.length = -1
	for rest := head; len(rest) > 0; {
		var l []byte
		l, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, ok := bytes.Cut(l, []byte(":"))
		if !ok {
			continue
		}
		value = bytes.TrimSpace(value)
		switch {
		case len(name) == 14 && bytes.EqualFold(name, []byte("Content-Length")):
			if a.length, err = strconv.Atoi(string(value)); err != nil || a.length < 0 || a.length > maxAnswer {
				return a, fmt.Errorf("Content-Length %q is not a number from 0 to %d", value, maxAnswer)
			}
		case len(name) == 17 && bytes.EqualFold(name, []byte("Transfer-Encoding")):
			return a, fmt.Errorf("Transfer-Encoding %q is not supported", value)
		case len(name) == 10 && bytes.EqualFold(name, []byte("Connection")):
			a.closing = bytes.EqualFold(value, []byte("close"))
		}
	}
	if a.status == 204 || a.status == 304 || a.status < 200 {
		a.length = 0
	}
	if a.length < 0 {
		return a, errors.New("the answer has no Content-Length")
	}
	return a, nil
}

// Header is one request header.
type Header struct{ Name, Value string }

// Request prepares the bytes of a request for Do. A nil body sends none.
func Request(method, host, path string, body []byte, headers ...Header) []byte {
	b := make([]byte, 0, 256+len(body))
	b = fmt.Appendf(b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, host)
	for _, h := range headers {
		b = fmt.Appendf(b, "%s: %s\r\n", h.Name, h.Value)
	}
	if body != nil || method == "POST" {
		b = fmt.Appendf(b, "Content-Length: %d\r\n", len(body))
	}
	b = append(b, "\r\n"...)
	return append(b, body...)
}

// JSON is the header of a JSON body.
var JSON = Header{"Content-Type", "application/json"}
