package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"mazad/campaign"
	"mazad/internal/id"
	"mazad/internal/sqldb"

	"github.com/uptrace/bun"
)

type objectRow struct {
	bun.BaseModel `bun:"table:objects,alias:o"`

	ID         int64  `bun:"id,pk"`
	Kind       string `bun:"kind"`
	Advertiser int64  `bun:"advertiser_id"`
	Campaign   int64  `bun:"campaign_id"`
	AdGroup    int64  `bun:"ad_group_id"`
	Name       string `bun:"name"`
	Status     string `bun:"status"`
	Objective  string `bun:"objective"`
	Version    int64  `bun:"version"`
	Doc        string `bun:"doc"`
}

type revisionRow struct {
	bun.BaseModel `bun:"table:revisions,alias:r"`

	Revision   int64  `bun:"revision,pk"`
	AtMS       int64  `bun:"at_ms"`
	Actor      string `bun:"actor"`
	Kind       string `bun:"kind"`
	Object     int64  `bun:"object_id"`
	Advertiser int64  `bun:"advertiser_id"`
	Before     string `bun:"before_doc"`
	After      string `bun:"after_doc"`
}

// batchBytes bounds one INSERT: SQLite refuses statements over a million bytes.
const batchBytes = 300_000

// insertRows inserts rows in as many statements as their size asks for.
func insertRows[T any](ctx context.Context, tx sqldb.Tx, rows []T, size func(*T) int) error {
	for len(rows) > 0 {
		n, bytes := 0, 0
		for n < len(rows) && (n == 0 || bytes < batchBytes) {
			bytes += size(&rows[n]) + 200
			n++
		}
		part := rows[:n]
		if _, err := tx.NewInsert().Model(&part).Exec(ctx); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// edited is one object of an edit, before and after.
type edited struct {
	kind          campaign.ObjectKind
	object        int64
	advertiser    id.Advertiser
	before, after string
}

// log writes the revisions of an edit.
func (s *Store) log(ctx context.Context, tx sqldb.Tx, e campaign.Edit, changes ...edited) error {
	if len(changes) == 0 {
		return nil
	}
	last, err := count(ctx, tx, "revision", len(changes))
	if err != nil {
		return fmt.Errorf("count the revision: %w", err)
	}
	at := s.now().UnixMilli()
	rows := make([]revisionRow, len(changes))
	for i, c := range changes {
		rows[i] = revisionRow{Revision: last - int64(len(changes)-1-i), AtMS: at, Actor: e.Actor, Kind: string(c.kind),
			Object: c.object, Advertiser: int64(c.advertiser), Before: c.before, After: c.after}
	}
	if err := insertRows(ctx, tx, rows, func(r *revisionRow) int { return len(r.Before) + len(r.After) }); err != nil {
		return fmt.Errorf("write the change log: %w", err)
	}
	return nil
}

// checkVersion compares what the caller saw with what there is.
func checkVersion(e campaign.Edit, version int64) error {
	if e.IfVersion == 0 || e.IfVersion == version {
		return nil
	}
	return &campaign.Error{Kind: campaign.Conflict, Code: campaign.CodeVersion, Field: "version", Value: fmt.Sprint(e.IfVersion),
		Limit: fmt.Sprint(version), Message: "was edited by somebody else since it was read"}
}

func encode(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

func decode[T any](doc string) (v T, err error) {
	if err = json.Unmarshal([]byte(doc), &v); err != nil {
		err = fmt.Errorf("read a stored document: %w", err)
	}
	return v, err
}

// paging turns a Paging into LIMIT and OFFSET.
func paging(p campaign.Paging) (limit, offset int64, err error) {
	page, size := max(p.Page, 1), p.PageSize
	if size == 0 {
		size = campaign.DefaultPage
	}
	if p.Page < 0 || page > 1_000_000 {
		return 0, 0, &campaign.Error{Kind: campaign.Invalid, Code: campaign.CodeOutOfRange, Field: "page", Value: fmt.Sprint(p.Page), Limit: "1 to 1000000", Message: "is out of range"}
	}
	if size < 0 || size > campaign.MaxPageSize {
		return 0, 0, &campaign.Error{Kind: campaign.Invalid, Code: campaign.CodeOutOfRange, Field: "page_size", Value: fmt.Sprint(size),
			Limit: fmt.Sprint("1 to ", campaign.MaxPageSize), Message: "is out of range"}
	}
	return int64(size), int64(page-1) * int64(size), nil
}

func tooMany(field string, n int) error {
	if n <= campaign.MaxIDs {
		return nil
	}
	return &campaign.Error{Kind: campaign.Invalid, Code: campaign.CodeTooMany, Field: field, Value: fmt.Sprint(n, " ids"),
		Limit: fmt.Sprint(campaign.MaxIDs), Message: "has too many ids"}
}

// containing is the pattern of LIKE ... ESCAPE '!' for a part of a name, in
// ASCII lower case as sqldb.FoldedName is.
func containing(part string) string {
	return "%" + strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(strings.Map(foldASCII, part)) + "%"
}

func foldASCII(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}
