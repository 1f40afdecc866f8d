package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"mazad/campaign"
	"mazad/internal/id"
	"mazad/internal/sqldb"
)

// LoadAll implements campaign.Publisher.
func (s *Store) LoadAll(ctx context.Context) (t campaign.Tree, err error) {
	err = s.read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if t.Revision, err = revision(ctx, tx); err != nil {
			return err
		}
		if t.Advertisers, err = loadDocs[campaign.Advertiser](ctx, tx, "SELECT doc FROM advertisers ORDER BY id"); err != nil {
			return err
		}
		const alive = "SELECT doc FROM objects WHERE kind = ? AND status <> 'DELETE' ORDER BY id"
		if t.Campaigns, err = loadDocs[campaign.Campaign](ctx, tx, alive, campaigns.name); err != nil {
			return err
		}
		if t.AdGroups, err = loadDocs[campaign.AdGroup](ctx, tx, alive, adGroups.name); err != nil {
			return err
		}
		t.Ads, err = loadDocs[campaign.Ad](ctx, tx, alive, ads.name)
		return err
	})
	if err != nil {
		return campaign.Tree{}, err
	}
	prune(&t)
	return t, nil
}

func loadDocs[T any](ctx context.Context, tx sqldb.Tx, query string, args ...any) ([]T, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	var doc []byte
	for rows.Next() {
		if err := rows.Scan(&doc); err != nil {
			return nil, err
		}
		var v T
		if err := json.Unmarshal(doc, &v); err != nil {
			return nil, fmt.Errorf("read a stored document: %w", err)
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// prune drops what is below something deleted.
func prune(t *campaign.Tree) {
	lives := make(map[id.Campaign]bool, len(t.Campaigns))
	for i := range t.Campaigns {
		lives[t.Campaigns[i].ID] = true
	}
	groups := make(map[id.AdGroup]bool, len(t.AdGroups))
	kept := t.AdGroups[:0]
	for _, g := range t.AdGroups {
		if lives[g.Campaign] {
			kept = append(kept, g)
			groups[g.ID] = true
		}
	}
	t.AdGroups = kept
	left := t.Ads[:0]
	for _, a := range t.Ads {
		if groups[a.AdGroup] {
			left = append(left, a)
		}
	}
	t.Ads = left
}

// revision is that of the last edit.
func revision(ctx context.Context, tx sqldb.Tx) (r campaign.Revision, err error) {
	err = tx.QueryRowContext(ctx, "SELECT COALESCE(MAX(revision), 0) FROM revisions").Scan(&r)
	return r, err
}

// maxChanged bounds one answer of Changed; the rest comes with the next call.
const maxChanged = 10_000

// Changed implements campaign.Publisher.
func (s *Store) Changed(ctx context.Context, since campaign.Revision) (out []campaign.Touched, upTo campaign.Revision, err error) {
	upTo = since
	err = s.read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		var rows []revisionRow
		err := tx.NewSelect().Model(&rows).Column("revision", "kind", "object_id").Where("revision > ?", int64(since)).
			OrderExpr("revision").Limit(maxChanged).Scan(ctx)
		seen := make(map[campaign.Touched]bool, len(rows))
		for _, r := range rows {
			upTo = campaign.Revision(r.Revision)
			if t := (campaign.Touched{Kind: campaign.ObjectKind(r.Kind), Object: r.Object}); !seen[t] {
				seen[t] = true
				out = append(out, t)
			}
		}
		return err
	})
	return out, upTo, err
}

// Changes implements campaign.Objects.
func (s *Store) Changes(ctx context.Context, adv id.Advertiser, p campaign.Paging) (page campaign.Page[campaign.Change], err error) {
	limit, offset, err := paging(p)
	if err != nil {
		return page, err
	}
	err = s.read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		var rows []revisionRow
		n, err := tx.NewSelect().Model(&rows).Where("advertiser_id = ?", int64(adv)).OrderExpr("revision DESC").
			Limit(limit).Offset(offset).ScanAndCount(ctx)
		if err != nil {
			return err
		}
		page.Total = int(n)
		for _, r := range rows {
			page.List = append(page.List, campaign.Change{Revision: campaign.Revision(r.Revision), At: time.UnixMilli(r.AtMS).UTC(),
				Actor: r.Actor, Kind: campaign.ObjectKind(r.Kind), Object: r.Object, Advertiser: id.Advertiser(r.Advertiser),
				Before: json.RawMessage(r.Before), After: json.RawMessage(r.After)})
		}
		return nil
	})
	return page, err
}
