package embedded

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"mazad/internal/failpoint"

	chproto "github.com/ClickHouse/ch-go/proto"
)

// gateway answers ClickHouse's HTTP interface from the pool.
type gateway struct {
	pool  *pool
	token string
	spool string // folder of insert bodies
	lim   Limits
}

// Where a test ends the child, or loses its answer: the body of an insert has
// come, the engine is about to insert it, the engine has.
var (
	afterReceive = failpoint.New("clickhouse.after-receive")
	beforeInsert = failpoint.New("clickhouse.before-insert")
	afterInsert  = failpoint.New("clickhouse.after-insert")
)

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/ping":
		_, _ = io.WriteString(w, "Ok.\n")
		return
	case r.URL.Path != "/":
		http.NotFound(w, r)
		return
	case !g.authentic(r):
		fail(w, refuse(codeAuthentication, "the token is missing or wrong (X-ClickHouse-Key or Basic)"))
		return
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "statements are sent by POST", http.StatusMethodNotAllowed)
		return
	}
	st, ex := statementOf(r.URL.Query())
	if ex == nil {
		ex = g.run(w, r, st)
	}
	if ex != nil {
		fail(w, ex)
	}
}

func (g *gateway) authentic(r *http.Request) bool {
	key := r.Header.Get("X-ClickHouse-Key")
	if key == "" {
		_, key, _ = r.BasicAuth()
	}
	return subtle.ConstantTimeCompare([]byte(key), []byte(g.token)) == 1
}

// run receives the body, borrows a connection, and answers.
func (g *gateway) run(w http.ResponseWriter, r *http.Request, st *statement) *exception {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		return refuse(codeNotImplemented, "external tables are not offered by the embedded ClickHouse")
	}
	w.Header().Set("X-ClickHouse-Query-Id", st.queryID)
	w.Header().Set("X-ClickHouse-Timezone", "UTC")
	if st.insert {
		file, ex := g.receive(r, st)
		if ex != nil {
			return ex
		}
		defer func() { _ = os.Remove(file) }()
		st.sql += " FROM INFILE " + quote(file) + " FORMAT " + st.format
	} else {
		b, err := io.ReadAll(io.LimitReader(r.Body, int64(g.lim.StatementBytes)+1))
		if err != nil {
			return refuse(codeNetwork, "read the statement: %v", err)
		}
		if len(b)+len(st.sql) > g.lim.StatementBytes {
			return refuse(codeQueryTooLarge, "the statement has more than %d bytes", g.lim.StatementBytes)
		}
		if len(b) > 0 {
			if st.sql != "" {
				st.sql += "\n"
			}
			st.sql += string(b)
		}
	}
	if keyword(st.sql) == "" {
		return refuse(codeSyntax, "the statement is empty")
	}
	c, ex := g.pool.borrow(r.Context(), st)
	if ex != nil {
		return ex
	}
	defer g.pool.giveBack(c, st)
	if !streams(st.sql) {
		if st.insert {
			beforeInsert.Hit()
		}
		out, err := c.exec(st.sql, st.format, st.params)
		if err != nil {
			return asException(err)
		}
		if st.insert && afterInsert.Hit() {
			panic(http.ErrAbortHandler) // the answer is lost on the way
		}
		return g.answer(w, st, func() ([]byte, error) {
			chunk := out
			out = nil
			return chunk, nil
		})
	}
	rows, err := c.stream(st.sql, st.format, st.params)
	if err != nil {
		return asException(err)
	}
	defer rows.close()
	return g.answer(w, st, func() ([]byte, error) {
		if r.Context().Err() != nil {
			return nil, refuse(codeNetwork, "the client is gone")
		}
		return rows.next()
	})
}

