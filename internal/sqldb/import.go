package sqldb

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/uptrace/bun"
)

// Bounds of an import: one row, and one INSERT, which SQLite wants below a
// million bytes.
const (
	maxRowBytes    = 64 << 20
	insertBytes    = 300_000
	maxDumpVersion = 1 << 20
)

// ErrNotEmpty is what an Import into a database with rows in it returns.
var ErrNotEmpty = errors.New("the database is not empty")

// Import fills an empty database with what Export wrote, on either engine: it
// makes the tables as they were then, loads the rows, all or none, checks their
// sums, and migrates. rooms are the migrations by room.
func (d *DB) Import(ctx context.Context, dump Dump, r io.Reader, rooms map[string]fs.FS) error {
	if err := d.checkEmpty(ctx); err != nil {
		return err
	}
	for room, version := range dump.Versions {
		if rooms[room] == nil {
			return fmt.Errorf("the tables of %s are not known to this program: it is older than the data", room)
		}
		if version < 0 || version > maxDumpVersion {
			return fmt.Errorf("the version of the tables of %s is %d, want 0 to %d", room, version, maxDumpVersion)
		}
		if err := d.migrate(ctx, room, rooms[room], version); err != nil {
			return err
		}
	}
	err := d.Write(ctx, func(ctx context.Context, tx Tx) error {
		in := bufio.NewReaderSize(r, 256<<10)
		for _, t := range dump.Tables {
			if err := t.load(ctx, tx, in); err != nil {
				return fmt.Errorf("load the table %s: %w", t.Name, err)
			}
		}
		if _, err := in.ReadByte(); err != io.EOF {
			return errors.Join(errors.New("rows follow the last table"), err)
		}
		return nil
	})
	if err == nil {
		err = d.sameAs(ctx, dump)
	}
	if err != nil {
		return err
	}
	for room := range dump.Versions {
		if err := d.Migrate(ctx, room, rooms[room]); err != nil {
			return err
		}
	}
	return nil
}

// sameAs reads everything back.
func (d *DB) sameAs(ctx context.Context, want Dump) error {
	got, err := d.Export(ctx, io.Discard)
	if err != nil {
		return err
	}
	have := make(map[string]string, len(got.Tables))
	for _, t := range got.Tables {
		have[t.Name] = t.SHA256
	}
	for _, t := range want.Tables {
		if have[t.Name] != t.SHA256 {
			return fmt.Errorf("the table %s, read back, has the sum %s, not %s", t.Name, have[t.Name], t.SHA256)
		}
	}
	return nil
}

// checkEmpty refuses a database that has rows in any table of ours.
func (d *DB) checkEmpty(ctx context.Context) error {
	return d.Read(ctx, func(ctx context.Context, tx Tx) error {
		tables, err := d.tables(ctx, tx)
		if err != nil {
			return err
		}
		for _, t := range tables {
			if strings.HasSuffix(t.name, versionsSuffix) {
				continue
			}
			var n int
			if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM "+quote(t.name)+" LIMIT 1) AS t").Scan(&n); err != nil {
				return err
			}
			if n > 0 {
				return fmt.Errorf("%w: the table %s has rows", ErrNotEmpty, t.name)
			}
		}
		return nil
	})
}

func (t *TableDump) load(ctx context.Context, tx Tx, in *bufio.Reader) error {
	sum := sha256.New()
	quoted := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		quoted[i] = quote(c)
	}
	head := "INSERT INTO " + quote(t.Name) + " (" + strings.Join(quoted, ", ") + ") VALUES "
	marks := "(" + strings.TrimSuffix(strings.Repeat("?, ", len(t.Columns)), ", ") + ")"
	var args []any
	size := 0
	flush := func() error {
		if len(args) == 0 {
			return nil
		}
		rows := len(args) / len(t.Columns)
		_, err := tx.ExecContext(ctx, head+marks+strings.Repeat(", "+marks, rows-1), args...)
		args, size = args[:0], 0
		return err
	}
	for row := range t.Rows {
		line, err := readLine(in)
		if err != nil {
			return fmt.Errorf("row %d of %d: %w", row+1, t.Rows, err)
		}
		sum.Write(line)
		values, err := parseRow(line, len(t.Columns))
		if err != nil {
			return fmt.Errorf("row %d: %w", row+1, err)
		}
		args = append(args, values...)
		if size += len(line); size >= insertBytes {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != t.SHA256 {
		return fmt.Errorf("its rows have the sum %s, not %s", got, t.SHA256)
	}
	return nil
}

func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case err != bufio.ErrBufferFull:
			return nil, fmt.Errorf("the rows end early: %w", err)
		case len(line) > maxRowBytes:
			return nil, fmt.Errorf("is larger than %d bytes", maxRowBytes)
		}
	}
}

func parseRow(line []byte, columns int) ([]any, error) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	var values []any
	if err := dec.Decode(&values); err != nil {
		return nil, err
	}
	if len(values) != columns {
		return nil, fmt.Errorf("has %d values, want %d", len(values), columns)
	}
	for i, v := range values {
		switch v := v.(type) {
		case nil, string:
		case json.Number:
			n, err := v.Int64()
			if err != nil {
				return nil, fmt.Errorf("value %d: %w", i, err)
			}
			values[i] = n
		case map[string]any:
			text, err := textOf(v)
			if err != nil {
				return nil, fmt.Errorf("value %d: %w", i, err)
			}
			values[i] = text
		default:
			return nil, fmt.Errorf("value %d is a %T", i, v)
		}
	}
	return values, nil
}

// textOf is the SQL of a text that is not UTF-8; PostgreSQL will refuse it.
func textOf(v map[string]any) (bun.Safe, error) {
	encoded, ok := v["base64"].(string)
	if !ok || len(v) != 1 {
		return "", errors.New("is an object without base64")
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	return bun.Safe("CAST(x'" + hex.EncodeToString(raw) + "' AS TEXT)"), err
}
