package embedded

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
)

// chunkReader turns the engine's chunks into one stream, so that a block may lie
// across two chunks.
type chunkReader struct {
	next func() ([]byte, error)
	rest []byte
}

func (c *chunkReader) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		b, err := c.next()
		if err != nil {
			return 0, err
		}
		if len(b) == 0 {
			return 0, io.EOF
		}
		c.rest = b
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// reblock copies Native blocks from r, written at revision 0 as the engine does,
// to w at the client's revision. Blocks without rows are dropped: they say
// nothing, and the client reads a LowCardinality column's prefix only with rows.
func reblock(w io.Writer, r io.Reader, revision uint64) error {
	in := chproto.NewReader(r)
	ctx := &column.ServerContext{Timezone: time.UTC}
	var out chproto.Buffer
	for {
		block := proto.Block{ServerContext: ctx}
		if err := block.Decode(in, 0); err != nil {
			var ex *exception
			if errors.As(err, &ex) {
				return ex
			}
			if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && len(block.Columns) == 0 {
				return nil
			}
			return fmt.Errorf("read a block of the engine's answer: %w", err)
		}
		if block.Rows() == 0 {
			continue
		}
		out.Reset()
		if err := block.Encode(&out, revision); err != nil {
			return fmt.Errorf("write a block at revision %d: %w", revision, err)
		}
		if _, err := w.Write(out.Buf); err != nil {
			return err
		}
	}
}

// packer writes ClickHouse's compressed framing, one frame per Write.
type packer struct {
	w   io.Writer
	enc *compress.Writer
}

func newPacker(w io.Writer, method string) *packer {
	m := compress.LZ4
	if method == "ZSTD" {
		m = compress.ZSTD
	}
	return &packer{w: w, enc: compress.NewWriter(compress.Level(0), m)}
}

// maxFrame keeps a frame's sizes far below what readers refuse.
const maxFrame = 1 << 20

func (p *packer) Write(b []byte) (int, error) {
	total := 0
	for len(b) > 0 {
		part := b[:min(len(b), maxFrame)]
		if err := p.enc.Compress(part); err != nil {
			return total, err
		}
		if _, err := p.w.Write(p.enc.Data); err != nil {
			return total, err
		}
		total += len(part)
		b = b[len(part):]
	}
	return total, nil
}
