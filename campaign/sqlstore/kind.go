package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"

	"mazad/campaign"
	"mazad/internal/id"
	"mazad/internal/sqldb"

	"github.com/uptrace/bun"
)

// kind is what campaigns, ad groups and ads have in common as stored objects.
type kind[T any] struct {
	name   campaign.ObjectKind
	field  string // the API's name of its id
	row    func(*T) objectRow
	meta   func(*T) *campaign.Meta
	status func(*T) *campaign.OperationStatus
}

var campaigns = &kind[campaign.Campaign]{
	name: campaign.KindCampaign, field: "campaign_id",
	row: func(c *campaign.Campaign) objectRow {
		return objectRow{ID: int64(c.ID), Advertiser: int64(c.Advertiser), Campaign: int64(c.ID), Name: c.Name, Objective: string(c.Objective)}
	},
	meta:   func(c *campaign.Campaign) *campaign.Meta { return &c.Meta },
	status: func(c *campaign.Campaign) *campaign.OperationStatus { return &c.OperationStatus },
}

var adGroups = &kind[campaign.AdGroup]{
	name: campaign.KindAdGroup, field: "adgroup_id",
	row: func(g *campaign.AdGroup) objectRow {
		return objectRow{ID: int64(g.ID), Advertiser: int64(g.Advertiser), Campaign: int64(g.Campaign), AdGroup: int64(g.ID), Name: g.Name}
	},
	meta:   func(g *campaign.AdGroup) *campaign.Meta { return &g.Meta },
	status: func(g *campaign.AdGroup) *campaign.OperationStatus { return &g.OperationStatus },
}

var ads = &kind[campaign.Ad]{
	name: campaign.KindAd, field: "ad_id",
	row: func(a *campaign.Ad) objectRow {
		return objectRow{ID: int64(a.ID), Advertiser: int64(a.Advertiser), Campaign: int64(a.Campaign), AdGroup: int64(a.AdGroup), Name: a.Name}
	},
	meta:   func(a *campaign.Ad) *campaign.Meta { return &a.Meta },
	status: func(a *campaign.Ad) *campaign.OperationStatus { return &a.OperationStatus },
}

// rowOf is the whole row of an object.
func (k *kind[T]) rowOf(v *T) (objectRow, error) {
	r := k.row(v)
	r.Kind, r.Status, r.Version = string(k.name), string(*k.status(v)), k.meta(v).Version
	doc, err := encode(v)
	r.Doc = doc
	return r, err
}

// get finds one object of one advertiser. field is how the caller named it.
func (k *kind[T]) get(ctx context.Context, tx sqldb.Tx, field string, adv id.Advertiser, object int64) (T, error) {
	var doc string
	err := tx.NewSelect().Model((*objectRow)(nil)).Column("doc").
		Where("id = ?", object).Where("kind = ?", string(k.name)).Where("advertiser_id = ?", int64(adv)).Scan(ctx, &doc)
	if errors.Is(err, sql.ErrNoRows) {
		var none T
		return none, campaign.NotFoundError(field, number(object))
	}
	if err != nil {
		var none T
		return none, fmt.Errorf("find %s %d: %w", k.field, object, err)
	}
	return decode[T](doc)
}

type number int64

func (n number) String() string { return strconv.FormatInt(int64(n), 10) }

// create writes a new object whose id and parents are set.
func (k *kind[T]) create(ctx context.Context, tx sqldb.Tx, s *Store, e campaign.Edit, v *T) error {
	now := s.now()
	*k.meta(v) = campaign.Meta{Version: 1, CreatedAt: now, ModifiedAt: now}
	r, err := k.rowOf(v)
	if err != nil {
		return err
	}
	if _, err := tx.NewInsert().Model(&r).Exec(ctx); err != nil {
		return fmt.Errorf("write a new %s: %w", k.field, err)
	}
	return s.log(ctx, tx, e, edited{k.name, r.ID, id.Advertiser(r.Advertiser), "", r.Doc})
}

// update reads an object, lets change alter it, and writes it if it differs.
func (k *kind[T]) update(ctx context.Context, s *Store, e campaign.Edit, adv id.Advertiser, object int64,
	change func(ctx context.Context, tx sqldb.Tx, v *T) error) (out T, err error) {
	err = s.edit(ctx, e, func(ctx context.Context, tx sqldb.Tx) error {
		out, err = k.change(ctx, tx, s, e, adv, object, change)
		return err
	})
	return out, err
}

