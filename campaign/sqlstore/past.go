package sqlstore

import (
	"context"
	"fmt"

	"mazad/campaign"
	"mazad/internal/sqldb"
)

// LoadAt implements campaign.Publisher: what is stored now, but every object that
// was edited after r as the first of those edits found it. The change log is never
// pruned, so every revision comes back.
func (s *Store) LoadAt(ctx context.Context, r campaign.Revision) (t campaign.Tree, err error) {
	err = s.read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		last, err := revision(ctx, tx)
		if err != nil {
			return err
		}
		if r < 0 || r > last {
			return &campaign.Error{Kind: campaign.NotFound, Code: campaign.CodeNotFound, Field: "revision", Value: fmt.Sprint(r),
				Limit: fmt.Sprint("0 to ", last), Message: "is not a revision of this store"}
		}
		t.Revision = r
		if t.Advertisers, err = docsAt[campaign.Advertiser](ctx, tx, campaign.KindAdvertiser, r); err != nil {
			return err
		}
		if t.Campaigns, err = docsAt[campaign.Campaign](ctx, tx, campaign.KindCampaign, r); err != nil {
			return err
		}
		if t.AdGroups, err = docsAt[campaign.AdGroup](ctx, tx, campaign.KindAdGroup, r); err != nil {
			return err
		}
		t.Ads, err = docsAt[campaign.Ad](ctx, tx, campaign.KindAd, r)
		return err
	})
	if err != nil {
		return campaign.Tree{}, err
	}
	t.Prune()
	return t, nil
}

// docsAt reads the documents of one kind as they were at a revision, by id.
func docsAt[T any](ctx context.Context, tx sqldb.Tx, kind campaign.ObjectKind, r campaign.Revision) ([]T, error) {
	now, args := "SELECT id, doc FROM objects WHERE kind = ? AND", []any{string(kind)}
	if kind == campaign.KindAdvertiser {
		now, args = "SELECT id, doc FROM advertisers WHERE", nil
	}
	// An empty document before an edit: it was created then.
	const since = ` id NOT IN (SELECT object_id FROM revisions WHERE revision > ? AND kind = ?)
		UNION ALL SELECT object_id, before_doc FROM revisions WHERE before_doc <> ''
		AND revision IN (SELECT MIN(revision) FROM revisions WHERE revision > ? AND kind = ? GROUP BY object_id)`
	args = append(args, int64(r), string(kind), int64(r), string(kind))
	return loadDocs[T](ctx, tx, "SELECT doc FROM ("+now+since+") AS past ORDER BY id", args...)
}
