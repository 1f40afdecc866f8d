//go:build linux || darwin

package embedded

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// library is the C interface of libchdb that we use. Handles stay opaque.
type library struct {
	setSignalHandlers func(enabled int32)
	version           func() unsafe.Pointer
	connect           func(argc int32, argv unsafe.Pointer) unsafe.Pointer
	closeConn         func(conn unsafe.Pointer)
	query             func(conn, sql unsafe.Pointer, sqlLen uintptr, format unsafe.Pointer, formatLen uintptr,
		names, nameLens, values, valueLens unsafe.Pointer, count uintptr) unsafe.Pointer
	stream func(conn, sql unsafe.Pointer, sqlLen uintptr, format unsafe.Pointer, formatLen uintptr,
		names, nameLens, values, valueLens unsafe.Pointer, count uintptr) unsafe.Pointer
	fetch   func(conn, stream unsafe.Pointer) unsafe.Pointer
	cancel  func(conn, stream unsafe.Pointer)
	destroy func(result unsafe.Pointer)
	buffer  func(result unsafe.Pointer) unsafe.Pointer
	length  func(result unsafe.Pointer) uintptr
	failure func(result unsafe.Pointer) unsafe.Pointer
}

// load opens the shared library and checks that every function we need is there.
func load(path string) (*library, error) {
	h, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	l := &library{}
	for _, f := range []struct {
		fn   any
		name string
	}{
		{&l.setSignalHandlers, "chdb_set_signal_handlers_enabled"}, {&l.version, "chdb_version"},
		{&l.connect, "chdb_connect"}, {&l.closeConn, "chdb_close_conn"},
		{&l.query, "chdb_query_with_params_n"}, {&l.stream, "chdb_stream_query_with_params_n"},
		{&l.fetch, "chdb_stream_fetch_result"}, {&l.cancel, "chdb_stream_cancel_query"},
		{&l.destroy, "chdb_destroy_query_result"}, {&l.buffer, "chdb_result_buffer"},
		{&l.length, "chdb_result_length"}, {&l.failure, "chdb_result_error"},
	} {
		sym, err := purego.Dlsym(h, f.name)
		if err != nil {
			return nil, fmt.Errorf("%s has no %s: libchdb 26.7 or newer is needed", path, f.name)
		}
		purego.RegisterFunc(f.fn, sym)
	}
	return l, nil
}

// conn is one connection of the engine. It runs one statement at a time.
type conn struct {
	lib      *library
	outer    unsafe.Pointer // what chdb_connect returned, for closing
	handle   unsafe.Pointer // what it points to, for everything else
	database string         // of the last USE
	broken   bool           // settings of an earlier statement may remain: close it
}

// dial opens a connection to the data directory.
func (l *library) dial(dir string) (*conn, error) {
	args := [][]byte{[]byte("clickhouse\x00"), []byte("--path=" + dir + "\x00")}
	argv := []unsafe.Pointer{unsafe.Pointer(&args[0][0]), unsafe.Pointer(&args[1][0])}
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(argv[0])
	pin.Pin(argv[1])
	var outer unsafe.Pointer
	if err := keepSignalHandlers(func() {
		l.setSignalHandlers(0)
		outer = l.connect(int32(len(argv)), unsafe.Pointer(&argv[0]))
	}); err != nil {
		return nil, err
	}
	if outer == nil || *(*unsafe.Pointer)(outer) == nil {
		return nil, fmt.Errorf("the engine did not open %s", dir)
	}
	return &conn{lib: l, outer: outer, handle: *(*unsafe.Pointer)(outer)}, nil
}

func (c *conn) close() {
	_ = keepSignalHandlers(func() { c.lib.closeConn(c.outer) })
}

// params are the {name:Type} parameters of a statement.
type params struct{ names, values []string }

// arrays lays the strings out for the C interface and keeps them where they are.
func arrays(pin *runtime.Pinner, list []string) (ptrs, lens unsafe.Pointer) {
	if len(list) == 0 {
		return nil, nil
	}
	p, n := make([]unsafe.Pointer, len(list)), make([]uintptr, len(list))
	for i, s := range list {
		b := append([]byte(s), 0)
		pin.Pin(&b[0])
		p[i], n[i] = unsafe.Pointer(&b[0]), uintptr(len(s))
	}
	pin.Pin(&p[0])
	pin.Pin(&n[0])
	return unsafe.Pointer(&p[0]), unsafe.Pointer(&n[0])
}

type call func(conn, sql unsafe.Pointer, sqlLen uintptr, format unsafe.Pointer, formatLen uintptr,
	names, nameLens, values, valueLens unsafe.Pointer, count uintptr) unsafe.Pointer

func (c *conn) run(f call, sql, format string, ps params) unsafe.Pointer {
	var pin runtime.Pinner
	defer pin.Unpin()
	q, fm := append([]byte(sql), 0), append([]byte(format), 0)
	pin.Pin(&q[0])
	pin.Pin(&fm[0])
	names, nameLens := arrays(&pin, ps.names)
	values, valueLens := arrays(&pin, ps.values)
	return f(c.handle, unsafe.Pointer(&q[0]), uintptr(len(sql)), unsafe.Pointer(&fm[0]), uintptr(len(format)),
		names, nameLens, values, valueLens, uintptr(len(ps.names)))
}

func (l *library) errorOf(result unsafe.Pointer) error {
	if result == nil {
		return errors.New("the engine gave no result")
	}
	if msg := goString(l.failure(result)); msg != "" {
		return exceptionOf(msg)
	}
	return nil
}

// exec runs a statement whose answer is small and returns the answer.
func (c *conn) exec(sql, format string, ps params) ([]byte, error) {
	r := c.run(c.lib.query, sql, format, ps)
	if r != nil {
		defer c.lib.destroy(r)
	}
	if err := c.lib.errorOf(r); err != nil {
		return nil, err
	}
	return c.lib.bytesOf(r), nil
}

// bytesOf copies a result out of the engine's memory.
func (l *library) bytesOf(result unsafe.Pointer) []byte {
	n := l.length(result)
	if n == 0 {
		return nil
	}
	return append([]byte(nil), unsafe.Slice((*byte)(l.buffer(result)), n)...)
}

// rows is a running SELECT. next returns the following chunk, empty at the end;
// close must be called.
type rows struct {
	c      *conn
	handle unsafe.Pointer
	done   bool
}

func (c *conn) stream(sql, format string, ps params) (*rows, error) {
	h := c.run(c.lib.stream, sql, format, ps)
	if err := c.lib.errorOf(h); err != nil {
		if h != nil {
			c.lib.destroy(h)
		}
		return nil, err
	}
	return &rows{c: c, handle: h}, nil
}

func (r *rows) next() ([]byte, error) {
	if r.done {
		return nil, nil
	}
	chunk := r.c.lib.fetch(r.c.handle, r.handle)
	if chunk != nil {
		defer r.c.lib.destroy(chunk)
	}
	if err := r.c.lib.errorOf(chunk); err != nil {
		r.done = true
		return nil, err
	}
	b := r.c.lib.bytesOf(chunk)
	r.done = len(b) == 0
	return b, nil
}

func (r *rows) close() {
	if !r.done {
		r.c.lib.cancel(r.c.handle, r.handle)
	}
	r.c.lib.destroy(r.handle)
}

func (l *library) versionString() string { return goString(l.version()) }

func goString(p unsafe.Pointer) string {
	if p == nil {
		return ""
	}
	n := 0
	for *(*byte)(unsafe.Add(p, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(p), n))
}