func (k *kind[T]) change(ctx context.Context, tx sqldb.Tx, s *Store, e campaign.Edit, adv id.Advertiser, object int64,
	change func(ctx context.Context, tx sqldb.Tx, v *T) error) (none T, err error) {
	v, err := k.get(ctx, tx, k.field, adv, object)
	if err != nil {
		return none, err
	}
	meta := k.meta(&v)
	if err := checkVersion(e, meta.Version); err != nil {
		return none, err
	}
	before, err := k.rowOf(&v)
	if err != nil {
		return none, err
	}
	if err := change(ctx, tx, &v); err != nil {
		return none, err
	}
	after, err := k.rowOf(&v)
	if err != nil || after.Doc == before.Doc { // nothing to do is done
		return v, err
	}
	if campaign.OperationStatus(before.Status) == campaign.Delete {
		return none, &campaign.Error{Kind: campaign.Invalid, Code: campaign.CodeDeleted, Field: k.field, Value: fmt.Sprint(object),
			Message: "has been deleted and cannot be changed"}
	}
	meta.Version++
	meta.ModifiedAt = s.now()
	if after, err = k.rowOf(&v); err != nil {
		return none, err
	}
	res, err := tx.NewUpdate().Model(&after).Column("name", "status", "objective", "version", "doc").
		Where("id = ?", object).Where("version = ?", before.Version).Exec(ctx)
	if err != nil {
		return none, fmt.Errorf("write %s %d: %w", k.field, object, err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return none, fmt.Errorf("write %s %d: %d rows changed, want 1: %w", k.field, object, n, errors.Join(err))
	}
	return v, s.log(ctx, tx, e, edited{k.name, object, adv, before.Doc, after.Doc})
}

// setStatus changes the status of all or none.
func (k *kind[T]) setStatus(ctx context.Context, s *Store, e campaign.Edit, adv id.Advertiser, objects []int64,
	status campaign.OperationStatus) (out []T, err error) {
	switch status {
	case campaign.Enable, campaign.Disable, campaign.Delete:
	default:
		return nil, &campaign.Error{Kind: campaign.Invalid, Code: campaign.CodeUnknownValue, Field: "operation_status",
			Value: strconv.Quote(string(status)), Limit: "ENABLE, DISABLE, DELETE", Message: "is not a known value"}
	}
	if err := tooMany(k.field+"s", len(objects)); err != nil {
		return nil, err
	}
	if len(objects) == 0 {
		return nil, &campaign.Error{Kind: campaign.Invalid, Code: campaign.CodeRequired, Field: k.field + "s", Message: "must name at least one"}
	}
	err = s.edit(ctx, e, func(ctx context.Context, tx sqldb.Tx) error {
		out = make([]T, 0, len(objects))
		for _, object := range objects {
			v, err := k.change(ctx, tx, s, e, adv, object, func(_ context.Context, _ sqldb.Tx, v *T) error {
				*k.status(v) = status
				return nil
			})
			if err != nil {
				return err
			}
			out = append(out, v)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// list is a page of one advertiser's objects.
func (k *kind[T]) list(ctx context.Context, s *Store, adv id.Advertiser, q campaign.Query) (page campaign.Page[T], err error) {
	err = errors.Join(tooMany(k.field+"s", len(q.IDs)), tooMany("campaign_ids", len(q.Campaigns)), tooMany("adgroup_ids", len(q.AdGroups)))
	if err != nil {
		return page, err
	}
	err = s.read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		sel := filter(tx, k.name, adv, q)
		page, err = pageOf[T](ctx, sel, "id", q.Paging)
		return err
	})
	return page, err
}

func filter(tx sqldb.Tx, kind campaign.ObjectKind, adv id.Advertiser, q campaign.Query) *bun.SelectQuery {
	sel := tx.NewSelect().Model((*objectRow)(nil)).Column("doc").Where("advertiser_id = ?", int64(adv)).Where("kind = ?", string(kind))
	if len(q.IDs) > 0 {
		sel = sel.Where("id IN (?)", bun.List(q.IDs))
	}
	if len(q.Campaigns) > 0 {
		sel = sel.Where("campaign_id IN (?)", bun.List(q.Campaigns))
	}
	if len(q.AdGroups) > 0 {
		sel = sel.Where("ad_group_id IN (?)", bun.List(q.AdGroups))
	}
	if q.Name != "" {
		sel = sel.Where(sqldb.FoldedName(tx, "name")+" LIKE ? ESCAPE '!'", containing(q.Name))
	}
	if q.Objective != "" {
		sel = sel.Where("objective = ?", string(q.Objective))
	}
	if len(q.Statuses) > 0 {
		return sel.Where("status IN (?)", bun.List(q.Statuses))
	}
	return sel.Where("status <> ?", string(campaign.Delete))
}
