package sqldb_test

import (
	"bytes"
	"errors"
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"mazad/internal/sqldb"
	"mazad/internal/sqldb/postgrestest"
)

// exportRooms are migrations with references, texts as keys, and a second
// version that changes what is there.
var exportRooms = map[string]fs.FS{"room": fstest.MapFS{
	"00001_a.sql": {Data: []byte("-- +goose Up\nCREATE TABLE zoos (id BIGINT PRIMARY KEY, name TEXT);\n" +
		"CREATE TABLE animals (zoo BIGINT NOT NULL REFERENCES zoos (id), name TEXT NOT NULL, PRIMARY KEY (name, zoo));\n")},
	"00002_b.sql": {Data: []byte("-- +goose Up\nALTER TABLE animals ADD COLUMN legs BIGINT NOT NULL DEFAULT 4;\n")},
}}

func zoo(t *testing.T) *sqldb.DB {
	t.Helper()
	db := open(t, t.TempDir())
	old := fstest.MapFS{"00001_a.sql": exportRooms["room"].(fstest.MapFS)["00001_a.sql"]}
	if err := db.Migrate(ctx, "room", old); err != nil {
		t.Fatal(err)
	}
	write(t, db, run("INSERT INTO zoos VALUES (?, ?), (?, NULL), (?, ?)", -1<<63, "a ? \\ 'b' \n \"ü\" \u2028", 7, 1<<62+1, ""))
	for _, name := range []string{"a", "B", "é", "Z", "_", "aa", "\u0001"} { // a locale would order these otherwise
		write(t, db, run("INSERT INTO animals VALUES (7, ?)", name))
	}
	return db
}

func export(t *testing.T, db *sqldb.DB) (sqldb.Dump, *bytes.Buffer) {
	t.Helper()
	var rows bytes.Buffer
	d, err := db.Export(ctx, &rows)
	if err != nil {
		t.Fatal(err)
	}
	return d, &rows
}

// TestADatabaseMovesBetweenEngines: what one engine wrote the other reads, and
// writes again the same.
func TestADatabaseMovesBetweenEngines(t *testing.T) {
	server := postgrestest.Start(t, postgrestest.Options{NoSync: true})
	first, rows := export(t, zoo(t))
	if first.Versions["room"] != 1 || len(first.Tables) != 2 || first.Tables[0].Name != "zoos" || first.Tables[1].Rows != 7 {
		t.Fatalf("exported %+v", first)
	}
	var pg, file *sqldb.DB
	var err error
	if pg, err = sqldb.Open(ctx, sqldb.Config{URL: server.Database(), NoSync: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pg.Close() })
	if err := pg.Import(ctx, first, rows, exportRooms); err != nil {
		t.Fatal(err)
	}
	second, rows := export(t, pg)
	if second.Versions["room"] != 2 || second.Tables[0].SHA256 != first.Tables[0].SHA256 || len(second.Tables[1].Columns) != 3 {
		t.Errorf("after the migration %+v, before %+v", second, first)
	}
	file = open(t, t.TempDir())
	if err := file.Import(ctx, second, rows, exportRooms); err != nil {
		t.Fatal(err)
	}
	if third, _ := export(t, file); !reflect.DeepEqual(second, third) {
		t.Errorf("there and back: %+v, then %+v", second, third)
	}
	if err := pg.Import(ctx, second, rows, exportRooms); !errors.Is(err, sqldb.ErrNotEmpty) {
		t.Errorf("an import over data: %v", err)
	}
}

func TestADamagedDumpLeavesNothing(t *testing.T) {
	whole, rows := export(t, zoo(t))
	text := rows.String()
	for name, damage := range map[string]struct {
		rows string
		dump func(*sqldb.Dump)
		want string
	}{
		"a changed value": {strings.Replace(text, "aa", "ab", 1), nil, "animals: its rows have the sum"},
		"a lost row":      {text[:len(text)-8], nil, "animals: row 7 of 7"},
		"too much":        {text + "[1]\n", nil, "rows follow"},
		"no JSON":         {strings.Replace(text, "[7,", "{7,", 1), nil, "zoos: row 2"},
		"another shape":   {text, func(d *sqldb.Dump) { d.Tables[0].Columns = d.Tables[0].Columns[:1] }, "has 2 values, want 1"},
		"an unknown room": {text, func(d *sqldb.Dump) { d.Versions = map[string]int64{"cellar": 1} }, "cellar"},
		"a later version": {text, func(d *sqldb.Dump) { d.Versions = map[string]int64{"room": 3} }, "older than the data"},
	} {
		db := open(t, t.TempDir())
		d := whole
		d.Tables = append([]sqldb.TableDump(nil), whole.Tables...)
		if damage.dump != nil {
			damage.dump(&d)
		}
		err := db.Import(ctx, d, strings.NewReader(damage.rows), exportRooms)
		if err == nil || !strings.Contains(err.Error(), damage.want) {
			t.Errorf("%s: %v, want %q", name, err, damage.want)
		}
		if left, _ := export(t, db); len(left.Tables) > 0 && left.Tables[0].Rows > 0 {
			t.Errorf("%s: %d rows were left", name, left.Tables[0].Rows)
		}
	}
}

// TestBytesThatAreNoTextSurvive: SQLite holds them, so a backup must.
func TestBytesThatAreNoTextSurvive(t *testing.T) {
	db := zoo(t)
	write(t, db, run("UPDATE zoos SET name = CAST(x'61ff62' AS TEXT) WHERE id = 7"))
	first, rows := export(t, db)
	if !strings.Contains(rows.String(), `{"base64":"Yf9i"}`) {
		t.Errorf("exported %s", rows)
	}
	copied := open(t, t.TempDir())
	if err := copied.Import(ctx, first, rows, exportRooms); err != nil {
		t.Fatal(err)
	}
	if second, _ := export(t, copied); second.Tables[0].SHA256 != first.Tables[0].SHA256 {
		t.Error("the copy differs")
	}
}
