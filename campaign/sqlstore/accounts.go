package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"mazad/campaign"
	"mazad/internal/id"
	"mazad/internal/sqldb"

	"github.com/uptrace/bun"
)

type centerRow struct {
	bun.BaseModel `bun:"table:business_centers,alias:b"`

	ID      int64  `bun:"id,pk"`
	Name    string `bun:"name"`
	Version int64  `bun:"version"`
	Doc     string `bun:"doc"`
}

type advertiserRow struct {
	bun.BaseModel `bun:"table:advertisers,alias:a"`

	ID      int64  `bun:"id,pk"`
	Center  int64  `bun:"bc_id"`
	Name    string `bun:"name"`
	Version int64  `bun:"version"`
	Doc     string `bun:"doc"`
}

// CreateBusinessCenter implements campaign.Accounts.
func (s *Store) CreateBusinessCenter(ctx context.Context, e campaign.Edit, b campaign.BusinessCenter) (campaign.BusinessCenter, error) {
	return once(ctx, s, e, "operator create bc", func(ctx context.Context, tx sqldb.Tx) (campaign.BusinessCenter, error) {
		if err := b.Validate(); err != nil {
			return b, err
		}
		now := s.now()
		b.ID = id.BusinessCenter(s.minter.Load().Next())
		b.Meta = campaign.Meta{Version: 1, CreatedAt: now, ModifiedAt: now}
		doc, err := encode(b)
		if err != nil {
			return b, err
		}
		row := centerRow{ID: int64(b.ID), Name: b.Name, Version: 1, Doc: doc}
		if _, err := tx.NewInsert().Model(&row).Exec(ctx); err != nil {
			return b, fmt.Errorf("write a new business center: %w", err)
		}
		return b, s.log(ctx, tx, e, edited{campaign.KindBusinessCenter, row.ID, 0, "", doc})
	})
}

// BusinessCenter implements campaign.Accounts.
func (s *Store) BusinessCenter(ctx context.Context, bc id.BusinessCenter) (out campaign.BusinessCenter, err error) {
	err = s.read(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		out, err = center(ctx, tx, bc)
		return err
	})
	return out, err
}

func center(ctx context.Context, tx sqldb.Tx, bc id.BusinessCenter) (campaign.BusinessCenter, error) {
	var doc string
	err := tx.NewSelect().Model((*centerRow)(nil)).Column("doc").Where("id = ?", int64(bc)).Scan(ctx, &doc)
	if errors.Is(err, sql.ErrNoRows) {
		return campaign.BusinessCenter{}, campaign.NotFoundError("bc_id", bc)
	}
	if err != nil {
		return campaign.BusinessCenter{}, fmt.Errorf("find business center %d: %w", bc, err)
	}
	return decode[campaign.BusinessCenter](doc)
}

// BusinessCenters implements campaign.Accounts.
func (s *Store) BusinessCenters(ctx context.Context, p campaign.Paging) (page campaign.Page[campaign.BusinessCenter], err error) {
	err = s.read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		page, err = pageOf[campaign.BusinessCenter](ctx, tx.NewSelect().Model((*centerRow)(nil)).Column("doc"), "id", p)
		return err
	})
	return page, err
}

// pageOf reads a page of documents, newest first.
func pageOf[T any](ctx context.Context, sel *bun.SelectQuery, order string, p campaign.Paging) (page campaign.Page[T], err error) {
	limit, offset, err := paging(p)
	if err != nil {
		return page, err
	}
	total, err := sel.Count(ctx)
	if err != nil {
		return page, err
	}
	page.Total = int(total)
	var docs []string
	if err := sel.OrderExpr("? DESC", bun.Ident(order)).Limit(limit).Offset(offset).Scan(ctx, &docs); err != nil {
		return page, err
	}
	page.List = make([]T, len(docs))
	for i, doc := range docs {
		if page.List[i], err = decode[T](doc); err != nil {
			return page, err
		}
	}
	return page, nil
}