// receive writes an INSERT's body to a file, unpacked and complete.
func (g *gateway) receive(r *http.Request, st *statement) (string, *exception) {
	var body io.Reader = r.Body
	switch enc := r.Header.Get("Content-Encoding"); enc {
	case "":
	case "gzip":
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return "", refuse(codeCannotDecompress, "gzip: %v", err)
		}
		body = z
	default:
		return "", refuse(codeNotImplemented, "Content-Encoding %q is not offered; use none, gzip, lz4 or zstd", enc)
	}
	if st.packed {
		u := chproto.NewReader(body)
		u.EnableCompression()
		body = u
	}
	name := make([]byte, 8)
	_, _ = rand.Read(name)
	path := filepath.Join(g.spool, "insert-"+hex.EncodeToString(name)+".native")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", refuse(codeNetwork, "store the body: %v", err)
	}
	n, err := io.Copy(f, io.LimitReader(body, g.lim.BodyBytes+1))
	afterReceive.Hit()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	switch {
	case err != nil && !(st.packed && errors.Is(err, io.EOF)):
		_ = os.Remove(path)
		return "", refuse(codeNetwork, "receive the body: %v", err)
	case n > g.lim.BodyBytes:
		_ = os.Remove(path)
		return "", refuse(codeTooManyBytes, "the body has more than %d bytes", g.lim.BodyBytes)
	}
	return path, nil
}

// answer sends the chunks that next returns until an empty one. Until the first
// bytes are out, an error still gets its own status; afterwards it is framed as
// ClickHouse frames it.
func (g *gateway) answer(w http.ResponseWriter, st *statement, next func() ([]byte, error)) *exception {
	format := st.answerFormat()
	total := int64(0)
	source := &chunkReader{next: func() ([]byte, error) {
		b, err := next()
		if total += int64(len(b)); total > g.lim.ResultBytes {
			return nil, refuse(codeResultTooLarge, "the result has more than %d bytes", g.lim.ResultBytes)
		}
		return b, err
	}}
	out := &replyWriter{w: w, format: format}
	var sink io.Writer = out
	if st.compress != "" {
		sink = newPacker(out, st.compress)
	}
	var err error
	if format == "Native" && st.revision > 0 {
		err = reblock(sink, source, st.revision)
	} else {
		_, err = io.Copy(sink, source)
	}
	if err == nil {
		err = out.flush()
	}
	if err == nil {
		return nil
	}
	ex := asException(err)
	if !out.started {
		return ex
	}
	out.fail(ex)
	return nil
}

// replyWriter holds the first bytes back, so that an early error can still
// change the status.
type replyWriter struct {
	w       http.ResponseWriter
	format  string
	held    bytes.Buffer
	started bool
}

const heldBytes = 256 << 10

func (o *replyWriter) Write(b []byte) (int, error) {
	if !o.started {
		if o.held.Len()+len(b) <= heldBytes {
			return o.held.Write(b)
		}
		o.started = true
		o.w.Header().Set("X-ClickHouse-Format", o.format)
		if _, err := o.w.Write(o.held.Bytes()); err != nil {
			return 0, err
		}
	}
	return o.w.Write(b)
}

func (o *replyWriter) flush() error {
	if o.started {
		return nil
	}
	o.w.Header().Set("X-ClickHouse-Format", o.format)
	o.w.Header().Set("Content-Length", strconv.Itoa(o.held.Len()))
	_, err := o.w.Write(o.held.Bytes())
	return err
}

// fail ends a started answer with the exception block that clients look for.
func (o *replyWriter) fail(ex *exception) {
	tag := make([]byte, 8)
	_, _ = rand.Read(tag)
	t := hex.EncodeToString(tag)
	msg := ex.text + "\n"
	_, _ = io.WriteString(o.w, "\r\n__exception__\r\n"+t+"\r\n"+msg+strconv.Itoa(len(msg))+" "+t+"\r\n__exception__\r\n")
}

func fail(w http.ResponseWriter, ex *exception) {
	w.Header().Set("X-ClickHouse-Exception-Code", strconv.Itoa(ex.code))
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.WriteHeader(ex.status())
	_, _ = io.WriteString(w, ex.text+"\n")
}

func asException(err error) *exception {
	var ex *exception
	if errors.As(err, &ex) {
		return ex
	}
	if errors.Is(err, context.Canceled) {
		return refuse(codeNetwork, "the client is gone")
	}
	return exceptionOf(err.Error())
}
