package sqldb

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// versionsSuffix ends the names of the tables in which goose counts.
const versionsSuffix = "_migrations"

// Dump is what Export wrote.
type Dump struct {
	Versions map[string]int64 `json:"versions"` // of each room's tables
	Tables   []TableDump      `json:"tables"`   // a table comes after those it refers to
}

// TableDump is one table of a Dump. SHA256 is of its rows: two databases whose
// tables have equal sums hold the same, on whichever engine.
type TableDump struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
	Rows    int64    `json:"rows"`
	SHA256  string   `json:"sha256"`
}

// Export writes every table in one state of the database, while others write on.
// A row is a JSON array on a line, numbers and texts as they are, in the order of
// the primary key; tables follow one another as the Dump says.
func (d *DB) Export(ctx context.Context, w io.Writer) (dump Dump, err error) {
	out := bufio.NewWriterSize(w, 256<<10)
	err = d.Read(ctx, func(ctx context.Context, tx Tx) error {
		tables, err := d.tables(ctx, tx)
		if err != nil {
			return err
		}
		dump = Dump{Versions: map[string]int64{}}
		for _, t := range tables {
			if room, is := strings.CutSuffix(t.name, versionsSuffix); is {
				var v int64
				if err := tx.QueryRowContext(ctx, "SELECT COALESCE(MAX(version_id), 0) FROM "+quote(t.name)).Scan(&v); err != nil {
					return fmt.Errorf("read the version of the tables of %s: %w", room, err)
				}
				dump.Versions[room] = v
				continue
			}
			done, err := t.export(ctx, tx, out)
			if err != nil {
				return fmt.Errorf("export the table %s: %w", t.name, err)
			}
			dump.Tables = append(dump.Tables, done)
		}
		return out.Flush()
	})
	return dump, err
}

// table is a table as the engine describes it.
type table struct {
	name    string
	columns []string
	order   string // by the primary key, texts by their bytes
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// tables lists all tables in the order in which they were made, which is one in
// which references point back.
func (d *DB) tables(ctx context.Context, tx Tx) (out []table, err error) {
	list, columns := "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY rowid",
		"SELECT name, pk, type = 'TEXT' FROM pragma_table_info(?) ORDER BY cid"
	if d.engine == Postgres {
		list = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace ORDER BY oid"
		columns = `SELECT a.attname, COALESCE(array_position(i.indkey::int2[], a.attnum) + 1, 0), a.atttypid = 'text'::regtype
			FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
			WHERE a.attrelid = (quote_ident(?))::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`
	}
	var names []string
	if err := tx.NewRaw(list).Scan(ctx, &names); err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	for _, name := range names {
		t := table{name: name}
		rows, err := tx.QueryContext(ctx, columns, name)
		if err != nil {
			return nil, fmt.Errorf("list the columns of %s: %w", name, err)
		}
		keys := map[int]string{}
		for rows.Next() {
			var column string
			var key int
			var text bool
			if err := rows.Scan(&column, &key, &text); err != nil {
				rows.Close()
				return nil, err
			}
			t.columns = append(t.columns, column)
			if key > 0 {
				keys[key] = quote(column)
				if text && d.engine == Postgres {
					keys[key] += ` COLLATE "C"`
				}
			}
		}
		if err := rows.Close(); err != nil {
			return nil, err
		}
		var order []string
		for i := 1; i <= len(keys); i++ {
			order = append(order, keys[i])
		}
		t.order = strings.Join(order, ", ")
		out = append(out, t)
	}
	return out, nil
}

func (t *table) export(ctx context.Context, tx Tx, out io.Writer) (TableDump, error) {
	done := TableDump{Name: t.name, Columns: t.columns}
	if t.order == "" {
		return done, fmt.Errorf("it has no primary key, so its rows have no order")
	}
	quoted := make([]string, len(t.columns))
	for i, c := range t.columns {
		quoted[i] = quote(c)
	}
	rows, err := tx.QueryContext(ctx, "SELECT "+strings.Join(quoted, ", ")+" FROM "+quote(t.name)+" ORDER BY "+t.order)
	if err != nil {
		return done, err
	}
	defer rows.Close()
	sum := sha256.New()
	values, targets := make([]any, len(t.columns)), make([]any, len(t.columns))
	for i := range values {
		targets[i] = &values[i]
	}
	var line []byte
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return done, err
		}
		if line, err = appendRow(line[:0], values); err != nil {
			return done, err
		}
		sum.Write(line)
		if _, err := out.Write(line); err != nil {
			return done, err
		}
		done.Rows++
	}
	done.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return done, rows.Err()
}

// appendRow writes a row as a line. A text that is not UTF-8, which only SQLite
// can hold, becomes an object with its bytes.
func appendRow(b []byte, values []any) ([]byte, error) {
	b = append(b, '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		switch v := v.(type) {
		case nil:
			b = append(b, "null"...)
		case int64:
			b = fmt.Append(b, v)
		case string:
			if !utf8.ValidString(v) {
				b = append(append(append(b, `{"base64":"`...), base64.StdEncoding.EncodeToString([]byte(v))...), `"}`...)
				continue
			}
			text, err := json.Marshal(v)
			if err != nil {
				return b, err
			}
			b = append(b, text...)
		default:
			return b, fmt.Errorf("column %d holds a %T, want whole numbers and texts only", i, v)
		}
	}
	return append(b, ']', '\n'), nil
}
