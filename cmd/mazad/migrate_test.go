package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"mazad/campaign"
	campaignsql "mazad/campaign/sqlstore"
	"mazad/internal/sqldb"
	"mazad/internal/sqldb/postgrestest"
	"mazad/ledger"
	ledgersql "mazad/ledger/sqlstore"
)

// TestMigrationsGoUpFromEveryRelease brings the database of every release up to
// date, on both engines, and compares with what that release itself said of it.
// testdata/store/N holds the file that release N wrote, and its own answers.
func TestMigrationsGoUpFromEveryRelease(t *testing.T) {
	releases, err := filepath.Glob("testdata/store/*")
	if err != nil || len(releases) == 0 {
		t.Fatalf("no databases of earlier releases: %v", err)
	}
	t.Run("sqlite", func(t *testing.T) {
		for _, dir := range releases {
			db := releasedDB(t, dir)
			sameAsReleased(t, dir, db)
			sameAsReleased(t, dir, db) // a second start finds nothing to do
		}
	})
	t.Run("postgres", func(t *testing.T) {
		server := postgrestest.Start(t, postgrestest.Options{NoSync: true})
		for _, dir := range releases {
			var rows bytes.Buffer
			dump, err := releasedDB(t, dir).Export(t.Context(), &rows)
			if err != nil {
				t.Fatal(err)
			}
			db, err := sqldb.Open(t.Context(), sqldb.Config{URL: server.Database(), NoSync: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			if err := db.Import(t.Context(), dump, &rows, migrationsByRoom()); err != nil {
				t.Fatal(err)
			}
			sameAsReleased(t, dir, db)
			file := releasedDB(t, dir)
			sameAsReleased(t, dir, file)
			sameTables(t, db, file)
		}
	})
}

// sameTables compares every row of two databases, whatever their engines.
func sameTables(t *testing.T, a, b *sqldb.DB) {
	t.Helper()
	x, err := a.Export(t.Context(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	y, err := b.Export(t.Context(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []*sqldb.Dump{&x, &y} { // an import makes the rooms' tables in any order
		slices.SortFunc(d.Tables, func(a, b sqldb.TableDump) int { return strings.Compare(a.Name, b.Name) })
	}
	if len(x.Tables) == 0 || !reflect.DeepEqual(x, y) {
		t.Errorf("%s holds %+v, %s holds %+v", a.Engine(), x, b.Engine(), y)
	}
}

// releasedDB unpacks the database of a release; nothing has migrated it.
func releasedDB(t *testing.T, release string) *sqldb.DB {
	t.Helper()
	f, err := os.Open(filepath.Join(release, "mazad.db.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, sqldb.File), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := sqldb.Open(t.Context(), sqldb.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// sameAsReleased opens the rooms, which migrates, and asks what the release was
// asked. What is new since may say more, never something else.
func sameAsReleased(t *testing.T, release string, db *sqldb.DB) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(release, "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want any
	if err := exactly(raw, &want); err != nil {
		t.Fatal(err)
	}
	now, err := answersOf(t.Context(), db)
	if err != nil {
		t.Fatalf("%s on %s: %v", release, db.Engine(), err)
	}
	for _, d := range lacks("", want, now) {
		t.Errorf("%s on %s: %s", release, db.Engine(), d)
	}
}

func answersOf(ctx context.Context, db *sqldb.DB) (out any, err error) {
	cs, err := campaignsql.Open(ctx, db, campaignsql.Config{})
	if err != nil {
		return nil, err
	}
	ls, err := ledgersql.Open(ctx, db, ledgersql.Config{})
	if err != nil {
		return nil, err
	}
	said := map[string]any{}
	ask := func(name string, v any, err2 error) {
		if said[name] = v; err2 != nil && err == nil {
			err = fmt.Errorf("%s: %w", name, err2)
		}
	}
	tree, e := cs.LoadAll(ctx)
	ask("tree", tree, e)
	changes, e := cs.Changes(ctx, tree.Advertisers[0].ID, campaign.Paging{})
	ask("changes", changes.Total, e)
	leases, e := ls.Leases(ctx, 0)
	ask("leases", leases, e)
	trial, e := ls.Trial(ctx)
	ask("trial", trial, e)
	balances, e := ls.Balances(ctx)
	ask("balances", balances, e)
	spend, e := ls.Spend(ctx, ledger.SpendQuery{})
	ask("spend", spend, e)
	position, e := ls.Position(ctx, "MONEY")
	ask("position", position, e)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(said)
	if err != nil {
		return nil, err
	}
	return out, exactly(raw, &out)
}

// exactly decodes JSON without losing digits of large numbers.
func exactly(raw []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	return dec.Decode(v)
}

// lacks names what is in want and not in got.
func lacks(path string, want, got any) (out []string) {
	switch w := want.(type) {
	case map[string]any:
		g, _ := got.(map[string]any)
		for k, v := range w {
			out = append(out, lacks(path+"."+k, v, g[k])...)
		}
		return out
	case []any:
		g, _ := got.([]any)
		if len(g) != len(w) {
			return []string{fmt.Sprintf("%s has %d elements, want %d", path, len(g), len(w))}
		}
		for i, v := range w {
			out = append(out, lacks(fmt.Sprintf("%s[%d]", path, i), v, g[i])...)
		}
		return out
	}
	if !reflect.DeepEqual(want, got) {
		return []string{fmt.Sprintf("%s is %v, want %v", path, got, want)}
	}
	return nil
}
