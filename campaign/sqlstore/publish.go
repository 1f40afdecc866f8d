package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"mazad/campaign"
	"mazad/internal/id"
	"mazad/internal/sqldb"
)

// LoadAll implements campaign.Publisher.
func (s *Store) LoadAll(ctx context.Context) (t campaign.Tree, err error) {
	const accounts = "SELECT doc FROM advertisers ORDER BY id"
	const objects = "SELECT doc FROM objects WHERE kind = ? AND status <> 'DELETE' ORDER BY id"
	if t, err = s.load(ctx, accounts, objects); err == nil {
		t.Prune()
	}
	return t, err
}

// LoadSince implements campaign.Publisher.
func (s *Store) LoadSince(ctx context.Context, since campaign.Revision) (campaign.Tree, error) {
	const accounts = `SELECT doc FROM advertisers
		WHERE id IN (SELECT object_id FROM revisions WHERE revision > ? AND kind = 'ADVERTISER') ORDER BY id`
	const objects = `SELECT doc FROM objects
		WHERE id IN (SELECT object_id FROM revisions WHERE revision > ?) AND kind = ? ORDER BY id`
	return s.load(ctx, accounts, objects, int64(since))
}

// load reads a tree in one state of the database. accounts takes args, objects
// takes them before the kind.
func (s *Store) load(ctx context.Context, accounts, objects string, args ...any) (t campaign.Tree, err error) {
	err = s.read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if t.Revision, err = revision(ctx, tx); err != nil {
			return err
		}
		if len(args) > 0 && args[0] == int64(t.Revision) { // asked several times a second
			return nil
		}
		if t.Advertisers, err = loadDocs[campaign.Advertiser](ctx, tx, accounts, args...); err != nil {
			return err
		}
		of := func(kind campaign.ObjectKind) []any { return append(slices.Clone(args), string(kind)) }
		if t.Campaigns, err = loadDocs[campaign.Campaign](ctx, tx, objects, of(campaigns.name)...); err != nil {
			return err
		}
		if t.AdGroups, err = loadDocs[campaign.AdGroup](ctx, tx, objects, of(adGroups.name)...); err != nil {
			return err
		}
		t.Ads, err = loadDocs[campaign.Ad](ctx, tx, objects, of(ads.name)...)
		return err
	})
	if err != nil {
		return campaign.Tree{}, err
	}
	return t, nil
}

// decoders is how many goroutines decode documents while one reads them: JSON
// is two thirds of the work.
const decoders = 3

// loadDocs reads all documents of a query, in its order.
func loadDocs[T any](ctx context.Context, tx sqldb.Tx, query string, args ...any) ([]T, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	type part struct {
		docs [][]byte
		out  []T
		err  error
	}
	const partSize = 256
	var parts []*part
	work := make(chan *part, decoders)
	var wg sync.WaitGroup
	for range decoders {
		wg.Go(func() {
			for p := range work {
				p.out = make([]T, len(p.docs))
				for i, doc := range p.docs {
					if err := json.Unmarshal(doc, &p.out[i]); err != nil {
						p.err = fmt.Errorf("read a stored document: %w", err)
						break
					}
				}
				p.docs = nil
			}
		})
	}
	now := &part{}
	for rows.Next() {
		var doc []byte
		if err = rows.Scan(&doc); err != nil {
			break
		}
		if now.docs = append(now.docs, doc); len(now.docs) == partSize {
			parts = append(parts, now)
			work <- now
			now = &part{}
		}
	}
	parts = append(parts, now)
	work <- now
	close(work)
	wg.Wait()
	if err = errors.Join(err, rows.Err()); err != nil {
		return nil, err
	}
	var out []T
	for _, p := range parts {
		if p.err != nil {
			return nil, p.err
		}
		out = append(out, p.out...)
	}
	return out, nil
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