// CreateAdvertiser implements campaign.Accounts.
func (s *Store) CreateAdvertiser(ctx context.Context, e campaign.Edit, a campaign.Advertiser) (campaign.Advertiser, error) {
	a.Defaults()
	scope := fmt.Sprintf("bc %d create advertiser", a.BusinessCenter)
	return once(ctx, s, e, scope, func(ctx context.Context, tx sqldb.Tx) (campaign.Advertiser, error) {
		if a.BusinessCenter != 0 {
			if _, err := center(ctx, tx, a.BusinessCenter); err != nil {
				return a, err
			}
		}
		if err := a.Validate(); err != nil {
			return a, err
		}
		row, err := s.newAdvertiser(&a)
		if err != nil {
			return a, err
		}
		if _, err := tx.NewInsert().Model(&row).Exec(ctx); err != nil {
			return a, fmt.Errorf("write a new advertiser: %w", err)
		}
		return a, s.log(ctx, tx, e, edited{campaign.KindAdvertiser, row.ID, a.ID, "", row.Doc})
	})
}

// newAdvertiser gives a its id and makes its row.
func (s *Store) newAdvertiser(a *campaign.Advertiser) (advertiserRow, error) {
	now := s.now()
	a.ID = id.Advertiser(s.minter.Load().Next())
	a.Meta = campaign.Meta{Version: 1, CreatedAt: now, ModifiedAt: now}
	doc, err := encode(a)
	return advertiserRow{ID: int64(a.ID), Center: int64(a.BusinessCenter), Name: a.Name, Version: 1, Doc: doc}, err
}

// UpdateAdvertiser implements campaign.Accounts.
func (s *Store) UpdateAdvertiser(ctx context.Context, e campaign.Edit, adv id.Advertiser, p campaign.AdvertiserPatch) (out campaign.Advertiser, err error) {
	err = s.edit(ctx, e, func(ctx context.Context, tx sqldb.Tx) error {
		a, err := advertiser(ctx, tx, adv)
		if err != nil {
			return err
		}
		if err := checkVersion(e, a.Version); err != nil {
			return err
		}
		before, err := encode(a)
		if err != nil {
			return err
		}
		campaign.Apply(&a, p)
		if err := a.Validate(); err != nil {
			return err
		}
		after, err := encode(a)
		if out = a; err != nil || before == after {
			return err
		}
		a.Version++
		a.ModifiedAt = s.now()
		if after, err = encode(a); err != nil {
			return err
		}
		row := advertiserRow{ID: int64(adv), Center: int64(a.BusinessCenter), Name: a.Name, Version: a.Version, Doc: after}
		if _, err := tx.NewUpdate().Model(&row).WherePK().Exec(ctx); err != nil {
			return fmt.Errorf("write advertiser %d: %w", adv, err)
		}
		out = a
		return s.log(ctx, tx, e, edited{campaign.KindAdvertiser, row.ID, adv, before, after})
	})
	if err != nil {
		return campaign.Advertiser{}, err
	}
	return out, nil
}

// Advertiser implements campaign.Accounts.
func (s *Store) Advertiser(ctx context.Context, adv id.Advertiser) (out campaign.Advertiser, err error) {
	err = s.read(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		out, err = advertiser(ctx, tx, adv)
		return err
	})
	return out, err
}

func advertiser(ctx context.Context, tx sqldb.Tx, adv id.Advertiser) (campaign.Advertiser, error) {
	var doc string
	err := tx.NewSelect().Model((*advertiserRow)(nil)).Column("doc").Where("id = ?", int64(adv)).Scan(ctx, &doc)
	if errors.Is(err, sql.ErrNoRows) {
		return campaign.Advertiser{}, campaign.NotFoundError("advertiser_id", adv)
	}
	if err != nil {
		return campaign.Advertiser{}, fmt.Errorf("find advertiser %d: %w", adv, err)
	}
	return decode[campaign.Advertiser](doc)
}

// Advertisers implements campaign.Accounts.
func (s *Store) Advertisers(ctx context.Context, q campaign.AdvertiserQuery) (page campaign.Page[campaign.Advertiser], err error) {
	if err := tooMany("advertiser_ids", len(q.IDs)); err != nil {
		return page, err
	}
	err = s.read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		sel := tx.NewSelect().Model((*advertiserRow)(nil)).Column("doc")
		if len(q.IDs) > 0 {
			sel = sel.Where("id IN (?)", bun.List(q.IDs))
		}
		if q.BusinessCenter != 0 {
			sel = sel.Where("bc_id = ?", int64(q.BusinessCenter))
		}
		if q.Name != "" {
			sel = sel.Where(sqldb.FoldedName(tx, "name")+" LIKE ? ESCAPE '!'", containing(q.Name))
		}
		page, err = pageOf[campaign.Advertiser](ctx, sel, "id", q.Paging)
		return err
	})
	return page, err
}
