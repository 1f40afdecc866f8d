package sqlstore

import (
	"context"
	"fmt"

	"mazad/campaign"
	"mazad/internal/id"
	"mazad/internal/sqldb"
)

// CreateCampaign implements campaign.Objects.
func (s *Store) CreateCampaign(ctx context.Context, e campaign.Edit, c campaign.Campaign) (campaign.Campaign, error) {
	c.Defaults()
	return once(ctx, s, e, createScope(c.Advertiser, campaigns.name), func(ctx context.Context, tx sqldb.Tx) (campaign.Campaign, error) {
		if _, err := advertiser(ctx, tx, c.Advertiser); err != nil {
			return c, err
		}
		if err := newStatus(c.OperationStatus); err != nil {
			return c, err
		}
		if err := c.Validate(); err != nil {
			return c, err
		}
		c.ID = id.Campaign(s.minter.Load().Next())
		return c, campaigns.create(ctx, tx, s, e, &c)
	})
}

// UpdateCampaign implements campaign.Objects.
func (s *Store) UpdateCampaign(ctx context.Context, e campaign.Edit, adv id.Advertiser, c id.Campaign, p campaign.CampaignPatch) (campaign.Campaign, error) {
	return campaigns.update(ctx, s, e, adv, int64(c), func(_ context.Context, _ sqldb.Tx, v *campaign.Campaign) error {
		campaign.Apply(v, p)
		return v.Validate()
	})
}

// SetCampaignStatus implements campaign.Objects.
func (s *Store) SetCampaignStatus(ctx context.Context, e campaign.Edit, adv id.Advertiser, ids []id.Campaign, to campaign.OperationStatus) ([]campaign.Campaign, error) {
	return campaigns.setStatus(ctx, s, e, adv, numbers(ids), to)
}

// Campaign implements campaign.Objects.
func (s *Store) Campaign(ctx context.Context, adv id.Advertiser, c id.Campaign) (out campaign.Campaign, err error) {
	err = s.read(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		out, err = campaigns.get(ctx, tx, campaigns.field, adv, int64(c))
		return err
	})
	return out, err
}

// Campaigns implements campaign.Objects.
func (s *Store) Campaigns(ctx context.Context, adv id.Advertiser, q campaign.Query) (campaign.Page[campaign.Campaign], error) {
	return campaigns.list(ctx, s, adv, q)
}

// CreateAdGroup implements campaign.Objects.
func (s *Store) CreateAdGroup(ctx context.Context, e campaign.Edit, g campaign.AdGroup) (campaign.AdGroup, error) {
	return once(ctx, s, e, createScope(g.Advertiser, adGroups.name), func(ctx context.Context, tx sqldb.Tx) (campaign.AdGroup, error) {
		c, err := campaigns.get(ctx, tx, campaigns.field, g.Advertiser, int64(g.Campaign))
		if err != nil {
			return g, err
		}
		if err := alive(campaigns.field, int64(c.ID), c.OperationStatus); err != nil {
			return g, err
		}
		now := s.now()
		g.Defaults(now)
		if err := newStatus(g.OperationStatus); err != nil {
			return g, err
		}
		if err := g.Validate(campaign.Context{Now: now, Campaign: &c}); err != nil {
			return g, err
		}
		g.ID = id.AdGroup(s.minter.Load().Next())
		return g, adGroups.create(ctx, tx, s, e, &g)
	})
}

// UpdateAdGroup implements campaign.Objects.
func (s *Store) UpdateAdGroup(ctx context.Context, e campaign.Edit, adv id.Advertiser, g id.AdGroup, p campaign.AdGroupPatch) (campaign.AdGroup, error) {
	return adGroups.update(ctx, s, e, adv, int64(g), func(ctx context.Context, tx sqldb.Tx, v *campaign.AdGroup) error {
		c, err := campaigns.get(ctx, tx, campaigns.field, adv, int64(v.Campaign))
		if err != nil {
			return err
		}
		before, now := *v, s.now()
		campaign.Apply(v, p)
		v.Defaults(now)
		return v.Validate(campaign.Context{Now: now, Campaign: &c, Before: &before})
	})
}

// SetAdGroupStatus implements campaign.Objects.
func (s *Store) SetAdGroupStatus(ctx context.Context, e campaign.Edit, adv id.Advertiser, ids []id.AdGroup, to campaign.OperationStatus) ([]campaign.AdGroup, error) {
	return adGroups.setStatus(ctx, s, e, adv, numbers(ids), to)
}

// AdGroup implements campaign.Objects.
func (s *Store) AdGroup(ctx context.Context, adv id.Advertiser, g id.AdGroup) (out campaign.AdGroup, err error) {
	err = s.read(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		out, err = adGroups.get(ctx, tx, adGroups.field, adv, int64(g))
		return err
	})
	return out, err
}

