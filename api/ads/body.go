package ads

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strconv"

	"github.com/valyala/fasthttp"
)

// inflater decompresses request bodies, reusing its memory.
type inflater struct {
	reader gzip.Reader
	source bytes.Reader
	plain  []byte
}

var errTooLarge = errors.New("too large")

// inflate returns the plain body, at most limit bytes, valid until the next call.
func (z *inflater) inflate(body []byte, limit int) ([]byte, error) {
	z.source.Reset(body)
	if err := z.reader.Reset(&z.source); err != nil {
		return nil, err
	}
	z.plain = z.plain[:0]
	for {
		if len(z.plain) > limit {
			return nil, errTooLarge
		}
		if cap(z.plain)-len(z.plain) < 4096 {
			grown := make([]byte, len(z.plain), 2*cap(z.plain)+8192)
			copy(grown, z.plain)
			z.plain = grown
		}
		n, err := z.reader.Read(z.plain[len(z.plain):cap(z.plain)])
		z.plain = z.plain[:len(z.plain)+n]
		switch {
		case err == io.EOF && len(z.plain) <= limit:
			return z.plain, nil
		case err == io.EOF:
			return nil, errTooLarge
		case err != nil:
			return nil, err
		}
	}
}

// body returns the request's body, decompressed; it answers itself when that
// cannot be done.
func (s *Server) body(ctx *fasthttp.RequestCtx, sc *scratch, limit int) ([]byte, bool) {
	body := ctx.Request.Body()
	encoding := ctx.Request.Header.ContentEncoding()
	switch string(encoding) {
	case "", "identity":
		if len(body) > limit {
			s.tooLarge(ctx, limit)
			return nil, false
		}
		return body, true
	case "gzip", "x-gzip":
		plain, err := sc.inflater.inflate(body, limit)
		switch {
		case errors.Is(err, errTooLarge):
			s.tooLarge(ctx, limit)
			return nil, false
		case err != nil:
			s.refuse(ctx, fasthttp.StatusBadRequest, codeInvalid, "the body is not gzip, as Content-Encoding says: "+err.Error())
			return nil, false
		}
		return plain, true
	}
	s.refuse(ctx, fasthttp.StatusUnsupportedMediaType, codeInvalid, "Content-Encoding: "+strconv.Quote(string(encoding))+" is refused: it must be gzip or absent")
	return nil, false
}

func (s *Server) tooLarge(ctx *fasthttp.RequestCtx, limit int) {
	s.refuse(ctx, fasthttp.StatusRequestEntityTooLarge, codeTooLarge, "the body must be at most "+strconv.Itoa(limit)+" bytes, decompressed")
}