// AdGroups implements campaign.Objects.
func (s *Store) AdGroups(ctx context.Context, adv id.Advertiser, q campaign.Query) (campaign.Page[campaign.AdGroup], error) {
	return adGroups.list(ctx, s, adv, q)
}

// CreateAd implements campaign.Objects.
func (s *Store) CreateAd(ctx context.Context, e campaign.Edit, a campaign.Ad) (campaign.Ad, error) {
	a.Defaults()
	return once(ctx, s, e, createScope(a.Advertiser, ads.name), func(ctx context.Context, tx sqldb.Tx) (campaign.Ad, error) {
		g, c, err := parents(ctx, tx, a.Advertiser, a.AdGroup)
		if err != nil {
			return a, err
		}
		if err := alive(adGroups.field, int64(g.ID), g.OperationStatus); err != nil {
			return a, err
		}
		if err := newStatus(a.OperationStatus); err != nil {
			return a, err
		}
		if err := a.Validate(&c); err != nil {
			return a, err
		}
		a.ID, a.Campaign = id.Ad(s.minter.Load().Next()), c.ID
		a.Review, a.ReviewReasons = s.firstReview(), nil
		return a, ads.create(ctx, tx, s, e, &a)
	})
}

// UpdateAd implements campaign.Objects.
func (s *Store) UpdateAd(ctx context.Context, e campaign.Edit, adv id.Advertiser, a id.Ad, p campaign.AdPatch) (campaign.Ad, error) {
	return ads.update(ctx, s, e, adv, int64(a), func(ctx context.Context, tx sqldb.Tx, v *campaign.Ad) error {
		_, c, err := parents(ctx, tx, adv, v.AdGroup)
		if err != nil {
			return err
		}
		before := *v
		campaign.Apply(v, p)
		if !v.SameMaterial(&before) {
			v.Review, v.ReviewReasons = s.firstReview(), nil
		}
		return v.Validate(&c)
	})
}

// SetAdStatus implements campaign.Objects.
func (s *Store) SetAdStatus(ctx context.Context, e campaign.Edit, adv id.Advertiser, ids []id.Ad, to campaign.OperationStatus) ([]campaign.Ad, error) {
	return ads.setStatus(ctx, s, e, adv, numbers(ids), to)
}

// ReviewAd implements campaign.Objects.
func (s *Store) ReviewAd(ctx context.Context, e campaign.Edit, adv id.Advertiser, a id.Ad, to campaign.ReviewStatus, reasons []string) (campaign.Ad, error) {
	if err := campaign.CheckReview(to, reasons); err != nil {
		return campaign.Ad{}, err
	}
	return ads.update(ctx, s, e, adv, int64(a), func(_ context.Context, _ sqldb.Tx, v *campaign.Ad) error {
		v.Review, v.ReviewReasons = to, reasons
		return nil
	})
}

// Ad implements campaign.Objects.
func (s *Store) Ad(ctx context.Context, adv id.Advertiser, a id.Ad) (out campaign.Ad, err error) {
	err = s.read(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		out, err = ads.get(ctx, tx, ads.field, adv, int64(a))
		return err
	})
	return out, err
}

// Ads implements campaign.Objects.
func (s *Store) Ads(ctx context.Context, adv id.Advertiser, q campaign.Query) (campaign.Page[campaign.Ad], error) {
	return ads.list(ctx, s, adv, q)
}

func (s *Store) firstReview() campaign.ReviewStatus {
	if s.cfg.ReviewFirst {
		return campaign.ReviewPending
	}
	return campaign.ReviewApproved
}

// parents are the ad group and campaign that an ad belongs to.
func parents(ctx context.Context, tx sqldb.Tx, adv id.Advertiser, group id.AdGroup) (g campaign.AdGroup, c campaign.Campaign, err error) {
	if g, err = adGroups.get(ctx, tx, adGroups.field, adv, int64(group)); err == nil {
		c, err = campaigns.get(ctx, tx, campaigns.field, adv, int64(g.Campaign))
	}
	return g, c, err
}

func alive(field string, object int64, status campaign.OperationStatus) error {
	if status != campaign.Delete {
		return nil
	}
	return &campaign.Error{Kind: campaign.Invalid, Code: campaign.CodeDeleted, Field: field, Value: fmt.Sprint(object), Message: "has been deleted"}
}

// newStatus refuses to create what is deleted from the start.
func newStatus(status campaign.OperationStatus) error {
	if status != campaign.Delete {
		return nil
	}
	return &campaign.Error{Kind: campaign.Invalid, Code: campaign.CodeUnknownValue, Field: "operation_status", Value: string(status),
		Limit: "ENABLE, DISABLE", Message: "is not allowed at creation"}
}

func numbers[T ~int64](ids []T) []int64 {
	out := make([]int64, len(ids))
	for i, n := range ids {
		out[i] = int64(n)
	}
	return out
}
